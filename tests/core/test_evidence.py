"""Evidence is taken once for each fault: when it is first seen, and anew for another one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from prunella.api.incident import Episode, Evidence
from prunella.api.names import ConditionStatus, RemediationPhase, SignalState
from prunella.core.draft import CaptureEvidence
from prunella.core.facts import UNKNOWN
from prunella.core.incident import evidence
from prunella.core.world import NOT_A_WORKLOAD, Capture, World

from .healing_builders import NOON, ago, attempt, condition, ill, incident, signal
from .incident_builders import draft_of

OLD = (Evidence(name="logs", text="FATAL", captured_time=ago(500)), Evidence(name="events", text="BackOff", captured_time=ago(500)))
INCOMPLETE = condition("EvidenceIncomplete", ConditionStatus.TRUE, "EvidenceIncomplete", since=ago(500), message="the log is gone")


def world(began: float, seen: float, *signals, **changes) -> World:
    """An episode that began, and a fault that is seen, so many seconds ago; evidence was taken 500 seconds ago."""
    episode = Episode(number=1, reason="Opened", started_time=ago(began), triggered_time=ago(began))
    own = {key: changes.pop(key) for key in ("evidence", "conditions") if key in changes}
    fault = signal(first_seen_time=ago(seen))
    return ill(incident=incident(fault, *signals, episodes=(episode,), **({"evidence": OLD} | own)), **changes)


def asked(seen: World) -> bool:
    return CaptureEvidence() in evidence.keep(seen, draft_of(seen)).needs


@pytest.mark.parametrize(
    ("seen", "taken"),
    [
        (world(600, 600), False),
        (world(600, 600, evidence=()), True),
        (world(600, 20), True),
        (world(30, 30), True),
        (world(600, 600, evidence=(), conditions=(INCOMPLETE,)), False),
        (world(600, 20, evidence=(), conditions=(INCOMPLETE,)), True),
        (world(600, 600, signal("alert/a", first_seen_time=ago(20))), False),
        (world(600, 600, signal("watch/RolloutNotReady", first_seen_time=ago(20), state=SignalState.RESOLVED)), False),
        (world(600, 20, finding=None), False),
        (world(600, 20, finding=UNKNOWN), False),
        (world(600, 20, target=NOT_A_WORKLOAD), False),
        (world(600, 20, remediations=(attempt(ended=None),)), False),
        (world(600, 20, remediations=(attempt(ended=None, phase=RemediationPhase.UNKNOWN),)), True),
    ],
    ids=[
        "it was taken",
        "none was taken yet",
        "the first fault was mended by hand, and another is there",
        "it came back",
        "there was none to be had",
        "there was none to be had of the first fault",
        "an alert joined",
        "a signal that is over",
        "nothing is seen any more",
        "nothing can be seen",
        "no workload",
        "our own attempt is under way",
        "an attempt that can't be known",
    ],
)
def test_evidence_is_taken_once_for_each_fault(seen, taken):
    assert asked(seen) is taken


def keeps(seen: World, **capture):
    draft = evidence.keep(replace(seen, capture=Capture(captured_time=NOON, **capture)), draft_of(seen))
    after = replace(seen, incident=seen.incident.model_copy(update={"status": draft.status}))
    assert not asked(after), "not a second time"
    return draft


def missed(seconds: float, **changes):
    """A fault of 20 seconds ago of which nothing could be had so many seconds ago; what there is else is of another."""
    return world(600, 20, conditions=(condition("EvidenceIncomplete", ConditionStatus.TRUE, "EvidenceIncomplete", since=ago(seconds)),), **changes)


@pytest.mark.parametrize(("seconds", "taken"), [(1.9, False), (2, True), (4.9, True), (5, False), (20, False)])
def test_a_fault_of_which_nothing_could_be_had_is_asked_about_once_more_before_anything_is_done_about_it(seconds, taken):
    assert asked(missed(seconds)) is taken


def test_it_is_looked_at_again_for_that_and_not_a_third_time():
    first = replace(world(600, 20), capture=Capture(captured_time=NOON, missing="not within a second"))
    draft = evidence.keep(first, draft_of(first))
    assert draft.look_again == NOON + timedelta(seconds=2)
    later = replace(first, now=NOON + timedelta(seconds=2), incident=first.incident.model_copy(update={"status": draft.status}))
    again = evidence.keep(later, replace(draft_of(later), now=later.now))
    assert (again.look_again, again.status) == (None, draft.status), "nothing came of it, and so nothing is written"


def test_what_is_had_at_the_second_time_is_kept_and_nothing_is_said_to_miss():
    draft = keeps(missed(2), logs="FATAL", events="BackOff")
    assert ([one.text for one in draft.status.evidence], draft.status.conditions) == (["FATAL", "BackOff", "FATAL", "BackOff"], ())


def test_where_a_part_was_had_it_is_not_asked_for_again():
    part = Evidence(name="events", text="BackOff", captured_time=ago(3))
    assert not asked(missed(3, evidence=(part,)))


def test_that_of_the_fault_before_is_kept_beside_it_and_of_those_before_no_more():
    third = world(600, 20, evidence=(*(one.model_copy(update={"text": "first"}) for one in OLD), *OLD))
    draft = keeps(third, logs="out of memory", events="OOMKilled", pod="checkout-h3-a", container="app")
    assert [(one.name, one.text) for one in draft.status.evidence] == [
        ("logs", "FATAL"),
        ("events", "BackOff"),
        ("logs", "out of memory"),
        ("events", "OOMKilled"),
    ]


def test_a_log_that_could_not_be_had_is_said_and_no_more_once_that_of_another_fault_could():
    missing = keeps(world(600, 20), events="BackOff", missing="the log of checkout-h3-a could not be read")
    assert [one.message for one in missing.status.conditions] == ["the log of checkout-h3-a could not be read"]
    complete = keeps(world(600, 20, conditions=(INCOMPLETE,)), logs="FATAL", events="BackOff")
    assert complete.status.conditions == ()


def test_where_nothing_can_be_had_of_the_second_fault_either_it_is_not_asked_for_again_and_again():
    draft = keeps(world(600, 20, evidence=(), conditions=(INCOMPLETE,)), missing="the pod is gone")
    assert [(one.message, one.last_transition_time) for one in draft.status.conditions] == [("the pod is gone", NOON)]


def test_long_evidence_keeps_its_end_and_no_secret():
    draft = keeps(world(600, 20), logs="x" * 3000 + " password=hunter2 the end")
    [kept] = [one for one in draft.status.evidence if one.captured_time == NOON]
    assert (len(kept.text), kept.truncated, kept.text.endswith("the end"), "hunter2" in kept.text) == (2000, True, True, False)
