"""The catalogue of failures, each with the scenarios that show it, what must come of it, and where it is real.

The rule this module protects: a failure is shown, or it stands here why it can't be. Nothing is shown by half: a scenario that is named here exists,
and one that exists is named here or shows no failure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

FAILURES: Mapping[int, str] = {
    1: "crash loop after a bad rollout",
    2: "crash loop without a rollout",
    3: "image that is not there",
    4: "registry or its authentication fails",
    5: "out of memory",
    6: "rollout stuck without a cause that a container shows",
    7: "replicas are not created",
    8: "no node takes a pod",
    9: "missing ConfigMap, Secret or key",
    10: "readiness fails after a rollout",
    11: "liveness kills",
    12: "init container stuck or failing",
    13: "a ConfigMap change breaks the app",
    14: "errors burn the budget after a rollout",
    15: "scaled to zero by mistake",
    16: "StatefulSet's update stuck",
    17: "DaemonSet's rollout stuck",
    18: "cpu throttling",
    19: "memory leak",
    20: "dependents crash after the dependency recovered",
    21: "claim pending or lost",
    22: "claim nearly full",
    23: "node's disk fills, evictions",
    24: "evicted and failed pods pile up",
    25: "autoscaler at its maximum",
    26: "autoscaler reads no metrics",
    27: "quota exceeded",
    28: "disruption budget permits nothing",
    29: "Service without endpoints",
    30: "Job failed",
    31: "CronJob fails again and again",
    32: "certificate expires",
    33: "cluster DNS fails",
    34: "admission webhook is down",
    35: "aggregated API is down",
    36: "stuck Terminating",
    37: "volume is attached elsewhere",
    38: "node not Ready",
    39: "node flaps",
    40: "node under pressure",
    41: "kernel or runtime fault",
    42: "leftover cordon of ours",
    43: "control plane degraded",
    44: "alert path dead",
    45: "mass failure: registry, zone, DNS",
    46: "access changed: NetworkPolicy, RBAC",
    47: "our own operator is hit",
}


class Expect(StrEnum):
    """What must come of a scenario."""

    HEALED = "Healed"
    """What broke works again, by one action, without a person."""
    HELD = "Held"
    """What serves goes on serving, by one action; a person mends the rest."""
    ESCALATE_ONLY = "EscalateOnly"
    """It is seen and named, people are told or asked, and nothing of theirs is touched."""
    NOTHING = "Nothing"
    """Nothing is wrong, or no longer: nothing is touched, and nobody is woken."""


class Where(StrEnum):
    """Where it is real."""

    NODES = "real nodes"
    KWOK = "nodes that exist in the API only"
    """Real controllers and more pods than a box could run; what a kubelet would say is made."""
    CONTROL_PLANE = "control plane"
    """Real controllers, whose words are what is seen: no node has a part in it."""
    ALERT = "its alert"
    """The alert is real, and what it tells of is not made: nothing in a box could be made to fail this way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One scenario, or several that differ by a parameter."""

    test: str
    """File and function, and one parameter's id where the others show something else: `test_heals.py::test_x[crash]`."""
    expect: Expect
    failures: tuple[int, ...] = ()
    """Numbers of FAILURES; none for a control."""
    where: Where = Where.NODES
    compound: str = ""
    """What comes together, where it is more than one thing."""

    def covers(self, name: str) -> bool:
        """Whether a test of that name, its parameter included, is one of them."""
        return name == self.test or ("[" not in self.test and name.partition("[")[0] == self.test)


HEALED, HELD, ESCALATE, NOTHING = Expect.HEALED, Expect.HELD, Expect.ESCALATE_ONLY, Expect.NOTHING
ROLLOUT = "test_heals.py::test_a_broken_rollout_of_a_deployment_heals"


def _rollouts(**by_failure: tuple[str, ...]) -> Iterator[Shown]:
    for failure, names in by_failure.items():
        yield from (Shown(test=f"{ROLLOUT}[{name}]", failures=(int(failure.removeprefix("f")),), expect=HEALED) for name in names)


def _file(file: str, expect: Expect, *tests: tuple[str, tuple[int, ...]], where: Where = Where.NODES) -> Iterator[Shown]:
    for name, failures in tests:
        yield Shown(test=f"{file}::test_{name}", failures=failures, expect=expect, where=where)


