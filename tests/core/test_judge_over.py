"""What stands about automation once nothing fails any more: no refusal that is not true any longer, and nothing that still waits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.incident import Episode, Times
from prunella.api.names import Cause, ConditionStatus, Outcome, RemediationPhase, RemediationState, SignalState
from prunella.api.runbook import Match
from prunella.core.healing import judge
from prunella.core.world import World

from .healing_builders import NOON, ago, attempt, condition, ill, incident, permitted, signal
from .incident_builders import draft_of

ALLOWED = "RemediationAllowed"
BLOCKED = {"remediation": "Blocked: NoRunbookMatches", "remediation_state": RemediationState.BLOCKED}


def said(draft):
    found = next(one for one in draft.status.conditions if one.type == ALLOWED)
    return found.status.value, found.reason, found.message


def blocked(world: World, **status) -> World:
    was = world.incident
    return replace(world, incident=was.model_copy(update={"status": was.status.model_copy(update=BLOCKED | status)}))


def test_where_a_person_was_faster_nothing_is_blocked_and_no_runbook_is_blamed():
    over = signal(state=SignalState.RESOLVED)
    waited = condition(ALLOWED, ConditionStatus.FALSE, "DwellRunning")
    world = blocked(replace(permitted(), finding=None, incident=incident(over)), conditions=(waited,), signals=(over,))
    draft = judge.judge(world, draft_of(world))
    assert said(draft) == ("False", "TargetHealthy", "deploy/checkout shows no fault any more: there is nothing to do")
    assert (draft.status.remediation, draft.status.remediation_state) == (None, RemediationState.NONE)
    assert draft.status.timeline == ()
    assert (draft.status.decisions, draft.attempt) == ((), None)


def test_a_plan_that_waits_is_not_shown_as_blocked_by_what_was_in_its_way_before():
    world = blocked(ill(runbook(match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=60, min_restarts=2))))
    draft = judge.judge(world, draft_of(world))
    assert said(draft)[1] == "DwellRunning"
    assert (draft.status.remediation, draft.status.remediation_state) == (None, RemediationState.NONE)


@pytest.mark.parametrize(
    ("attempts", "began", "stands"),
    [
        ((attempt(outcome=Outcome.REMEDIATED, phase=RemediationPhase.SUCCEEDED),), ago(600), ("True", "Allowed")),
        ((), ago(600), ("False", "TargetHealthy")),
        ((attempt(outcome=Outcome.REMEDIATED, phase=RemediationPhase.SUCCEEDED),), ago(50), ("False", "TargetHealthy")),
    ],
    ids=["healed", "over before anything was done", "healed in the episode before"],
)
@pytest.mark.parametrize("reason", ["DwellRunning", "RolloutInProgress", "ConcurrencyReached"])
def test_when_it_is_over_nothing_waits_any_more(attempts, began, stands, reason):
    mitigated = condition("Mitigated", ConditionStatus.TRUE, "RemediationSucceeded")
    waits = condition(ALLOWED, ConditionStatus.FALSE, reason)
    world = blocked(replace(permitted(), remediations=attempts), conditions=(mitigated, waits), times=Times(triggered_time=began))
    assert said(judge.judge(world, draft_of(world)))[:2] == stands


def test_what_was_refused_stays_as_it_was_said_when_it_is_over():
    resolved = condition("Resolved", ConditionStatus.TRUE, "SignalsCleared")
    refused = condition(ALLOWED, ConditionStatus.FALSE, "NoKnownGood", message="none was seen healthy")
    world = blocked(permitted(), conditions=(resolved, refused))
    draft = judge.judge(world, draft_of(world))
    assert said(draft) == ("False", "NoKnownGood", "none was seen healthy")
    assert draft.status.remediation == BLOCKED["remediation"]


@pytest.mark.parametrize(
    ("began", "first_seen", "time"),
    [(ago(600), ago(500), ago(500)), (ago(30), ago(500), NOON), (ago(600), ago(20), NOON)],
    ids=["the same fault", "a new episode", "another fault in the same episode"],
)
def test_a_decision_keeps_its_time_for_its_fault_only(began, first_seen, time):
    world = ill(runbook(match=Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=600, min_restarts=2)))
    [before] = judge.judge(world, draft_of(world)).status.decisions
    episode = Episode(number=1, reason="Opened", started_time=began, triggered_time=began)
    seen = signal(first_seen_time=first_seen)
    world = blocked(world, decisions=(before.model_copy(update={"time": ago(500)}),), episodes=(episode,), signals=(seen,))
    assert [one.time for one in judge.judge(world, draft_of(world)).status.decisions] == [time]
