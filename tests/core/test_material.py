"""What is worth a write: what tells a person something new. Counters, last sights and receipts of notices ride along."""

from __future__ import annotations

import pytest

from prunella.api.incident import Decision, Escalation, IncidentStatus, Message, Plan, RemediationSummary, TimelineEntry
from prunella.api.names import Cause, ConditionStatus, EscalationState, MessageKind, MessageState, Outcome, RemediationPhase, SignalState, Verdict
from prunella.core.incident.material import tells_something

from .builders import NOON, later
from .healing_builders import alert_signal, condition, signal, status

FALSE, TRUE = ConditionStatus.FALSE, ConditionStatus.TRUE


def allowed(reason, value=FALSE, message="so"):
    return condition("RemediationAllowed", value, reason, message=message)


def decision(verdict, reason="DwellRunning", about="roll-back"):
    return Decision(time=NOON, about=about, verdict=verdict, reason=reason)


def message(kind=MessageKind.PAGE, state=MessageState.PENDING, **changes):
    return Message(key="k", kind=kind, receiver="ops", state=state, created_time=NOON, **changes)


def told(*messages, **changes):
    return Escalation(messages=messages, **changes)


def summary(phase, outcome=None):
    return RemediationSummary(name="checkout-7f3kq-1", runbook="roll-back", attempt=1, phase=phase, outcome=outcome)


RIDING = {"remediations": (summary(RemediationPhase.VERIFYING),)}
PLAN, OTHER_PLAN = Plan(runbook="r", hash="h", summary="s"), Plan(runbook="r", hash="i", summary="s")
COMING = {"conditions": (allowed("DwellRunning"),)}
OBSERVED = {"conditions": (allowed("ModeObserve"),)}
PENDING, SENT, DELIVERED = MessageState.PENDING, MessageState.SENT, MessageState.DELIVERED
NOTICE = MessageKind.NOTICE