def _together(file: str, expect: Expect, *tests: tuple[str, tuple[int, ...], str], where: Where = Where.NODES) -> Iterator[Shown]:
    for name, failures, compound in tests:
        yield Shown(test=f"{file}::test_{name}", failures=failures, expect=expect, where=where, compound=compound)


SHOWN: tuple[Shown, ...] = (
    # --- what broke works again ---
    *_rollouts(
        f1=("crash", "exit 0 in a loop", "crashing sidecar", "command that is not there"),
        f3=("image not found", "invalid image name"),
        f5=("memory limit too small",),
        f9=("missing ConfigMap key", "missing Secret", "must not run as root and does"),
        f10=("readiness never true", "mounted ConfigMap missing"),
        f11=("liveness never true",),
        f12=("failing init container", "hanging init container"),
    ),
    *_file(
        "test_heals.py",
        HEALED,
        ("r08_a_crashing_update_of_a_statefulset_of_three_heals_and_only_its_broken_pod_is_deleted", (1, 16)),
        ("a_crashing_update_of_a_daemonset_heals", (1, 17)),
        ("a_rollout_whose_account_is_not_there_heals", (7,)),
        ("a_rollout_that_asks_for_privileges_that_its_namespace_does_not_grant_heals", (7,)),
        ("a_rollout_that_no_node_fits_heals_once_its_time_has_passed", (8,)),
        ("an_update_of_a_statefulset_that_no_node_fits_heals_after_ten_minutes", (8, 16)),
        ("a_deployment_that_an_autoscaler_owns_heals_and_keeps_its_replicas", (1,)),
        ("a_rollout_that_was_complete_and_crashes_half_a_minute_later_heals", (1,)),
    ),
    *_file("test_prometheus.py", HEALED, ("an_error_ratio_opens_an_incident_that_no_watch_sees_and_a_runbook_for_the_alert_heals_it", (14,))),
    *_file(
        "test_things_heal.py",
        HEALED,
        ("a_job_that_may_run_twice_runs_again_and_its_success_ends_the_incident", (30,)),
        ("a_certificate_that_was_not_renewed_in_time_is_renewed_once_cert_manager_is_asked", (32,)),
    ),
    *_file(
        "test_autoscalers_found.py",
        HEALED,
        ("an_autoscaler_that_has_long_been_at_its_maximum_goes_higher_for_a_while_once_that_is_approved", (25,)),
    ),
    *_file("test_apply_after_heal.py", HEALED, ("the_fixed_version_goes_out_without_conflict_or_force", (1,))),
    *_file("test_paging.py", HEALED, ("what_heals_before_the_first_page_calls_nobody_and_the_owner_is_told", (1,))),
    *_file(
        "test_approved.py",
        HEALED,
        ("memory_that_runs_out_without_a_rollout_heals_by_an_approved_raise_of_the_limit", (5,)),
        ("a_pod_that_is_stuck_in_its_init_container_heals_by_an_approved_new_pod", (12,)),
        ("an_update_of_a_statefulset_that_a_pod_holds_up_goes_on_once_its_deletion_is_approved", (16,)),
        ("errors_after_a_rollout_heal_by_an_approved_rollback", (14,)),
        ("a_config_map_that_was_changed_for_the_worse_is_put_back_once_that_is_approved", (13,)),
        ("what_git_owns_is_held_and_rolled_back_once_that_is_approved_and_git_has_the_last_word", (1,)),
    ),
    *_file("test_evicted.py", HEALED, ("evicted_pods_that_pile_up_are_deleted_but_for_the_newest_three", (23, 24))),
    *_together(
        "test_dependencies.py",
        HEALED,
        ("what_crashed_while_its_dependency_was_away_is_weeded_as_soon_as_that_is_back", (20,), "a dependency is away, and two pods need it"),
        where=Where.KWOK,
    ),
    *_file("test_dependencies.py", ESCALATE, ("what_crashes_although_its_dependency_is_back_is_left_to_people", (2,)), where=Where.KWOK),
    *_file("test_left_alone.py", HELD, ("r09_a_revision_that_is_marked_irreversible_is_frozen_and_never_gone_back_over", (1,))),
    # --- people are told, and nothing is touched ---
    *_file(
        "test_left_alone.py",
        ESCALATE,
        ("r06_a_paused_deployment_is_somebodys_work", (1,)),
        ("a_first_version_that_never_worked_has_nothing_to_go_back_to", (1,)),
        ("r10_what_git_owns_is_reverted_in_git", (1,)),
        ("what_another_operator_owns_is_left_to_it", (1,)),
        ("a_namespace_that_did_not_opt_in_is_only_observed", (1,)),
        ("r27_suggest_shows_the_diff_and_writes_nothing", (1,)),
        ("r26_approve_asks_with_the_diff_and_writes_nothing_before", (1,)),
        ("a_rollout_whose_pods_no_node_takes_is_found_and_left_to_people", (8,)),
        ("a_rollout_that_stands_still_without_a_reason_is_told_and_accuses_nobody", (6,)),
        ("a_protected_namespace_is_never_acted_in", (1,)),
        ("a_workload_that_is_annotated_observe_is_left_alone", (1,)),
    ),
    *_file(
        "test_found.py",
        ESCALATE,
        ("memory_that_runs_out_without_a_rollout_is_told_and_nothing_is_restarted", (5,)),
        ("an_init_container_whose_dependency_is_gone_is_told", (12,)),
        ("a_config_map_that_was_deleted_is_missed_by_the_next_pod_and_no_rollback_brings_it_back", (9,)),
        ("a_spent_quota_stops_the_creation_of_pods_and_is_told_once_with_whom_it_refuses", (7, 27)),
        ("a_pod_that_no_node_takes_is_told_in_the_schedulers_words", (8,)),
        ("an_update_of_a_statefulset_that_an_unready_pod_holds_up_is_told", (16,)),
        ("a_workload_that_an_apply_left_without_replicas_is_told_and_never_scaled_up", (15,)),
    ),
    *_file(
        "test_alone.py",
        ESCALATE,
        ("a_rollout_that_was_stuck_before_we_came_is_not_reverted", (1,)),
        ("r14_prometheus_that_is_down_while_verifying_is_inconclusive", (44,)),
        ("r14_an_answer_with_warnings_is_no_answer", (44,)),
        ("an_alert_that_alertmanager_was_answered_503_for_is_lost_in_no_way", (44,)),
    ),
    *_file("test_paging.py", ESCALATE, ("what_cannot_be_healed_calls_the_primary_then_the_catch_all_and_says_how_to_take_it", (1,))),
    *_file(
        "test_found.py",
        ESCALATE,
        ("a_crash_loop_that_no_rollout_brought_is_told_with_the_restart_that_would_be_made", (2,)),
        ("a_rollout_whose_pods_admission_refuses_for_what_it_did_not_bring_is_told_in_its_words", (7,)),
    ),
    *_file(
        "test_things_found.py",
        ESCALATE,
        ("a_job_that_failed_is_told_with_its_reason", (30,)),
        ("a_cron_job_whose_runs_fail_in_a_row_is_one_incident", (31,)),
        ("a_webhook_that_is_down_is_quoted_and_no_configuration_is_touched", (7, 34)),
        ("a_service_whose_selector_was_edited_answers_nobody_and_is_told", (29,)),
    ),
    *_file(
        "test_things_found.py",
        ESCALATE,
        ("a_claim_of_a_class_that_is_not_there_is_told", (21,)),
        ("a_budget_that_permits_no_eviction_at_all_is_told", (28,)),
        ("an_autoscaler_that_reads_no_metrics_is_told_and_its_replicas_are_nobodys_to_set", (26,)),
        ("a_claim_that_a_finalizer_holds_is_told_with_the_finalizer_and_keeps_it", (36,)),
        ("a_certificate_whose_renewal_failed_a_moment_ago_is_told_and_not_asked_for_again", (32,)),
        ("an_api_whose_service_has_no_endpoints_is_told_with_the_service", (35,)),
        ("a_budget_that_has_permitted_nothing_for_long_is_told", (28,)),
        ("a_claim_that_has_not_gone_for_long_is_told_with_its_finalizer", (36,)),
        where=Where.CONTROL_PLANE,
    ),
    *_file(
        "test_autoscalers_found.py",
        ESCALATE,
        ("an_autoscaler_that_has_read_no_metrics_for_long_is_told", (26,)),
        where=Where.CONTROL_PLANE,
    ),
    *_file(
        "test_cordons.py",
        HEALED,
        ("a_cordon_of_ours_ends_on_time_though_no_record_of_it_is_left_and_a_persons_stays", (42,)),
        where=Where.CONTROL_PLANE,
    ),
    *_file(
        "test_cordons.py",
        ESCALATE,
        ("a_cordon_of_ours_that_nobody_may_end_is_told_and_ends_once_the_right_is_there", (42,)),
        where=Where.CONTROL_PLANE,
    ),
    *_file("test_nodes_found.py", ESCALATE, ("a_node_whose_kubelet_says_that_its_memory_is_short_is_told", (40,))),
    *_file(
        "test_nodes_found.py",
        ESCALATE,
        ("a_node_under_pressure_is_told", (40,)),
        ("a_node_whose_kernel_is_at_fault_is_told", (41,)),
        ("a_node_that_comes_and_goes_is_told_once", (39,)),
        ("a_node_whose_kubelet_says_that_it_is_not_ready_is_told", (38,)),
        ("a_node_that_nobody_hears_of_is_told", (38,)),
        where=Where.CONTROL_PLANE,
    ),
    *(
        Shown(
            test=f"test_told_by_alert.py::test_an_alert_that_nothing_mends_is_told_and_left_to_people[{name}]",
            failures=(failure,),
            expect=ESCALATE,
            where=Where.ALERT,
        )
        for name, failure in (("memory leak", 19), ("claim nearly full", 22), ("certificate expires", 32), ("cluster DNS fails", 33))
    ),
    *_file(
        "test_told_by_alert.py",
        ESCALATE,
        ("containers_that_their_cpu_limit_holds_back_are_told_by_the_metrics_and_more_replicas_asked_for", (18,)),
    ),
    *_file(
        "test_told_by_alert.py",
        ESCALATE,
        ("a_rollback_is_asked_for_where_errors_burn_the_budget_after_a_rollout", (14,)),
        where=Where.ALERT,
    ),
    # --- nothing is wrong ---
    *_file(
        "test_no_incident.py",
        NOTHING,
        ("a_starter_that_needs_90_s_in_both_revisions_is_given_its_time", ()),
        ("scaling_to_zero_and_back_is_no_fault", ()),
        ("a_normal_rolling_update_is_no_fault", ()),
        ("a_restart_is_no_fault", ()),
        ("a_drained_node_is_no_fault", ()),
    ),
    *_file("test_found.py", NOTHING, ("a_gated_pod_is_no_fault", ())),
    *_file("test_controls.py", NOTHING, ("what_is_no_fault_opens_nothing", ()), ("a_node_that_a_person_cordons_is_nobodys_fault", ())),
    # --- several things at once ---
    *_together(
        "test_heals.py",
        HEALED,
        ("r05_a_second_bad_version_before_the_first_was_rolled_back_goes_back_to_the_one_that_worked", (1,), "two bad versions in turn"),
        ("r05_after_a_second_bad_version_it_goes_to_the_one_that_worked_and_never_to_the_first_bad_one", (1,), "a relapse with another fault"),
    ),
    *_together(
        "test_together.py",
        HEALED,
        ("two_workloads_that_break_at_once_heal_each_for_itself_and_a_third_is_left_alone", (1, 3), "two faults at once"),
        ("one_rollout_with_two_faults_is_one_incident_and_one_rollback", (1, 3), "two faults of one rollout"),
    ),
    *_together(
        "test_nodes_found.py",
        HEALED,
        ("a_bad_rollout_heals_while_a_node_is_lost_and_the_node_is_told_apart", (1, 38), "a fault during the loss of a node"),
    ),
    *_together(
        "test_together.py",
        ESCALATE,
        ("what_breaks_again_and_again_is_given_to_people_and_no_bad_version_ever_comes_back", (1,), "flapping"),
    ),
    *_together("test_together.py", NOTHING, ("what_mends_itself_before_its_dwell_is_over_is_left_alone", (1,), "recovery before anything is done")),
    *_together(
        "test_alone.py",
        ESCALATE,
        ("r19_thirty_of_a_hundred_workloads_that_break_at_once_are_one_storm_and_nobody_touches_the_others", (1, 45), "30 of 100 at once"),
        where=Where.KWOK,
    ),
    *_together(
        "test_prometheus.py",
        HEALED,
        ("r03_two_alerts_beside_a_watch_signal_join_its_incident_and_gate_its_end", (1,), "two alerts and a watch"),
        ("an_alert_that_fires_after_the_heal_for_the_time_before_it_reopens_nothing", (1,), "an alert that comes after the heal"),
    ),
    *_together(
        "test_alone.py",
        HEALED,
        (
            "r32_r40_without_an_api_server_nothing_counts_as_healthy_and_an_alert_is_answered_503",
            (1, 43),
            "a fault, and the API server goes while recovery is proved",
        ),
    ),
    *_together(
        "test_alone.py",
        ESCALATE,
        ("r38_a_registry_that_is_down_is_one_storm_and_no_rollback", (4, 45), "a registry outage, and a crash meanwhile"),
    ),
    *_together(
        "test_left_alone.py",
        ESCALATE,
        ("r07_nothing_is_rolled_back_when_the_old_revision_fails_too", (1,), "both revisions crash"),
        ("a_quarantined_revision_that_is_applied_again_is_a_persons_decision", (1,), "a heal, and a person who wants it otherwise"),
    ),
    *_together(
        "test_limits.py",
        ESCALATE,
        (
            "no_better_after_the_rollback_stops_opens_the_breaker_pages_and_never_rolls_the_rollback_back",
            (1, 9),
            "the revision that was gone back to is broken as well",
        ),
    ),
    *_together(
        "test_persons_first.py",
        NOTHING,
        ("an_edit_of_the_same_field_while_verifying_stands_and_nothing_else_is_done_to_it", (1,), "a person mends it during a run"),
        ("r33_a_target_that_is_deleted_while_verifying_ends_its_run_and_its_incident", (1,), "the target goes during a run"),
    ),
)

