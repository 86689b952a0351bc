"""Where an Incident stands: opening, acknowledgement, mitigation, recovery, relapse."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prunella.api.incident import Acknowledgement, Hold, IncidentStatus, OpeningSignal, Resolution, Times
from prunella.api.names import Impact, Outcome, RemediationPhase
from prunella.core.draft import PollAlerts
from prunella.core.facts import UNKNOWN
from prunella.core.incident import states
from prunella.core.incident.states import ALLOWED, IllegalMoveError, State, check_move, state_of
from prunella.core.world import GONE, NOT_A_WORKLOAD

from .builders import later
from .incident_builders import (
    SUMMARY,
    TARGET,
    Story,
    alert,
    alerted,
    decided,
    entry,
    finding,
    healed,
    healing_policy,
    ladder,
    opening,
    remediation,
    reported,
    signal_states,
    watched,
    workload,
    world,
)

KEY = "00000000000000aa"


def ack(by: str = "ana", episode: int = 1, note: str | None = None) -> Acknowledgement:
    return Acknowledgement(by=by, episode=episode, note=note)


def open_story() -> Story:
    story = Story(watched())
    story.at(0)
    return story


def important_story() -> Story:
    """A P2, whose acknowledgement runs out after an hour."""
    story = Story(watched()).shows(entries=(entry(tier=1),))
    story.at(0)
    return story


def resolved_story() -> Story:
    """Healed at noon + 13 s, proved at + 33 s."""
    story = open_story().shows(finding=None, remediations=(healed(),))
    story.at(33, healthy=True, since=13)
    return story


# opening


def test_an_incident_begins_with_its_times_conditions_and_first_sentence():
    story = open_story()
    times = story.status.times
    assert (times.started_time, times.detected_time, times.received_time, times.triggered_time) == (later(0),) * 4
    assert story.told()[:2] == ["Opened", "PriorityAssessed"]
    assert story.message("Opened") == SUMMARY
    assert [story.condition(one) for one in ("Acknowledged", "Mitigated", "Resolved")] == [("False", "NotYet")] * 3
    assert (story.status.target, story.status.episodes[0].reason) == ("deploy/checkout", "Opened")


@pytest.mark.parametrize(
    ("signal", "expected", "lower_bound"),
    [
        (opening(started_time=later(-5), seen_time=later(0.4)), (-5, 0.4, 0.4, 0.4), False),
        (opening("alert/a", started_time=later(-150), alert_start_time=later(-30), seen_time=later(1)), (-150, -30, 1, 1), False),
        (opening("alert/a", started_time=later(-30), alert_start_time=later(-30), seen_time=later(1), lower_bound=True), (-30, -30, 1, 1), True),
        (opening(started_time=later(20), seen_time=later(0)), (0, 0, 0, 0), False),
    ],
    ids=["watch: the kubelet's word", "alert with a known for", "alert whose for is unknown", "a start after its sight"],
)
def test_the_first_times_lie_in_order_and_say_who_knew_them(signal: OpeningSignal, expected, lower_bound):
    story = Story(watched()).opened_by(signal)
    story.at(2)
    times = story.status.times
    found = (times.started_time, times.detected_time, times.received_time, times.triggered_time)
    assert found == tuple(later(seconds) for seconds in expected)
    provenance = {one.name: one for one in story.status.provenance}
    assert (provenance["startedTime"].source, provenance["startedTime"].lower_bound) == ("Signal", lower_bound)
    assert provenance["triggeredTime"].source == "Operator"


def test_the_trigger_does_not_depend_on_when_the_operator_came_to_look():
    story = Story(watched())
    story.at(7200)
    assert story.status.times.triggered_time == later(0)


def test_where_the_api_servers_clock_is_ahead_it_is_triggered_when_it_is_seen_and_pages_are_not_late():
    ahead = watched()
    story = Story(ahead.model_copy(update={"metadata": ahead.metadata.model_copy(update={"creation_timestamp": later(3600)})}))
    story.at(2)
    assert story.status.times.triggered_time <= later(2)
    assert story.status.times.started_time <= story.status.times.detected_time <= story.status.times.triggered_time


def test_c41_a_start_far_in_the_future_is_flagged():
    story = Story(watched()).opened_by(opening(started_time=later(600)))
    story.at(1)
    assert story.condition("ClockSkew") == ("True", "ClockSkew")
    assert story.status.times.started_time == later(0)


def test_a_persons_report_begins_when_it_was_made_by_whom():
    story = Story(reported()).shows(finding=None)
    story.at(5)
    assert story.status.times.started_time == later(0)
    assert next((one.what, one.by, one.message) for one in story.status.timeline) == ("Opened", "ana", "checkout answers with errors")
    assert (story.status.provenance[0].source, story.status.provenance[0].by) == ("Human", "ana")
    assert (story.status.cause, story.status.reporters[0].name) == ("Reported", "ana")


# acknowledgement


def test_an_acknowledgement_of_the_current_episode_counts():
    story = open_story().says(acknowledgement=ack(note="looking"))
    story.at(30)
    assert story.condition("Acknowledged") == ("True", "ByPerson")
    assert story.says_condition("Acknowledged") == "ana has it; paging stops (looking)"
    assert (story.status.times.acknowledged_time, story.status.episodes[0].acknowledged_time) == (later(30), later(30))
    assert [one.by for one in story.status.timeline if one.what == "Acknowledged"] == ["ana"]
    assert state_of(story.status) is State.ACKNOWLEDGED


@pytest.mark.parametrize("episode", [2, 7])
def test_an_acknowledgement_of_another_episode_is_stale_and_says_the_command(episode):
    story = open_story().says(acknowledgement=ack(episode=episode))
    story.at(30)
    assert story.condition("Acknowledged") == ("False", "StaleEpisode")
    command = 'kubectl patch incident checkout-7f3kq -n shop --type=merge -p \'{"spec":{"acknowledgement":{"by":"<you>","episode":1}}}\''
    assert story.says_condition("Acknowledged").endswith(command)
    assert story.status.times.acknowledged_time is None


def test_c20_of_two_people_the_first_wins_and_the_second_is_listed():
    story = open_story().says(acknowledgement=ack("ana"))
    story.at(30)
    story.says(acknowledgement=ack("bo"))
    story.at(31)
    story.at(32)
    assert story.status.times.acknowledged_time == later(30)
    assert [(one.what, one.by) for one in story.status.timeline if one.by != "prunella"] == [("Acknowledged", "ana"), ("AlsoAcknowledged", "bo")]


def test_c19_an_acknowledgement_after_the_end_stands_only_in_the_timeline():
    story = resolved_story().says(acknowledgement=ack())
    story.at(33.2)
    story.at(34)
    assert story.condition("Resolved") == ("True", "Verified")
    assert story.condition("Acknowledged")[0] == "False"
    assert story.status.times.acknowledged_time is None
    assert story.status.durations.acknowledge_seconds is None
    assert story.told().count("AcknowledgedLate") == 1


@pytest.mark.parametrize(("seconds", "expired"), [(3629, False), (3630, True)], ids=["just inside", "at its end"])
def test_whoever_has_it_and_does_nothing_is_asked_again(seconds, expired):
    story = important_story().says(acknowledgement=ack())
    story.at(30)
    draft = story.at(seconds)
    assert (story.condition("Acknowledged")[1] == "AckExpired") is expired
    if expired:
        assert story.status.escalation.run == 2
        assert ("incidents_unacknowledged_total", None) in story.counts
        assert '"note":"<what you are doing>"' in story.message("AckExpired")
    else:
        assert draft.look_again == later(3630)


def test_an_acknowledgement_that_ran_out_counts_again_only_by_a_new_word():
    story = important_story().says(acknowledgement=ack())
    story.at(30)
    story.at(3700)
    story.at(3701)
    assert story.condition("Acknowledged") == ("False", "AckExpired")
    story.says(acknowledgement=ack(note="still on it"))
    story.at(3702)
    assert story.condition("Acknowledged") == ("True", "ByPerson")
    assert story.status.times.acknowledged_time == later(30)


@pytest.mark.parametrize("edit", [{"impact": Impact.SIGNIFICANT}, {"hold": Hold(by="bo", reason="looking")}], ids=["an impact", "a hold"])
def test_an_acknowledgement_that_ran_out_is_not_renewed_by_another_edit(edit):
    story = important_story().says(acknowledgement=ack(note="on it"))
    story.at(30)
    story.at(3700)
    story.says(**edit)
    story.at(3701)
    assert story.condition("Acknowledged") == ("False", "AckExpired")
    assert story.status.escalation.run == 2
    story.says(acknowledgement=ack("bo"))
    story.at(3702)
    assert story.says_condition("Acknowledged") == "bo has it; paging stops"


@pytest.mark.parametrize("last", ["ana", "bo"])
def test_what_ran_out_may_be_taken_back_and_said_again_in_the_same_words(last):
    story = important_story().says(acknowledgement=ack(note="on it"))
    story.at(30)
    story.says(acknowledgement=ack(last, note="on it"))
    story.at(31)
    story.at(3700)
    story.says(impact=Impact.SIGNIFICANT)
    story.at(3701)
    assert story.condition("Acknowledged") == ("False", "AckExpired")
    story.says(acknowledgement=None)
    story.at(3702)
    assert (story.condition("Acknowledged"), story.says_condition("Acknowledged")) == (("False", "NotYet"), "nobody has taken it again yet")
    assert story.status.escalation.run == 2, "it is paged already"
    story.says(acknowledgement=ack(last, note="on it"))
    story.at(3703)
    assert story.says_condition("Acknowledged") == f"{last} has it; paging stops (on it)"


def test_activity_of_a_person_puts_the_timeout_off():
    story = important_story().says(acknowledgement=ack())
    story.at(30)
    story.says(acknowledgement=ack("bo"))
    story.at(3000)
    story.at(3700)
    assert story.condition("Acknowledged") == ("True", "ByPerson")
    story.at(6601)
    assert story.condition("Acknowledged") == ("False", "AckExpired")


def test_an_acknowledgement_that_is_taken_back_pages_again():
    story = open_story().says(acknowledgement=ack())
    story.at(30)
    story.says(acknowledgement=None)
    story.at(40)
    assert story.condition("Acknowledged") == ("False", "NotYet")
    assert (story.status.escalation.run, story.told().count("Unacknowledged")) == (2, 1)


def test_an_acknowledgement_that_is_taken_back_while_mitigated_keeps_it_mitigated():
    story = open_story().says(acknowledgement=ack())
    story.at(5, alerts=(alert(at=5),))
    story.shows(finding=None, remediations=(healed(),)).at(33, healthy=True, since=13)
    story.says(acknowledgement=None).at(40, healthy=True, since=13)
    assert state_of(story.status) is State.MITIGATED
    assert story.condition("Acknowledged") == ("False", "NotYet")


def test_an_acknowledgement_of_another_episode_takes_nothing_from_who_has_it():
    story = open_story().says(acknowledgement=ack())
    story.at(5)
    story.says(acknowledgement=ack("bo", episode=7)).at(6)
    assert story.condition("Acknowledged") == ("True", "ByPerson")


def test_what_is_mitigated_may_be_acknowledged_as_well():
    story = open_story()
    story.at(5, alerts=(alert(at=5),))
    story.shows(finding=None, remediations=(healed(),)).at(33, healthy=True, since=13)
    story.says(acknowledgement=ack()).at(40, healthy=True, since=13)
    assert state_of(story.status) is State.MITIGATED
    assert story.condition("Acknowledged") == ("True", "ByPerson")


# mitigation and recovery by automation


def test_r15_a_proved_recovery_resolves_at_once_and_counts_from_the_healthy_period():
    story = resolved_story()
    assert story.condition("Mitigated") == ("True", "RemediationSucceeded")
    assert story.condition("Resolved") == ("True", "Verified")
    times = story.status.times
    assert (times.mitigated_time, times.resolved_time, times.resolution_confirmed_time) == (later(13), later(13), later(33))
    assert story.message("Resolved") == "13s after the fault began; nobody was paged"
    assert "Mitigated" not in story.told()
    assert story.status.watch_until_time == later(13 + 1800)
    assert story.status.episodes[0].resolved_time == later(13)


def test_the_last_sentence_says_who_was_told():
    story = open_story().shows(remediations=(remediation(RemediationPhase.VERIFYING, applied=True, started_time=later(12)),), finding=None)
    story.at(14)
    story.shows(remediations=(healed(),)).at(33, healthy=True, since=13)
    assert story.message("Resolved") == "13s after the fault began; nobody was paged, shop was told"


def test_c54_a_joined_alert_keeps_it_mitigated_until_it_is_over():
    story = open_story()
    story.at(5, alerts=(alert(at=5),))
    story.shows(finding=None, remediations=(healed(),))
    draft = story.at(33, healthy=True, since=13, active_alerts={KEY: alert(at=33)}, polled_time=later(10))
    assert state_of(story.status) is State.MITIGATED
    assert PollAlerts() in draft.needs
    assert "the target is healthy again, but alert HighErrors is not over yet" in story.message("Mitigated")
    story.at(40, healthy=True, since=13, active_alerts={KEY: alert(at=40)}, polled_time=later(39))
    assert state_of(story.status) is State.MITIGATED
    story.at(50, healthy=True, since=13, active_alerts={}, polled_time=later(50))
    assert story.condition("Resolved") == ("True", "Verified")
    assert story.status.times.resolved_time == later(13)
    assert story.told().count("Mitigated") == 1


def test_the_resolve_of_a_joined_alert_ends_it_as_well():
    story = open_story()
    story.at(5, alerts=(alert(at=5),))
    story.shows(finding=None, remediations=(healed(),)).at(33, healthy=True, since=13)
    story.at(60, healthy=True, since=13, alerts=(alert(state="resolved", at=60),))
    assert story.condition("Resolved") == ("True", "Verified")


def test_a_poll_from_before_the_proof_clears_nothing():
    story = open_story()
    story.at(5, alerts=(alert(at=5),))
    story.shows(finding=None, remediations=(healed(),))
    story.at(33, healthy=True, since=13, active_alerts={}, polled_time=later(32))
    assert state_of(story.status) is State.MITIGATED


def test_a_poll_from_before_an_alert_joined_clears_nothing_either():
    story = open_story()
    story.at(5, alerts=(alert(at=5),))
    story.shows(finding=None, remediations=(healed(),), active_alerts={KEY: alert(at=5)}, polled_time=later(35)).at(35, healthy=True, since=13)
    story.at(40, healthy=True, since=13, alerts=(alert("00000000000000bb", at=40, starts=34),))
    assert signal_states(story.status)["alert/00000000000000bb"] == "Firing"
    assert "HighErrors is not over yet" in story.says_condition("Resolved")


def test_a_simulated_attempt_mitigates_nothing():
    story = open_story().shows(remediations=(remediation(RemediationPhase.SUCCEEDED, Outcome.SIMULATED, ended_time=later(5)),))
    story.at(6)
    assert state_of(story.status) is State.TRIGGERED


def test_a_finding_that_lingers_after_the_proof_is_the_fault_again():
    story = open_story().shows(remediations=(healed(),))
    story.at(33, healthy=True, since=13)
    assert state_of(story.status) is State.MITIGATED
    draft = story.at(40, healthy=True, since=13)
    assert draft.look_again is not None
    assert draft.look_again <= later(93)
    story.at(93, healthy=True, since=13)
    assert story.condition("Mitigated") == ("False", "FiringAgain")
    assert "it was mitigated at 12:00:13" in story.message("FiringAgain")
    story.at(94, healthy=True, since=13)
    assert state_of(story.status) is State.TRIGGERED


def test_c51_a_signal_that_is_newer_than_the_mitigation_takes_it_back():
    story = open_story().says(acknowledgement=ack())
    story.at(2, alerts=(alert(at=2),))
    story.shows(finding=None, remediations=(healed(),)).at(33, healthy=True, since=13)
    story.at(50, finding=finding("RolloutNotReady"))
    assert story.condition("Mitigated") == ("False", "FiringAgain")
    assert story.status.times.mitigated_time is None
    assert state_of(story.status) is State.ACKNOWLEDGED
    second = healed(100, 120, number=2)
    story.at(120, finding=None, remediations=(healed(), second), alerts=(alert(state="resolved", at=119),))
    assert story.status.times.mitigated_time == later(100)


# recovery without automation


def test_what_recovers_by_itself_is_over_after_it_was_healthy_for_long_enough():
    story = open_story().shows(finding=None)
    draft = story.at(20, healthy=True, since=15)
    assert story.status.healthy_since_time == later(15)
    assert draft.look_again == later(315)
    assert story.says_condition("Resolved") == "healthy since 12:00:15; it counts as over after 300 s"
    story.at(314, healthy=True, since=15)
    assert story.condition("Resolved") == ("False", "NotYet")
    story.at(315, healthy=True, since=15)
    assert story.condition("Resolved") == ("True", "SignalsCleared")
    assert (story.status.times.resolved_time, story.status.times.resolution_confirmed_time) == (later(15), later(315))
    assert story.message("Resolved").startswith("every signal is over and the target was healthy for 300 s; 15s after the fault began; ")
    assert ("incidents_unacknowledged_total", None) in story.counts


def test_a_p1_has_to_be_healthy_for_longer():
    story = Story(watched()).shows(target=workload(ready=0))
    story.at(0)
    story.shows(target=workload(), finding=None)
    story.at(599, healthy=True, since=0)
    assert story.condition("Resolved") == ("False", "NotYet")
    story.at(600, healthy=True, since=0)
    assert story.condition("Resolved") == ("True", "SignalsCleared")


@pytest.mark.parametrize(
    ("healthy", "since", "condition", "message"),
    [
        (UNKNOWN, None, ("Unknown", "NoData"), "every signal is over, but whether the target is healthy can't be told"),
        (False, None, ("False", "NotYet"), "every signal is over, but the target is not healthy yet"),
    ],
    ids=["C16 no data", "not healthy"],
)
def test_c16_no_data_is_never_health(healthy, since, condition, message):
    story = open_story().shows(finding=None)
    story.at(10_000, healthy=healthy, since=since)
    assert story.condition("Resolved") == condition
    assert story.says_condition("Resolved") == message
    assert state_of(story.status) is State.TRIGGERED


@pytest.mark.parametrize(
    ("attempt", "says"),
    [
        (remediation(RemediationPhase.VERIFYING), "checkout-7f3kq-1 is not finished yet"),
        (remediation(RemediationPhase.UNKNOWN), "the effect of checkout-7f3kq-1 can't be known: a person has to look and say"),
    ],
    ids=["under way", "unknown"],
)
def test_an_attempt_that_has_not_ended_keeps_it_open(attempt, says):
    story = open_story().shows(finding=None, remediations=(attempt,))
    story.at(10_000, healthy=True, since=15)
    assert story.condition("Resolved") == ("False", "NotYet")
    assert story.says_condition("Resolved") == says


def test_what_was_scaled_to_nothing_hurts_nobody():
    story = open_story().shows(finding=None, target=workload(0, 0))
    story.at(20, healthy=False)
    story.at(320, healthy=False)
    assert story.condition("Resolved") == ("True", "SignalsCleared")


def test_health_without_a_known_beginning_counts_from_when_it_was_seen():
    story = open_story().shows(finding=None)
    story.at(20, healthy=True)
    story.at(100, healthy=True)
    assert story.status.healthy_since_time == later(20)
    story.at(320, healthy=True)
    assert story.status.times.resolved_time == later(20)


def test_an_alert_on_a_healthy_workload_ends_when_the_alert_does():
    story = Story(alerted()).shows(finding=None)
    story.at(0, healthy=True, since=-4000)
    story.at(100, healthy=True, since=-4000, alerts=(alert(state="resolved", at=100, ends_time=later(90)),))
    story.at(389, healthy=True, since=-4000)
    assert story.condition("Resolved") == ("False", "NotYet")
    story.at(390, healthy=True, since=-4000)
    assert story.status.times.resolved_time == later(90)


def test_c15_a_false_resolve_inside_the_stabilisation_changes_nothing():
    story = Story(alerted(target=TARGET.model_copy(update={"kind": "Alert"}))).shows(finding=None, target=NOT_A_WORKLOAD)
    story.at(0)
    story.at(100, alerts=(alert(state="resolved", at=100),))
    story.at(280, alerts=(alert(at=280, starts=270),))
    assert state_of(story.status) is State.TRIGGERED
    story.at(500, alerts=(alert(state="resolved", at=500),))
    story.at(800)
    assert story.condition("Resolved") == ("True", "SignalsCleared")
    assert story.status.times.resolved_time == later(500)


@pytest.mark.parametrize("state", ["suppressed", "held"])
def test_silenced_and_held_are_not_over(state):
    story = Story(alerted()).shows(finding=None)
    story.at(0)
    if state == "suppressed":
        story.at(100, active_alerts={KEY: alert(state="suppressed", at=100)}, polled_time=later(100))
    else:
        story.at(100, alerts=(alert(state="resolved", at=99), alert(at=100)))
    story.at(5000, healthy=True, since=-100)
    assert story.condition("Resolved") == ("False", "NotYet")


# by a person


def test_a_person_ends_a_report_and_is_named():
    story = Story(reported()).shows(finding=None)
    story.at(0)
    story.at(5000, healthy=True, since=-100)
    assert story.condition("Resolved") == ("False", "NotYet")
    assert story.says_condition("Resolved").startswith("a person reported it; once it is over: kubectl patch incident ana-sees-errors -n shop")
    story.says(resolution=Resolution(by="ana", summary="the cache was full"))
    story.at(5001, healthy=True, since=-100)
    assert story.condition("Resolved") == ("True", "ByPerson")
    assert story.message("Resolved").startswith("ana: the cache was full; ")
    assert story.told().count("Resolved") == 1


def test_a_person_cannot_end_what_still_fires():
    story = open_story().says(resolution=Resolution(by="ana", summary="done"))
    story.at(10)
    story.at(11)
    assert story.condition("Resolved") == ("False", "NotYet")
    assert story.told().count("ResolutionNotYet") == 1
    assert story.message("ResolutionNotYet") == (
        "ana says that it is over, but watch (RolloutCrashLoop) still fires: it stays open until that is over"
    )
    story.at(20, finding=None, healthy=True, since=15)
    assert story.condition("Resolved") == ("True", "ByPerson")


def test_a_persons_word_ends_one_episode_only():
    story = open_story().says(resolution=Resolution(by="ana", summary="done"))
    story.at(20, finding=None, healthy=True, since=15)
    story.at(100)
    assert story.status.episode == 2
    story.at(110, finding=None, healthy=True, since=105)
    assert story.condition("Resolved") == ("False", "Reopened")


def test_a_person_may_end_what_cannot_be_known_but_not_interrupt_what_runs():
    said = Resolution(by="ana", summary="looked, it is fine")
    running = open_story().says(resolution=said).shows(finding=None, remediations=(remediation(RemediationPhase.DISPATCHED),))
    running.at(20, healthy=True, since=15)
    assert running.condition("Resolved") == ("False", "NotYet")
    stuck = open_story().says(resolution=said).shows(finding=None, remediations=(remediation(RemediationPhase.UNKNOWN),))
    stuck.at(20, healthy=True, since=15)
    assert stuck.condition("Resolved") == ("True", "ByPerson")


# the target is gone


@pytest.mark.parametrize("seen", [None, UNKNOWN], ids=["the watch sees nothing", "the watch is stale"])
def test_r33_a_target_that_is_gone_ends_its_incident(seen):
    story = open_story().shows(target=GONE, finding=seen, remediations=())
    story.at(50, healthy=UNKNOWN)
    assert story.condition("Resolved") == ("True", "SignalsCleared")
    assert story.says_condition("Resolved") == "target deleted"
    assert story.status.times.resolved_time == later(50)


def test_r33_an_attempt_under_way_is_ended_first():
    story = open_story().shows(target=GONE, finding=None, remediations=(remediation(RemediationPhase.VERIFYING),))
    story.at(40, healthy=UNKNOWN)
    assert story.condition("Resolved") == ("False", "NotYet")
    assert "the target was deleted" in story.says_condition("Resolved")
    assert "is ended first" in story.says_condition("Resolved")
    story.shows(remediations=(remediation(RemediationPhase.CANCELLED, Outcome.STALE),)).at(50, healthy=UNKNOWN)
    assert story.condition("Resolved") == ("True", "SignalsCleared")


def test_r33_unless_an_alert_still_fires_on_it():
    story = open_story()
    story.at(5, alerts=(alert(at=5),))
    story.shows(target=GONE, finding=None).at(50, healthy=UNKNOWN)
    assert story.says_condition("Resolved") == "the target was deleted, but alert HighErrors still fires on it"
    story.at(60, alerts=(alert(state="resolved", at=60),), healthy=UNKNOWN)
    assert story.condition("Resolved") == ("True", "SignalsCleared")


def test_a_report_about_what_is_not_there_pages_and_stands_until_a_person_ends_it():
    ops = ladder(name="ops", namespace="prunella-system")
    story = Story(reported()).shows(target=GONE, finding=None, policy=healing_policy(default="ops"), escalation_policies=(ops,))
    story.at(0, healthy=UNKNOWN)
    assert story.condition("Resolved") == ("False", "NotYet")
    assert story.says_condition("Resolved").startswith("a person reported it, and Deployment checkout is not there (any more); once it is over: ")
    story.at(70, healthy=UNKNOWN)
    assert story.pages() != []
    story.says(resolution=Resolution(by="ana", summary="I meant another one")).at(80, healthy=UNKNOWN)
    assert story.condition("Resolved") == ("True", "ByPerson")
    story.at(100, alerts=(alert(at=100, starts=90),), alert_rules={"HighErrors": 0}, healthy=UNKNOWN)
    story.at(110, alerts=(alert(state="resolved", at=110),), healthy=UNKNOWN)
    assert (story.status.episode, story.says_condition("Resolved")) == (2, "target deleted"), "that report was answered"


# relapse


def test_c44_a_relapse_inside_the_window_reopens_the_same_incident():
    story = resolved_story()
    story.at(13 + 1799, finding=finding(), remediations=(healed(),))
    status = story.status
    assert (status.episode, status.reopen_count) == (2, 1)
    assert story.condition("Resolved") == ("False", "Reopened")
    assert story.condition("Mitigated") == ("False", "FiringAgain")
    assert story.condition("Acknowledged") == ("False", "NotYet")
    assert (status.times.resolved_time, status.times.mitigated_time, status.times.last_reopened_time) == (None, None, later(1812))
    assert (status.episodes[-1].number, status.escalation.run) == (2, 2)
    assert story.message("Reopened").startswith("episode 2: watch (RolloutCrashLoop) fires again: ")
    assert ("incidents_reopened_total", None) in story.counts
    assert state_of(status) is State.TRIGGERED


def test_c44_after_the_window_nothing_is_reopened():
    story = resolved_story()
    story.at(13 + 1801, finding=finding())
    assert story.status.episode == 1
    assert story.condition("Resolved") == ("True", "Verified")


@pytest.mark.parametrize(
    ("changes", "episode"),
    [
        ({"rule_for_seconds": 120, "starts": 140}, 2),
        ({"rule_for_seconds": 120, "starts": 130}, 1),
        ({"active_time": later(20), "starts": 140}, 2),
        ({"active_time": later(5), "starts": 140}, 1),
        ({"starts": 140}, 1),
    ],
    ids=["began after the recovery", "looks back over the fault", "active after", "active before", "nobody knows its for"],
)
def test_an_alert_reopens_only_for_the_time_after_the_recovery(changes, episode):
    story = resolved_story()
    story.at(150, alerts=(alert(at=150, **changes),))
    assert story.status.episode == episode


@pytest.mark.parametrize(("rule", "episode"), [(120, 2), (130, 1)], ids=["began after the recovery", "looks back over the fault"])
def test_the_rule_that_prometheus_tells_later_counts_as_well(rule, episode):
    story = resolved_story()
    story.at(150, alerts=(alert(at=150, starts=140),))
    story.at(160, alert_rules={"HighErrors": rule})
    assert story.status.episode == episode


@pytest.mark.parametrize(("seconds", "episode"), [(749, 1), (750, 2)], ids=["may still look back", "means the present"])
def test_an_alert_of_unknown_for_reopens_when_it_still_fires(seconds, episode):
    story = resolved_story()
    draft = story.at(150, alerts=(alert(at=150, starts=140),))
    assert draft.look_again == later(750)
    story.at(seconds)
    assert story.status.episode == episode


@pytest.mark.parametrize("how", ["webhook", "poll"])
def test_an_alert_whose_silence_ends_after_a_person_ended_it_reopens_it_when_it_fires_on(how):
    story = Story(alerted()).shows(finding=None)
    story.at(0)
    story.at(60, active_alerts={KEY: alert(state="suppressed", at=60)}, polled_time=later(60))
    story.says(resolution=Resolution(by="ana", summary="silenced, it is fine"))
    story.at(70, healthy=True, since=0)
    assert story.condition("Resolved") == ("True", "ByPerson")
    fires = alert(at=100)
    heard = {"alerts": (fires,)} if how == "webhook" else {"active_alerts": {KEY: fires}, "polled_time": later(100)}
    draft = story.at(100, **heard)
    assert (story.status.episode, draft.look_again) == (1, later(700))
    story.at(700)
    assert story.condition("Resolved") == ("False", "Reopened")


def test_an_old_acknowledgement_does_not_count_for_the_new_episode():
    story = open_story().says(acknowledgement=ack())
    story.at(5)
    story.at(33, finding=None, remediations=(healed(),), healthy=True, since=13)
    story.at(100, remediations=(healed(),))
    assert story.condition("Acknowledged") == ("False", "StaleEpisode")
    assert '"episode":2' in story.says_condition("Acknowledged")
    story.says(acknowledgement=ack("bo", episode=2))
    story.at(110, remediations=(healed(),))
    assert story.condition("Acknowledged") == ("True", "ByPerson")
    assert story.status.times.acknowledged_time == later(5), "the first time stands"
    assert [one.acknowledged_time for one in story.status.episodes] == [later(5), later(110)]


def test_an_acknowledgement_of_an_episode_to_come_does_not_count_when_it_comes():
    story = open_story().says(acknowledgement=ack(episode=2))
    story.at(5)
    assert story.condition("Acknowledged") == ("False", "StaleEpisode")
    assert story.says_condition("Acknowledged").startswith(
        "ana acknowledged episode 2, but that has not begun: this is episode 1; to take it: kubectl"
    )
    story.at(33, finding=None, remediations=(healed(),), healthy=True, since=13)
    for now in (100, 110):
        story.at(now, remediations=(healed(),))
        assert (story.status.episode, story.condition("Acknowledged")) == (2, ("False", "StaleEpisode"))
        assert story.says_condition("Acknowledged").startswith("ana acknowledged episode 2 before it began: that does not count; to take it: kubectl")
    assert state_of(story.status) is State.TRIGGERED
    story.says(acknowledgement=ack(episode=2, note="now I mean it")).at(120, remediations=(healed(),))
    assert story.condition("Acknowledged") == ("True", "ByPerson")


def test_an_attempt_of_the_last_episode_does_not_mitigate_the_next():
    story = resolved_story()
    story.at(100, finding=finding(), remediations=(healed(),))
    story.at(101, finding=None, remediations=(healed(),), healthy=True, since=100)
    assert state_of(story.status) is State.TRIGGERED


# duplicates


def test_a_persons_incident_yields_to_the_operators_and_its_reporter_is_kept():
    own, persons = open_story(), Story(reported(creation_timestamp=later(-60)))
    persons.shows(duplicates=(own.incident,)).at(5)
    assert persons.parent == "checkout-7f3kq"
    assert persons.status.times.cancelled_time == later(5)
    assert persons.message("Cancelled") == "Duplicate: the story goes on in Incident checkout-7f3kq, which is about the same target"
    assert persons.pages() == []
    own.shows(duplicates=(persons.incident,)).at(6)
    own.at(7)
    assert [one.name for one in own.status.reporters] == ["ana"]
    assert own.message("Joined") == "Incident ana-sees-errors is a duplicate of this one; ana says: checkout answers with errors"
    assert own.told().count("Joined") == 1
    assert own.status.times.started_time == later(-60)


def test_of_two_of_the_operators_the_younger_yields_and_the_times_and_signals_are_kept():
    older, younger = open_story(), Story(watched("checkout-zzzzz", creation_timestamp=later(1)))
    younger.at(2, alerts=(alert(at=2),))
    both = younger.status.times.model_copy(update={"started_time": later(-30), "detected_time": later(-20)})
    younger.incident = younger.incident.model_copy(update={"status": younger.status.model_copy(update={"times": both})})
    older.at(3, duplicates=(younger.incident,))
    assert state_of(older.status) is State.TRIGGERED
    assert (older.status.times.started_time, older.status.times.detected_time) == (later(-30), later(-20))
    assert f"alert/{KEY}" in {one.key for one in older.status.signals}
    younger.at(3, duplicates=(older.incident,))
    assert younger.parent == "checkout-7f3kq"
    younger.at(4, duplicates=(older.incident,))
    assert younger.told().count("Cancelled") == 1


def test_what_does_not_fit_stands_on_the_duplicate_and_is_not_counted_anew_with_every_look():
    older, younger = open_story(), Story(watched("checkout-zzzzz", creation_timestamp=later(1)))
    older.at(1, alerts=tuple(alert(f"{number:016x}", at=1) for number in range(1, 120)))
    younger.at(2, alerts=(alert(f"{500:016x}", at=2),))
    younger.at(3, duplicates=(older.incident,))
    for second in (4, 5, 6):
        older.at(second, duplicates=(younger.incident,))
    assert sum(one.count for one in older.status.signals if one.key.startswith("alert/")) == 119


@pytest.mark.parametrize(
    "between", [watched("checkout-zzzzz", creation_timestamp=later(1)), reported("bo-sees-errors", by="bo")], ids=["ours", "bo's"]
)
def test_who_reported_a_duplicate_of_a_duplicate_is_kept(between):
    older, middle, persons = open_story(), Story(between), Story(reported(creation_timestamp=later(9)))
    middle.at(10, duplicates=(persons.incident,))
    persons.at(10, duplicates=(middle.incident,))
    middle.at(11, duplicates=(older.incident,))
    assert (persons.parent, middle.parent) == (middle.incident.metadata.name, "checkout-7f3kq")
    older.at(12, duplicates=(middle.incident,))
    assert [one.name for one in older.status.reporters][-1] == "ana"


def test_a_duplicate_says_on_each_condition_where_the_story_goes_on():
    own, persons = open_story(), Story(reported())
    persons.at(5, duplicates=(own.incident,))
    message = "the story goes on in Incident checkout-7f3kq, which is about the same target"
    stands = {one.type: (one.status.value, one.reason, one.message) for one in persons.status.conditions}
    assert {stands[name] for name in ("Acknowledged", "Mitigated", "Resolved", "RemediationAllowed")} == {("False", "Duplicate", message)}
    assert persons.message("Cancelled") == f"Duplicate: {message}"
    assert persons.status.remediation == "Joined checkout-7f3kq"


def test_of_two_reports_the_younger_yields_and_what_joined_it_is_kept():
    older, younger = (
        Story(reported()).shows(finding=None),
        Story(reported("bo-sees-errors", by="bo", creation_timestamp=later(9))).shows(finding=None),
    )
    older.at(9)
    younger.at(10, alerts=(alert(at=10),))
    older.at(11, duplicates=(younger.incident,))
    assert (older.status.cause, [one.name for one in older.status.reporters]) == ("Alert", ["ana", "bo"])
    younger.at(11, duplicates=(older.incident,))
    assert younger.parent == "ana-sees-errors"


def test_a_report_without_a_name_is_a_persons_all_the_same():
    own, persons = open_story(), Story(reported(by=None))
    own.at(3, duplicates=(persons.incident,))
    assert [one.name for one in own.status.reporters] == ["a person"]


def test_c47_of_two_that_see_each_other_exactly_one_yields():
    first, second = open_story(), Story(watched("checkout-zzzzz"))
    second.at(0)
    a, b = first.incident, second.incident
    first.at(1, duplicates=(b,))
    second.at(1, duplicates=(a,))
    assert [state_of(one.status) for one in (first, second)] == [State.TRIGGERED, State.CANCELLED]


def test_what_has_an_attempt_under_way_yields_only_afterwards():
    older, younger = open_story(), Story(watched("checkout-zzzzz", creation_timestamp=later(1)))
    younger.at(2, duplicates=(older.incident,), remediations=(remediation(RemediationPhase.VERIFYING),))
    assert state_of(younger.status) is State.TRIGGERED


def test_a_new_report_does_not_vanish_into_what_is_resolved():
    own, persons = resolved_story(), Story(reported(creation_timestamp=later(100)))
    persons.shows(duplicates=(own.incident,), finding=None).at(101)
    assert state_of(persons.status) is State.TRIGGERED


def test_a_cancelled_incident_stays_as_it_is():
    own, persons = open_story(), Story(reported())
    persons.shows(duplicates=(own.incident,)).at(5)
    before = persons.status
    persons.says(acknowledgement=ack()).at(100)
    assert persons.status.conditions == before.conditions
    assert persons.status.timeline == before.timeline


# the table


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("to", list(State))
def test_an_illegal_move_raises(state, to):
    times = {
        State.NEW: Times(),
        State.TRIGGERED: Times(triggered_time=later(0)),
        State.MITIGATED: Times(triggered_time=later(0), mitigated_time=later(1)),
        State.RESOLVED: Times(triggered_time=later(0), resolved_time=later(1)),
        State.CANCELLED: Times(triggered_time=later(0), cancelled_time=later(1)),
    }
    if state is State.ACKNOWLEDGED:
        story = open_story().says(acknowledgement=ack())
        story.at(1)
        status = story.status
    else:
        status = IncidentStatus(times=times[state])
    assert state_of(status) is state
    if to in ALLOWED[state]:
        check_move(status, to)
    else:
        with pytest.raises(IllegalMoveError, match=f"an Incident can't go from {state.value} to {to.value}"):
            check_move(status, to)


def test_nothing_leads_out_of_cancelled_and_only_a_relapse_out_of_resolved():
    assert ALLOWED[State.CANCELLED] == frozenset()
    assert ALLOWED[State.RESOLVED] == {State.TRIGGERED}
    assert states.over(IncidentStatus(times=Times(resolved_time=later(0))))


happenings = st.lists(
    st.tuples(
        st.sampled_from(
            ["quiet", "fault", "other fault", "unseen", "alert", "resolve", "healed", "failed", "ack", "unack", "done", "gone", "healthy"]
        ),
        st.integers(1, 900),
    ),
    max_size=14,
)


def happen(story: Story, what: str, now: int) -> tuple[bool, float | None, dict[str, Any]]:
    """Change the world, and say what one pass sees besides."""
    once: dict[str, Any] = {}
    match what:
        case "quiet" | "healthy":
            story.shows(finding=None)
        case "fault":
            story.shows(finding=finding())
        case "other fault":
            story.shows(finding=finding("RolloutNotReady"))
        case "unseen":
            once["finding"] = UNKNOWN
        case "alert" | "resolve":
            once["alerts"] = (alert(state="firing" if what == "alert" else "resolved", at=now, starts=now - 1),)
        case "healed":
            story.shows(finding=None, remediations=(healed(now - 5, now),))
        case "ack":
            story.says(acknowledgement=ack(episode=story.status.episode))
        case "unack":
            story.says(acknowledgement=None)
        case "done":
            story.says(resolution=Resolution(by="ana", summary=f"done at {now}"))
        case "gone":
            once |= {"target": GONE, "finding": None}
        case _:
            assert what == "failed"
            failed = remediation(RemediationPhase.FAILED, Outcome.INEFFECTIVE, ended_time=later(now))
            story.shows(remediations=(failed,))
    return what in {"healthy", "healed"}, now - 1 if what in {"healthy", "healed"} else None, once


@given(happenings)
@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_happens_a_second_look_at_the_same_world_tells_nothing_new(chosen):
    story = open_story()
    now = 0
    for what, seconds in chosen:
        now += seconds
        healthy, since, once = happen(story, what, now)
        story.at(now, healthy=healthy, since=since, **once)
        before = story.status
        once.pop("alerts", None)
        again = decided(world(story.incident, at=now, **(story.facts | once)), healthy=healthy, since=since)
        assert again.status.timeline == before.timeline
        assert again.status.escalation.messages == before.escalation.messages
        assert again.status.signals == before.signals
        assert IncidentStatus.read(again.status.wire()) == before
        sequences = [one.sequence for one in before.timeline]
        assert sequences == sorted(set(sequences))
        times = before.times
        for time in (times.mitigated_time, times.resolved_time):
            assert time is None or (times.started_time is not None and time >= times.started_time)
