"""What the watch and the alerts say becomes status.signals, the cause and the summary."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunella.core.draft import PollAlerts
from prunella.core.facts import UNKNOWN
from prunella.core.incident import overflow, signals
from prunella.core.incident.alert_facts import read_alert
from prunella.core.incident.material import tells_something

from .builders import later
from .incident_builders import Story, alert, alerted, draft_of, finding, reported, signal_states, watched, world

KEY = "alert/00000000000000aa"
WATCH = "watch/RolloutCrashLoop"


def alerts_only() -> Story:
    return Story(alerted()).shows(finding=None)


def signal(story: Story, key: str = KEY):
    return next(one for one in story.status.signals if one.key == key)


def test_the_opening_signal_stands_in_spec_and_is_seeded_once():
    story = Story(watched())
    story.at(0)
    story.at(1)
    assert signal_states(story.status) == {WATCH: "Firing"}
    assert story.status.accused_revision == "6d4cf56db6"


def test_c01_the_same_delivery_by_two_peers_counts_two_and_opens_one():
    story = alerts_only()
    story.at(0)
    told = story.told()
    story.at(1, alerts=(alert(at=1),))
    assert signal(story).count == 2
    assert story.told() == told


@pytest.mark.parametrize("when", ["the first pass", "a later pass", "never"])
def test_the_delivery_that_opened_it_counts_once_whenever_it_is_handed_in(when):
    story = alerts_only()
    story.at(0, alerts=(alert(),) if when == "the first pass" else ())
    story.at(1, alerts=(alert(),) if when == "a later pass" else ())
    assert signal(story).count == 1
    story.at(2, alerts=(alert(at=2),))
    assert signal(story).count == 2


def test_c03_a_replayed_firing_is_held_and_dropped_when_the_poll_refutes_it():
    story = alerts_only()
    story.at(0, alerts=(alert(state="resolved", at=10),))
    draft = story.at(12, alerts=(alert(at=12),))
    assert signal(story).state == "Stale"
    assert PollAlerts() in draft.needs
    story.at(13, active_alerts={}, polled_time=later(13))
    assert signal(story).state == "Resolved"
    assert (story.status.episode, story.status.reopen_count) == (1, 0)
    assert [one for one in story.counts if one[0] == "alerts_stale_dropped_total"] == [("alerts_stale_dropped_total", None)]


def test_c03_a_second_resolve_drops_what_is_held_as_well():
    story = alerts_only()
    story.at(20, alerts=(alert(state="resolved", at=10), alert(at=12), alert(state="resolved", at=14)))
    assert signal(story).state == "Resolved"
    assert ("alerts_stale_dropped_total", None) in story.counts


@pytest.mark.parametrize(
    ("updated", "state", "conflict"),
    [(69, "Stale", ("", "")), (71, "Firing", ("True", "ConflictingSources"))],
    ids=["within one evaluation of the resolve", "later than that"],
)
def test_a_held_firing_is_believed_where_the_poll_shows_a_later_update(updated, state, conflict):
    story = alerts_only()
    story.at(12, alerts=(alert(state="resolved", at=10), alert(at=12)))
    story.at(100, active_alerts={"00000000000000aa": alert(at=100, updated_time=later(updated))}, polled_time=later(100))
    assert signal(story).state == state
    assert story.condition("ConflictingSources") == conflict


def test_what_is_held_is_looked_at_again():
    story = alerts_only()
    draft = story.at(12, alerts=(alert(state="resolved", at=10), alert(at=12)))
    assert draft.look_again == later(27)
    draft = story.at(27, active_alerts={"00000000000000aa": alert(at=12)}, polled_time=later(12))
    assert PollAlerts() in draft.needs


@pytest.mark.parametrize(("second", "state"), [(610, "Stale"), (611, "Firing")], ids=["may still be a copy", "no copy is that late"])
def test_without_any_poll_a_late_repetition_is_a_new_word(second, state):
    story = alerts_only()
    story.at(10, alerts=(alert(state="resolved", at=10),))
    story.at(second, alerts=(alert(at=second),))
    assert signal(story).state == state


def test_an_older_poll_says_nothing_of_what_was_just_delivered():
    story = alerts_only()
    story.at(10, alerts=(alert(state="resolved", at=10),))
    story.at(30, alerts=(alert(at=30, starts=20),), active_alerts={}, polled_time=later(29))
    assert signal(story).state == "Firing"


@pytest.mark.parametrize(
    ("brought", "listed", "state"),
    [
        ([alert(at=0), alert(at=40)], alert(state="suppressed", at=30), "Firing"),
        ([alert(state="resolved", at=40), alert(at=42)], None, "Stale"),
    ],
    ids=["a silence that ended since", "a firing that is held"],
)
def test_an_older_poll_says_nothing_either_when_it_is_looked_at_again(brought, listed, state):
    story = alerts_only()
    story.at(42, alerts=tuple(brought))
    known = {KEY.removeprefix("alert/"): listed} if listed is not None else {}
    story.at(44, active_alerts=known, polled_time=later(30))
    assert signal(story).state == state


def test_c04_a_recovery_that_nobody_saw_is_noted_once_and_changes_no_start():
    story = alerts_only()
    story.at(0)
    for second in (3600, 3601):
        story.at(second, alerts=(alert(at=second, starts=1800),))
    assert story.told().count("UnseenRecovery") == 1
    assert "a recovery in between was not seen" in story.message("UnseenRecovery")
    assert (story.status.times.started_time, signal(story).alert_start_time) == (later(0), later(0))
    assert story.status.episode == 1


def test_c05_a_late_resolve_of_an_older_episode_is_ignored():
    story = Story(alerted(alert_start_time=later(100))).shows(finding=None)
    story.at(120, alerts=(alert(state="resolved", at=110, ends_time=later(90)),))
    assert signal(story).state == "Firing"


def test_43_a_resolve_whose_end_lies_before_its_own_start_is_one_all_the_same():
    story = alerts_only()
    story.at(0)
    body = {"status": "resolved", "labels": {"alertname": "HighErrors"}, "fingerprint": "00000000000000aa"}
    said = read_alert(body | {"startsAt": "2026-11-24T12:00:00Z", "endsAt": "2026-11-24T11:00:00Z"}, later(50))
    story.at(50, alerts=(said,))
    assert (signal(story).state, signal(story).last_resolved_end_time) == ("Resolved", later(50))


def test_c07_a_resolve_that_comes_before_its_firing_makes_that_stale():
    story = Story(watched())
    story.at(5, alerts=(alert(state="resolved", at=5, starts=-60),))
    story.at(6, alerts=(alert(at=6, starts=-60),))
    assert signal(story).state == "Stale"
    assert "Joined" not in story.told()


def test_c10_a_body_that_was_cut_resolves_only_what_it_names_and_asks_for_the_rest():
    story = Story(watched())
    story.at(1, alerts=(alert("00000000000000bb", at=1), alert(at=1)))
    draft = story.at(9, alerts=(alert(state="resolved", at=9, truncated=90),))
    assert signal_states(story.status) == {WATCH: "Firing", "alert/00000000000000bb": "Firing", KEY: "Resolved"}
    assert story.condition("Truncated") == ("True", "Truncated")
    assert PollAlerts() in draft.needs
    story.at(20, active_alerts={"00000000000000bb": alert("00000000000000bb", at=20)}, polled_time=later(20))
    assert story.condition("Truncated") == ("", "")


def test_c59_two_replicas_that_start_seconds_apart_are_one_signal():
    story = alerts_only()
    story.at(0)
    story.at(8, alerts=(alert(at=8, starts=8), alert(at=8, starts=-3)))
    assert (signal(story).count, signal(story).alert_start_time) == (3, later(-3))
    assert "UnseenRecovery" not in story.told()


def test_c60_a_start_that_jumps_forward_without_a_resolve_is_no_new_episode():
    story = alerts_only()
    story.at(0)
    story.at(600, alerts=(alert(at=600, starts=590),))
    assert (story.status.episode, story.status.times.started_time) == (1, later(0))


def test_r03_alert_and_watch_join_on_one_incident():
    story = Story(watched())
    story.at(0)
    story.at(2, alerts=(alert(at=2), alert("00000000000000bb", at=2, labels={"alertname": "KubeDeploymentRolloutStuck"})))
    assert len(story.status.signals) == 3
    assert story.told().count("Joined") == 2
    assert story.message("Joined").startswith("alert KubeDeploymentRolloutStuck: ")
    assert story.message("Joined").endswith("not opened twice: deploy/checkout has an open Incident")
    assert story.status.cause == "RolloutCrashLoop"


def test_a_flood_of_one_alert_is_told_once():
    story = Story(watched())
    story.at(1, alerts=tuple(alert(f"{number:016x}", at=1) for number in range(80)))
    assert story.told().count("Joined") == 1
    assert len(story.status.signals) == 81


def test_a_watch_cause_replaces_an_alerts_and_never_the_reverse():
    story = alerts_only()
    story.at(0)
    assert story.status.cause == "Alert"
    story.shows(finding=finding()).at(1)
    assert story.status.cause == "RolloutCrashLoop"
    assert story.message("CauseRefined") == "Alert became RolloutCrashLoop: checkout: revision 15 crash-loops (exit code 1)"
    story.at(2, alerts=(alert("00000000000000bb", at=2),))
    assert story.status.cause == "RolloutCrashLoop"


def test_a_finding_that_changes_ends_the_old_signal_and_refines_the_cause():
    story = Story(watched())
    story.at(0)
    story.shows(finding=finding("RolloutOutOfMemory", summary="checkout: out of memory")).at(5)
    assert signal_states(story.status) == {WATCH: "Resolved", "watch/RolloutOutOfMemory": "Firing"}
    assert (story.status.cause, story.status.summary) == ("RolloutOutOfMemory", "checkout: out of memory")
    assert story.message("CauseRefined") == "RolloutCrashLoop became RolloutOutOfMemory: checkout: out of memory"


@pytest.mark.parametrize(("seen", "state"), [(UNKNOWN, "Firing"), (None, "Resolved")], ids=["the watch is stale", "the fault is gone"])
def test_what_could_not_be_seen_changes_nothing(seen, state):
    story = Story(watched())
    story.at(0)
    story.at(5, finding=seen)
    assert signal(story, WATCH).state == state
    assert story.status.accused_revision == "6d4cf56db6"


def test_a_finding_that_is_not_due_yet_is_neither_a_fault_nor_the_end_of_one():
    story = Story(watched())
    story.at(0)
    draft = story.at(5, finding=finding("RolloutNotReady", open_time=later(50)))
    assert signal_states(story.status) == {WATCH: "Firing"}
    assert draft.look_again == later(50)


def test_a_fault_that_is_seen_again_starts_its_dwell_anew():
    story = Story(watched())
    story.at(0)
    story.at(5, finding=None)
    story.at(9, finding=finding(failing_pods=("a", "b")))
    assert (signal(story, WATCH).first_seen_time, signal(story, WATCH).count) == (later(9), 2)


def test_c13_a_silenced_alert_is_not_over():
    story = alerts_only()
    story.at(0)
    story.at(70, active_alerts={"00000000000000aa": alert(state="suppressed", at=70)}, polled_time=later(70))
    assert signal(story).state == "Suppressed"
    assert story.condition("Suppressed") == ("True", "Suppressed")
    assert "HighErrors is silenced or inhibited" in story.says_condition("Suppressed")
    story.at(80, active_alerts={"00000000000000aa": alert(at=80)}, polled_time=later(80))
    assert (signal(story).state, story.condition("Suppressed")) == ("Firing", ("", ""))


@pytest.mark.parametrize(("polled", "state"), [(59, "Firing"), (61, "Resolved")], ids=["just seen", "absent for long enough"])
def test_c13_an_alert_that_no_peer_lists_any_more_is_over(polled, state):
    story = alerts_only()
    story.at(0)
    story.at(polled, active_alerts={}, polled_time=later(polled))
    assert signal(story).state == state


def test_c14_without_a_poll_nothing_is_taken_to_be_over():
    story = alerts_only()
    story.at(0)
    story.at(1200, active_alerts=UNKNOWN, alert_source_fresh=False, alert_source_silent_time=later(600))
    assert signal(story).state == "Firing"
    assert story.condition("SourceUnreachable") == ("True", "SourceUnreachable")
    story.at(1260, active_alerts={"00000000000000aa": alert(at=1260)}, polled_time=later(1260))
    assert story.condition("SourceUnreachable") == ("", "")


@pytest.mark.parametrize("fresh", [True, False], ids=["heard of", "not yet heard of"])
def test_where_a_source_may_still_fall_silent_it_is_looked_at_again_at_that_instant(fresh):
    story = alerts_only()
    draft = story.at(8, alert_source_fresh=fresh, alert_source_silent_time=later(9))
    assert (draft.look_again, story.condition("SourceUnreachable")) == (later(9), ("", ""))
    story.at(9, alert_source_fresh=False, alert_source_silent_time=later(9))
    assert story.condition("SourceUnreachable") == ("True", "SourceUnreachable")
    story.at(10, alert_source_fresh=fresh, alert_source_silent_time=later(609))
    assert story.condition("SourceUnreachable") == (("", "") if fresh else ("True", "SourceUnreachable"))


def test_a_poll_repairs_a_missed_firing():
    story = alerts_only()
    story.at(10, alerts=(alert(state="resolved", at=10),))
    story.at(40, active_alerts={"00000000000000aa": alert(at=40, starts=30)}, polled_time=later(40))
    assert (signal(story).state, signal(story).first_seen_time) == ("Firing", later(40))


def test_c41_a_start_that_cannot_be_true_is_a_condition():
    story = Story(watched())
    story.at(1, alerts=(alert(at=1, clock_skew=True),))
    assert story.condition("ClockSkew") == ("True", "ClockSkew")


@pytest.mark.parametrize("when", ["the first pass", "a later pass"])
@pytest.mark.parametrize(("wrong", "said"), [({"clock_skew": True}, "ClockSkew"), ({"truncated": 7}, "Truncated")], ids=["clock", "truncated"])
def test_what_is_wrong_with_the_delivery_that_opened_it_is_said_whenever_it_is_handed_in(when, wrong, said):
    story = alerts_only()
    story.at(0, alerts=(alert(**wrong),) if when == "the first pass" else ())
    story.at(1, alerts=(alert(**wrong),) if when == "a later pass" else ())
    assert story.condition(said) == ("True", said)
    assert signal(story).count == 1


@pytest.mark.parametrize(
    ("changes", "started"),
    [
        ({"active_time": later(-90)}, later(-90)),
        ({"rule_for_seconds": 120}, later(-120)),
        ({"labels": {"alertname": "Ruled"}}, later(-30)),
        ({}, None),
    ],
    ids=["Prometheus knows activeAt", "the rule's for is known", "the world knows the rule", "neither is"],
)
def test_when_the_fault_began_is_known_only_where_the_source_says_so(changes, started):
    story = Story(watched()).shows(alert_rules={"Ruled": 30})
    story.at(1, alerts=(alert(at=1, **changes),))
    assert signal(story).started_time == started


def test_an_alert_on_a_persons_incident_gives_it_a_cause():
    story = Story(reported()).shows(finding=None)
    story.at(0)
    assert story.status.cause == "Reported"
    story.at(5, alerts=(alert(at=5),))
    assert story.status.cause == "Alert"
    assert story.told().count("Joined") == 1


def flood(count: int, at: float, **changes):
    return tuple(
        alert(f"{number:016x}", at=at, labels={"alertname": "Flood", "pod": f"p{number}", "long": "x" * 900}, **changes) for number in range(count)
    )


def test_c08_a_storm_costs_a_bounded_status_and_loses_no_count():
    story = Story(watched())
    story.at(1, alerts=flood(300, 1))
    told = story.told()
    assert len(story.status.signals) == 100
    assert sum(one.count for one in story.status.signals if one.key.startswith("alert/")) == 300
    assert story.condition("Truncated") == ("True", "Truncated")
    assert len(str(story.status.wire())) < 256 * 1024
    story.at(2, alerts=flood(300, 2))
    assert sum(one.count for one in story.status.signals if one.key.startswith("alert/")) == 600
    assert story.told() == told


def test_a_resolved_alert_makes_room_and_its_count_is_kept():
    story = Story(watched())
    story.at(1, alerts=flood(98, 1))
    story.at(2, alerts=(alert(f"{0:016x}", state="resolved", at=2),))
    story.at(3, alerts=(alert("00000000000000ff", at=3), alert("00000000000000fe", at=3)))
    states = signal_states(story.status)
    assert states["alert/00000000000000ff"] == "Firing"
    assert f"alert/{0:016x}" not in states
    assert states[overflow.KEY] == "Firing"
    assert sum(one.count for one in story.status.signals if one.key.startswith("alert/")) == 100


def test_an_opener_that_made_room_for_others_does_not_come_back():
    story = alerts_only()
    story.at(0)
    story.at(1, alerts=flood(98, 1))
    story.at(2, alerts=(alert(state="resolved", at=2),))
    for second in (3, 4, 5):
        story.at(second, alerts=(alert(f"{second:016x}", at=second), alert(f"{second + 1000:016x}", at=second)))
    assert KEY not in signal_states(story.status)
    assert len(story.status.signals) == overflow.CAP


def test_a_watch_signal_always_has_a_place():
    story = Story(alerted()).shows(finding=None)
    story.at(1, alerts=flood(150, 1))
    story.at(2, finding=finding())
    assert signal_states(story.status)[WATCH] == "Firing"
    assert len(story.status.signals) == 100


def test_the_others_are_over_when_all_that_are_tracked_are():
    story = Story(watched())
    story.at(1, alerts=flood(150, 1))
    story.at(400, alerts=flood(150, 400, state="resolved"), finding=None)
    assert set(signal_states(story.status).values()) == {"Resolved"}


def test_a_duplicate_is_not_worth_a_write():
    story = alerts_only()
    story.at(0)
    before = story.status
    story.at(5, alerts=(alert(at=5),))
    assert signal(story).count == 2
    assert not tells_something(before, story.status)


def test_a_duplicate_that_knows_the_beginning_tells_it():
    story = alerts_only()
    story.at(1, alerts=(alert(at=1, rule_for_seconds=60),))
    assert signal(story).started_time == later(-60)


def test_a_poll_that_confirms_what_was_said_to_be_over_is_believed():
    story = alerts_only()
    story.at(10, alerts=(alert(state="resolved", at=10),))
    story.at(100, active_alerts={"00000000000000aa": alert(at=100, updated_time=later(60))}, polled_time=later(100))
    assert signal(story).state == "Resolved"
    story.at(130, active_alerts={"00000000000000aa": alert(at=130, updated_time=later(90))}, polled_time=later(130))
    assert signal(story).state == "Firing"
    assert story.condition("ConflictingSources") == ("True", "ConflictingSources")


def test_a_poll_that_shows_a_silenced_alert_again_keeps_it_silenced():
    story = alerts_only()
    story.at(10, alerts=(alert(state="resolved", at=10),))
    story.at(40, active_alerts={"00000000000000aa": alert(state="suppressed", at=40, starts=30)}, polled_time=later(40))
    assert signal(story).state == "Suppressed"


def test_a_new_state_is_worth_a_write():
    story = alerts_only()
    story.at(0)
    before = story.status
    story.at(5, alerts=(alert(state="resolved", at=5),))
    assert tells_something(before, story.status)


deliveries = st.lists(
    st.builds(
        alert,
        st.sampled_from([f"{number:016x}" for number in range(6)]),
        st.sampled_from(["firing", "resolved", "suppressed"]),
        at=st.integers(0, 900),
        starts=st.integers(-900, 900),
    ),
    max_size=12,
)


@given(deliveries)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_merging_never_loses_a_key_and_counts_every_firing(brought):
    story = Story(watched())
    story.at(0)
    for one in brought:
        story.at(900, alerts=(one,))
    keys = {one.key for one in story.status.signals}
    assert {f"alert/{one.fingerprint}" for one in brought} <= keys
    fired = sum(1 for one in brought if one.state != "resolved")
    assert sum(one.count for one in story.status.signals if one.key.startswith("alert/")) == fired


@given(deliveries)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_one_batch_and_one_by_one_end_alike(brought):
    together = signals.observe_signals(seen := world(watched(), at=900, alerts=tuple(brought)), draft_of(seen))
    apart = signals.observe_signals(world(watched(), at=900), draft_of(seen))
    for one in brought:
        apart = signals.observe_signals(world(watched(), at=900, alerts=(one,)), apart)
    assert {(one.key, one.state, one.count) for one in together.status.signals} == {(one.key, one.state, one.count) for one in apart.status.signals}


@given(deliveries)
@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
def test_a_second_look_without_news_changes_nothing(brought):
    story = Story(watched())
    story.at(900, alerts=tuple(brought))
    before, messages = story.status, story.status.escalation.messages
    story.at(900)
    assert story.status.signals == before.signals
    assert [one.what for one in story.status.timeline] == [one.what for one in before.timeline]
    assert story.status.escalation.messages == messages


def test_c58_a_secret_in_an_alert_is_not_kept():
    opened = Story(alerted(summary="login failed: password=hunter2")).shows(finding=None)
    opened.at(0, alerts=(alert("00000000000000bb", annotations={"summary": "token=ghp_0123456789abcdefghijABCDEFGHIJ456789 was refused"}),))
    assert "hunter2" not in str(opened.status.wire())
    assert "ghp_0123456789" not in str(opened.status.wire())