NO_FAILURE: Mapping[str, str] = {
    "test_fixtures.py": "what each broken workload really shows on a node",
    "test_silences.py": "how a silence is set and ends, with Alertmanager alone",
    "test_paging.py": "how people are told",
    "test_limits.py": "how an attempt ends",
    "test_persons_first.py": "what becomes of a run that a person overtakes",
    "test_prometheus.py": "how alerts are taken in",
    "test_left_alone.py": "rights and holds, which end in a heal",
}
"""Files with tests that are no scenario of a failure, and what they are about instead."""

RUNBOOKS: Mapping[str, str] = {
    "clean-up-failed-pods": "test_evicted.py::test_evicted_pods_that_pile_up_are_deleted_but_for_the_newest_three",
    "freeze-irreversible-rollout": "test_left_alone.py::test_r09_a_revision_that_is_marked_irreversible_is_frozen_and_never_gone_back_over",
    "hold-gitops-and-roll-back": "test_approved.py::test_what_git_owns_is_held_and_rolled_back_once_that_is_approved_and_git_has_the_last_word",
    "raise-autoscaler-maximum": (
        "test_autoscalers_found.py::test_an_autoscaler_that_has_long_been_at_its_maximum_goes_higher_for_a_while_once_that_is_approved"
    ),
    "raise-memory-limit": "test_approved.py::test_memory_that_runs_out_without_a_rollout_heals_by_an_approved_raise_of_the_limit",
    "renew-overdue-certificate": ("test_things_heal.py::test_a_certificate_that_was_not_renewed_in_time_is_renewed_once_cert_manager_is_asked"),
    "replace-pod-that-holds-up-statefulset": (
        "test_approved.py::test_an_update_of_a_statefulset_that_a_pod_holds_up_goes_on_once_its_deletion_is_approved"
    ),
    "replace-pods-stuck-in-init": "test_approved.py::test_a_pod_that_is_stuck_in_its_init_container_heals_by_an_approved_new_pod",
    "request-revert-of-gitops-rollout": "test_left_alone.py::test_r10_what_git_owns_is_reverted_in_git",
    "rerun-failed-job": "test_things_heal.py::test_a_job_that_may_run_twice_runs_again_and_its_success_ends_the_incident",
    "restart-crash-looping-pods": "test_found.py::test_a_crash_loop_that_no_rollout_brought_is_told_with_the_restart_that_would_be_made",
    "restore-changed-config": "test_approved.py::test_a_config_map_that_was_changed_for_the_worse_is_put_back_once_that_is_approved",
    "roll-back-bad-rollout": ROLLOUT,
    "roll-back-when-errors-burn": "test_approved.py::test_errors_after_a_rollout_heal_by_an_approved_rollback",
    "run-failing-cron-job": "test_things_found.py::test_a_cron_job_whose_runs_fail_in_a_row_is_one_incident",
    "scale-out-throttled-workload": (
        "test_told_by_alert.py::test_containers_that_their_cpu_limit_holds_back_are_told_by_the_metrics_and_more_replicas_asked_for"
    ),
    "weed-dependents": "test_dependencies.py::test_what_crashed_while_its_dependency_was_away_is_weeded_as_soon_as_that_is_back",
}
"""Each Runbook that ships → the scenario that shows what comes of it."""