@pytest.mark.parametrize(
    ("before", "after", "tells"),
    [
        ({}, {}, False),
        ({"signals": (signal(),)}, {"signals": (signal(count=9, last_seen_time=later(9), summary="again"),)}, False),
        ({"signals": (signal(),)}, {"signals": (signal(), alert_signal())}, True),
        ({"signals": (signal(),)}, {"signals": (signal(state=SignalState.RESOLVED),)}, True),
        ({"signals": (signal(),), **RIDING}, {"signals": (signal(state=SignalState.RESOLVED),), **RIDING}, False),
        ({"signals": (alert_signal(),), **RIDING}, {"signals": (alert_signal(state=SignalState.RESOLVED),), **RIDING}, True),
        ({"signals": (signal(),)}, {"signals": (signal(first_seen_time=later(1)),)}, True),
        ({"summary": "a"}, {"summary": "b"}, False),
        ({"cause": Cause.CRASH_LOOP}, {"cause": Cause.ROLLOUT_STUCK}, True),
        ({"healthy_since_time": None}, {"healthy_since_time": NOON}, True),
        ({"healthy_since_time": None, **RIDING}, {"healthy_since_time": NOON, **RIDING}, False),
        ({"conditions": (allowed("DwellRunning"),)}, {"conditions": (allowed("Allowed", TRUE),)}, False),
        ({"conditions": (allowed("DwellRunning"),)}, {"conditions": (allowed("StormActive"),)}, True),
        ({"conditions": (allowed("StormActive"),)}, {"conditions": (allowed("StormActive", message="other words"),)}, True),
        ({"conditions": (allowed("Paused"),)}, {"conditions": (allowed("Paused", message="by another"),)}, True),
        ({"conditions": (allowed("NewestRevisionFails"),)}, {"conditions": (allowed("NewestRevisionFails", message="other words"),)}, False),
        ({"conditions": (allowed("EvidenceMissing"),)}, {"conditions": (allowed("EvidenceMissing", message="other words"),)}, True),
        ({"conditions": (allowed("EvidenceMissing", message="1 s"),)}, {"conditions": (allowed("EvidenceMissing", message="20 s"),)}, False),
        ({"decisions": (decision(Verdict.WAITING),)}, {"decisions": (decision(Verdict.CHOSEN, "NewestRevisionFails"),)}, False),
        ({"decisions": (decision(Verdict.WAITING),)}, {"decisions": (decision(Verdict.REFUSED, "StormActive"),)}, True),
        ({"decisions": (decision(Verdict.WAITING),)}, {"decisions": (decision(Verdict.WAITING, about="another"),)}, True),
        (
            {"plan": Plan(runbook="r", hash="h", summary="s")},
            {"plan": Plan(runbook="r", hash="h", summary="s", due_time=NOON)},
            False,
        ),
        ({"plan": PLAN, **COMING}, {"plan": OTHER_PLAN, **COMING}, False),
        ({"plan": None, "accused_revision": None, **COMING}, {"plan": PLAN, "accused_revision": "h3", **COMING}, False),
        ({"plan": PLAN, **OBSERVED}, {"plan": OTHER_PLAN, **OBSERVED}, True),
        ({"accused_revision": "h2", **OBSERVED}, {"accused_revision": "h3", **OBSERVED}, True),
        ({"escalation": told()}, {"escalation": told(message())}, True),
        ({"escalation": told(message())}, {"escalation": told(message(state=DELIVERED, sent_time=NOON))}, True),
        ({"escalation": told(message())}, {"escalation": told(message(attempts=2, error="503", method="hook"))}, False),
        ({"escalation": told(message(state=SENT))}, {"escalation": told(message(state=SENT, attempts=2))}, True),
        ({"escalation": told(message(NOTICE))}, {"escalation": told(message(NOTICE, DELIVERED, sent_time=NOON, attempts=1, method="hook"))}, False),
        ({"escalation": told()}, {"escalation": told(next_action_time=NOON, state=EscalationState.WAITING)}, False),
        ({"escalation": told(step=1)}, {"escalation": told(step=2)}, True),
        ({"timeline": ()}, {"timeline": (TimelineEntry(sequence=1, time=NOON, what="Opened", message="m"),)}, True),
        ({}, RIDING, True),
        (RIDING, {"remediations": (summary(RemediationPhase.SUCCEEDED, Outcome.REMEDIATED),)}, True),
    ],
    ids=[
        "nothing",
        "counts and sights",
        "another signal",
        "a signal ends",
        "the watch's end rides on an attempt",
        "an alert's end never rides: it was answered with 200",
        "a signal begins anew",
        "other words",
        "another cause",
        "healthy",
        "healthy during an attempt",
        "the dwell is over",
        "a refusal",
        "another Incident is at fault",
        "another's pause",
        "a refusal in other words",
        "it is something else that can't be seen",
        "other numbers of it",
        "chosen",
        "refused",
        "another Runbook",
        "due",
        "another plan, which will be carried out",
        "a plan that will be carried out",
        "another plan, where the plan is all that there is",
        "another accused revision, where nothing will be done",
        "a page",
        "a page's receipt",
        "a page's next try",
        "what is known of a sent page",
        "a notice's receipt",
        "when the next is due",
        "another step",
        "an entry of the story",
        "an attempt is told",
        "an attempt ends",
    ],
)
def test_a_write_is_worth_it_where_it_tells_something(before, after, tells):
    base = status()
    assert tells_something(base.model_copy(update=before), base.model_copy(update=after)) == tells


def test_what_begins_to_ride_is_left_out_on_both_sides():
    """The attempt is about to begin: that the watch still fires is no news, although it was not left out before."""
    before = status(conditions=(allowed("DwellRunning"),))
    after = status(conditions=(allowed("Allowed", TRUE),), healthy_since_time=None)
    assert not tells_something(before, after)


@pytest.mark.parametrize("type_", ["Mitigated", "Resolved"])
def test_after_the_end_nothing_rides(type_):
    over = (condition(type_, TRUE, "Verified"), allowed("Allowed", TRUE))
    before = IncidentStatus(signals=(signal(),), conditions=over)
    after = IncidentStatus(signals=(signal(state=SignalState.RESOLVED),), conditions=over)
    assert tells_something(before, after)
