"""The catalogue of faults, each with the tests that show it, and its twin: the same attack with the protection taken out, which breaks what it must.

The rule this module protects: a fault is shown, or it stands here why it can't be; and what is said to protect from it was seen to be missed. Tests
are named by file, below `tests/`, and function, with a parameter's id where the others show something else. `docs/design/faults.md` has the table:
`python -m tests.faults.catalogue` writes it there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "design" / "faults.md"
HEAD: Final = ("| | fault | shown by | twin |", "|---|---|---|---|")
NUMBERS: Final = (*range(1, 25), *range(30, 37))
"""Those between and after them are shown where their subject is: rights, the web server, receivers, Prometheus, bad objects, versions, the soak."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. Without tests it has `why_not_shown`, without a twin `why_no_twin`."""

    name: str
    tests: tuple[str, ...] = ()
    twin: tuple[str, ...] = ()
    why_not_shown: str = ""
    why_no_twin: str = ""


def _of(file: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{file}.py::test_{name}" for name in names)


CRASHES = _of(
    "faults/test_crash_anywhere",
    "r11_a_rollback_of_a_deployment_survives_a_crash_at_every_write",
    "every_other_story_survives_a_crash_at_every_write",
    "c29_a_page_survives_a_kill_before_it_is_sent_and_before_its_receipt_is_kept",
) + _of("faults/test_runs", "a_run_survives_a_crash_at_every_write")
TWIN = "an_operator_without_a_protection_breaks_its_invariant_or_comes_to_no_end"
NO_ELECTION = _of("cluster/test_leadership", "without_an_election_both_page_and_the_check_says_so")
BLIND = _of("faults/test_bad_answers", "who_does_not_open_its_watches_again_outlives_an_outage_and_sees_nothing_more")

FAULTS: Final[dict[int, Fault]] = {
    1: Fault(
        name="kill -9 at every write",
        tests=(*CRASHES, *_of("app/test_once_only", "r11_a_process_that_dies_anywhere_heals_once_or_pages")),
        twin=_of("faults/test_twins", f"{TWIN}[looking]", f"{TWIN}[key]"),
    ),
    2: Fault(
        name="a reply is lost",
        tests=(*CRASHES, *_of("app/test_once_only", "an_effect_without_an_answer_is_settled_by_looking")),
        twin=_of("faults/test_twins", f"{TWIN}[intent]", "a_deletion_whose_reply_was_lost_is_not_sent_again_by_the_http_client[twin]"),
    ),
    3: Fault(
        name="SIGTERM in the middle of a step, SIGKILL after the grace",
        tests=(
            *_of(
                "faults/test_crash_anywhere",
                "an_operator_that_is_told_to_end_in_the_middle_of_a_step_leaves_nothing_half_done",
                "an_operator_that_is_killed_because_its_step_outlasts_its_grace_leaves_nothing_half_done",
            ),
            *_of("app/test_heart", "told_to_end_it_finishes_the_step_under_way_and_then_gives_the_lease_up"),
        ),
        twin=_of("faults/test_twins", f"{TWIN}[looking after its grace]"),
    ),
    4: Fault(
        name="no operator while the fault occurs",
        tests=_of("faults/test_crash_anywhere", "a_fault_that_occurs_while_there_is_no_operator_is_found_by_the_next_one"),
        why_no_twin="what would be taken out is the first list, and a process without it is never ready "
        "(`app/test_heart.py::test_a_start_waits_for_our_kinds_then_for_a_whole_cache_and_only_then_serves`)",
    ),
    5: Fault(
        name="the API server restarts, 10 s and 5 min",
        tests=(
            *_of("faults/test_bad_answers", "an_api_server_that_is_away_is_outlived_in_the_process"),
            *_of("outages/test_control_plane", "an_api_server_that_restarts_in_the_middle_of_a_story_is_outlived"),
        ),
        twin=BLIND,
    ),
    6: Fault(
        name="the API server is up, and its store is not",
        tests=(
            *_of("faults/test_bad_answers", "an_api_server_that_is_away_is_outlived_in_the_process[everything is 503]"),
            *_of("outages/test_control_plane", "an_etcd_that_stands_still_for_two_minutes_is_outlived"),
        ),
        twin=BLIND,
    ),
    7: Fault(
        name="a storm of conflicts",
        tests=_of(
            "faults/test_bad_answers",
            "a_second_writer_that_never_rests_neither_stops_it_nor_is_overwritten",
            "an_answer_that_is_an_error_ends_no_story",
        ),
        twin=_of("app/test_twins", "what_a_second_writer_stored_meanwhile_stands_because_only_what_was_read_is_replaced[twin]"),
    ),
    8: Fault(
        name="410 Gone",
        tests=_of("faults/test_broken_watches", "what_a_watch_never_told_is_found_by_the_list_after_its_410", "a_watch_that_breaks_is_opened_again"),
        twin=_of("faults/test_broken_watches", "what_a_watch_never_told_is_found_by_the_list_after_its_410[twin]"),
    ),
    9: Fault(
        name="a watch says ERROR 500 or garbage, or ends in the middle of a line",
        tests=_of("faults/test_broken_watches", "a_watch_that_breaks_is_opened_again"),
        twin=_of("faults/test_broken_watches", "a_watch_that_is_not_opened_again_ends_the_story_nowhere"),
    ),
    10: Fault(
        name="a half-open watch",
        tests=_of("faults/test_silent_watches", "a_half_open_watch_of_pods_is_noticed"),
        twin=_of("faults/test_silent_watches", "a_half_open_watch_of_pods_is_noticed[twin]"),
    ),
    11: Fault(
        name="an event is missed",
        tests=(
            *_of(
                "faults/test_broken_watches",
                "r35_what_a_watch_tells_twice_late_or_wrongly_changes_nothing",
                "what_a_watch_never_told_is_found_by_the_list_after_its_410",
            ),
            *_of("adapters/test_kubernetes_watch", "a_forgotten_history_is_listed_anew_and_deletions_are_made_up_for"),
        ),
        twin=_of("faults/test_broken_watches", "what_a_watch_never_told_is_found_by_the_list_after_its_410[twin]"),
    ),
    12: Fault(
        name="events come twice, in another order, or again when they are old",
        tests=_of(
            "faults/test_broken_watches",
            "r35_what_a_watch_tells_twice_late_or_wrongly_changes_nothing",
            "an_old_word_that_follows_every_new_one_is_not_believed",
        ),
        twin=(
            *_of("faults/test_broken_watches", "an_old_word_that_follows_every_new_one_is_not_believed[twin]"),
            *_of("app/test_twins", "of_two_that_hear_of_a_fault_at_once_one_opens_its_incident_because_both_choose_the_same_name[twin]"),
        ),
    ),
    13: Fault(
        name="a second, stale API server",
        why_not_shown="a box has one API server. All that decides is read without a resourceVersion, which is answered from etcd's quorum; what a "
        "stale one could still do is replay old events, and those are attacked (12)",
        why_no_twin="it is not shown",
    ),
    14: Fault(
        name="watches lag by 30 s",
        tests=_of("faults/test_silent_watches", "nobody_acts_while_the_watches_are_seen_to_be_late"),
        twin=_of("faults/test_silent_watches", "nobody_acts_while_the_watches_are_seen_to_be_late[twin]"),
    ),
    15: Fault(
        name="a slow API server; 429 with Retry-After",
        tests=_of(
            "faults/test_bad_answers",
            "a_request_that_arrives_after_it_was_given_up_is_the_same_one",
            "where_every_answer_takes_its_time_it_heals_all_the_same",
            "after_a_429_it_waits_as_long_as_it_was_told",
        ),
        twin=(
            *_of("faults/test_twins", f"{TWIN}[looking where it is late]"),
            *_of("faults/test_bad_answers", "after_a_429_it_waits_as_long_as_it_was_told[twin]"),
        ),
    ),
    16: Fault(
        name="the leader is killed",
        tests=(
            *_of(
                "cluster/test_leadership",
                "c30_a_killed_leader_is_replaced_within_30_s_and_no_alert_is_lost_meanwhile",
                "a_leader_killed_with_its_effect_under_way_is_followed_by_one_that_settles_it",
            ),
            *_of("faults/test_cut_off", "a_leader_that_is_cut_off_is_followed_by_the_other_and_does_nothing_more"),
        ),
        twin=NO_ELECTION,
    ),
    17: Fault(
        name="the leader is frozen past its lease",
        tests=(
            *_of("cluster/test_leadership", "a_leader_frozen_past_its_lease_with_its_effect_under_way_is_harmless_when_it_goes_on"),
            *_of("cli/test_replicas", "a_leader_whose_process_stood_still_goes_on_only_where_nobody_has_taken_its_place"),
        ),
        twin=_of("app/test_leadership", "without_asking_the_lease_before_each_act_a_thawed_leader_acts_beside_the_new_one"),
    ),
    18: Fault(
        name="two replicas, with an election and without",
        tests=(
            *_of("cluster/test_leadership", "r12_an_alert_that_both_are_sent_is_one_incident_with_one_page_by_the_leader_alone"),
            *_of("app/test_two_operators", "both_act_at_once_and_the_effect_happens_once"),
        ),
        twin=(*NO_ELECTION, *_of("app/test_two_operators", "without_the_precondition_the_same_crossing_would_hit_twice")),
    ),
    19: Fault(
        name="the Lease can't be reached, is deleted, or edited by hand",
        tests=(
            *_of("faults/test_cut_off", "a_leader_that_reaches_all_but_its_lease_leaves_the_work_to_the_other"),
            *_of(
                "cluster/test_leadership",
                "a_deleted_lease_is_made_anew_by_its_holder",
                "a_leader_whose_name_is_taken_off_the_lease_ends_at_once_and_the_next_one_waits",
            ),
            *_of("cli/test_replicas", "a_leader_that_can_no_longer_renew_begins_nothing_but_lives_and_leads_again_in_the_same_term"),
        ),
        twin=_of("faults/test_cut_off", "a_leader_that_reaches_all_but_its_lease_leaves_the_work_to_the_other[twin]"),
    ),
    20: Fault(
        name="the clock is an hour off, is set back and forth, or stands in another zone",
        tests=(
            *_of(
                "faults/test_clocks",
                "r35_a_wrong_clock_makes_nobody_act_twice_or_keep_silent",
                "a_machine_that_lives_by_another_zone_heals_like_any_other_and_tells_the_time_in_utc",
            ),
            *_of("app/test_leadership", "no_step_of_the_wall_clock_changes_anything"),
        ),
        twin=(
            *_of("faults/test_clocks", "a_clock_on_the_wall_that_is_taken_for_utc_tells_another_time"),
            *_of("app/test_leadership", "a_clock_on_the_wall_that_is_set_back_makes_no_lease_last_longer[twin]"),
        ),
    ),
    21: Fault(
        name="a CRD is deleted and applied again",
        tests=(
            *_of("outages/test_control_plane", "kinds_that_are_deleted_while_it_runs_are_missed_and_served_again"),
            *_of("adapters/test_kubernetes_watch", "a_kind_that_is_not_served_any_more_is_listed_anew_when_it_is_back"),
        ),
        twin=_of("adapters/test_kubernetes_watch", "who_does_not_try_again_keeps_what_it_knew_of_a_kind_that_was_away"),
    ),
    22: Fault(
        name="a namespace goes with an attempt under way",
        tests=_of("faults/test_deletions", "a_namespace_goes_with_an_attempt_under_way"),
        twin=_of("faults/test_deletions", "without_an_operator_everything_that_is_its_own_goes[twin]"),
    ),
    23: Fault(
        name="the operator is gone, and its objects are deleted",
        tests=_of("faults/test_deletions", "without_an_operator_everything_that_is_its_own_goes"),
        twin=_of("faults/test_deletions", "without_an_operator_everything_that_is_its_own_goes[twin]"),
    ),
    24: Fault(
        name="etcd has no space: reads are answered, and no write is",
        tests=(
            *_of("faults/test_bad_answers", "while_nothing_can_be_stored_nothing_is_done"),
            *_of("app/test_once_only", "an_intent_that_cannot_be_stored_is_not_executed"),
        ),
        twin=_of("app/test_twins", "who_keeps_no_intent_acts_although_nothing_can_be_stored"),
    ),
    30: Fault(
        name="a burst of alerts, told by three senders",
        tests=(
            *_of(
                "cluster/test_cases_intake",
                "a_burst_that_three_senders_tell_is_one_incident_a_target_and_every_alert_is_counted_three_times",
            ),
            *_of("app/test_flood", "what_is_beyond_the_limit_of_a_namespace_stands_on_one_incident"),
        ),
        twin=_of("app/test_twins", "of_two_that_hear_of_a_fault_at_once_one_opens_its_incident_because_both_choose_the_same_name[twin]"),
    ),
    31: Fault(
        name="Alertmanager is answered 503 for ten minutes",
        tests=(
            *_of("scenarios/test_alone", "an_alert_that_alertmanager_was_answered_503_for_is_lost_in_no_way"),
            *_of(
                "web/test_alertmanager_webhook",
                "what_could_not_be_kept_is_answered_503_so_that_it_comes_again",
                "what_alertmanager_takes_for_lost_is_never_answered",
            ),
        ),
        why_no_twin="a box's Alertmanager begins anew every second, so that there even what it took for lost would come again",
    ),
    32: Fault(
        name="a person or GitOps changes the target between plan and act",
        tests=(
            *_of("cluster/test_cases_effect", "a_persons_edit_of_the_same_field_in_the_last_moment_stands_and_the_attempt_is_superseded"),
            *_of("app/test_once_only", "what_happens_to_the_target_between_intent_and_effect_wins"),
        ),
        twin=_of("app/test_two_operators", "without_the_precondition_the_same_crossing_would_hit_twice"),
    ),
    33: Fault(
        name="the target is deleted and made anew",
        tests=(
            *_of(
                "cluster/test_cases_effect",
                "a_target_deleted_in_the_last_moment_ends_the_attempt_as_stale_and_the_incident",
                "a_target_made_anew_in_the_last_moment_is_not_hit",
            ),
            *_of("app/test_once_only", "r33_a_target_that_is_deleted_during_a_run_ends_it_and_the_incident"),
        ),
        twin=_of("app/test_twins", "a_target_that_is_made_anew_in_the_last_moment_is_not_hit_because_the_request_insists_on_its_uid[twin]"),
    ),
    34: Fault(
        name="too much fails at once",
        tests=(
            *_of("scenarios/test_alone", "r19_thirty_of_a_hundred_workloads_that_break_at_once_are_one_storm_and_nobody_touches_the_others"),
            *_of("app/test_brake", "r38_an_outage_that_hits_five_workloads_is_one_storm_and_no_rollback"),
        ),
        twin=_of("app/test_twins", "without_the_brake_a_storm_is_met_with_rollbacks"),
    ),
    35: Fault(
        name="what was done makes it worse, is reverted, or has no effect",
        tests=(
            *_of("scenarios/test_limits", "no_better_after_the_rollback_stops_opens_the_breaker_pages_and_never_rolls_the_rollback_back"),
            *_of("app/test_once_only", "exactly_the_replaced_template_coming_back_is_reverted_and_opens_the_breaker"),
            *_of("app/test_twins", "what_did_not_help_is_not_tried_again_because_the_breaker_opens[protected]"),
        ),
        twin=_of("app/test_twins", "what_did_not_help_is_not_tried_again_because_the_breaker_opens[twin]"),
    ),
    36: Fault(
        name="a switch is thrown at a step's boundary, or can't be read",
        tests=(
            *_of(
                "faults/test_deletions",
                "a_mode_that_is_lowered_before_the_intent_is_stored_stops_the_attempt",
                "a_switch_that_is_thrown_between_two_steps_of_a_run_lets_no_other_effect_through",
            ),
            *_of("faults/test_bad_answers", "what_may_forbid_it_and_cannot_be_read_is_waited_for"),
            *_of("app/test_live_refusals", "what_goes_wrong_before_the_second_effect_of_a_statefulset_stops_it"),
        ),
        twin=(
            *_of("faults/test_deletions", "a_switch_that_is_thrown_between_two_steps_of_a_run_lets_no_other_effect_through[twin]"),
            *_of("app/test_twins", "without_its_switches_it_acts_whatever_was_thrown"),
        ),
    ),
}


def table() -> list[str]:
    """The lines of the table in the page."""
    cells = ((str(number), one.name, _cell(one.tests, one.why_not_shown), _cell(one.twin, one.why_no_twin)) for number, one in sorted(FAULTS.items()))
    return [*HEAD, *(f"| {' | '.join(row)} |" for row in cells)]


def _cell(tests: Iterable[str], why: str) -> str:
    """The names by their files, each once; or the reason."""
    files = groupby((one.split("::") for one in tests), key=lambda one: one[0])
    named = (f"`{file}`: " + ", ".join(name.removeprefix("test_") for _, name in names) for file, names in files)
    return "; ".join(named) or f"– {why}"


def written(page: str) -> str:
    """The page with the table as it is now."""
    before, rest = page.split(HEAD[0], 1)
    after = rest.split("\n\n", 1)[1]
    return "\n".join([before + table()[0], *table()[1:]]) + "\n\n" + after


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