REPLAYED: Mapping[str, str] = {
    "cordon-ailing-node": "it takes a mode of the operator's own namespace, which every scenario beside it would feel",
    "expand-nearly-full-claim": "a box has no storage that grows: the tests on a control plane show that it asks for more, once, up to its cap",
    "scale-out-probe-killed-pods": "what a probe kills once more while the new replica starts counts against it: no heal is sure to be proved",
}
"""Those that are replayed from a recorded Incident alone, and why."""

NOT_SHOWN: Mapping[int, str] = {
    37: "a box has no storage that can be attached to one node alone",
    46: "no detector: a box's network knows no policies, and who may do what is not watched",
    47: "the layers faults and outages show it: an operator is no workload that it could look at itself",
}
"""Why a failure is in no scenario."""


def shows(name: str) -> Shown | None:
    """The entry of a test: `test_heals.py::test_x[crash]`."""
    return next((one for one in SHOWN if one.covers(name)), None)


def failures_shown() -> set[int]:
    """The numbers of those that are in a scenario."""
    return {number for one in SHOWN for number in one.failures}


def tally(outcomes: Mapping[str, bool]) -> list[str]:
    """Lines that close the table: by test name whether it passed. What did not run is counted as what it is: not seen."""
    rows = [(one, name, passed) for name, passed in outcomes.items() if (one := shows(name)) is not None]
    if not rows:
        return []
    lines = [f"{'expected':<13} {'scenarios':>9} {'as expected':>12} {'compound':>9}"]
    for expect in Expect:
        mine = [row for row in rows if row[0].expect is expect]
        lines.append(f"{expect:<13} {len(mine):>9} {sum(row[2] for row in mine):>12} {sum(bool(row[0].compound) for row in mine):>9}")
    seen = {number for one, _, passed in rows if passed for number in one.failures}
    failed = {number for one, _, passed in rows if not passed for number in one.failures}
    lines.append(
        f"failures: {len(seen - failed)} of {len(FAILURES)} shown as expected, {_listed(failed)} not, {_listed(unseen(seen | failed))} not run"
    )
    return lines


def total(rounds: Mapping[str, Mapping[str, bool]]) -> list[str]:
    """Lines that sum up shuffled rounds: by seed, by test name whether it passed. As expected is what was so in every round that played it."""
    if len(rounds) < 2:
        return []
    runs = [(seed, name, passed) for seed, outcomes in rounds.items() for name, passed in outcomes.items()]
    missed = sorted({name for _, name, passed in runs if not passed})
    lines = [f"{len(rounds)} rounds, with the seeds {', '.join(rounds)}: {sum(passed for *_, passed in runs)} of {len(runs)} as expected"]
    lines += [f"not as expected: {name}, with {', '.join(seed for seed, one, passed in runs if one == name and not passed)}" for name in missed]
    return [*lines, "", *tally({name: name not in missed for _, name, _ in runs})]


def unseen(seen: Iterable[int]) -> set[int]:
    """Those that have a scenario which did not run."""
    return failures_shown() - set(seen)


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(str(number) for number in sorted(numbers)) or "none"


def counts() -> Counter[Expect]:
    """How many entries there are of each expectation."""
    return Counter(one.expect for one in SHOWN)
