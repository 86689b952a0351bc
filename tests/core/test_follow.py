"""What the attempts did becomes the Incident's story, each thing once."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.api.incident import RemediationSummary, Times
from prunella.api.names import ApprovalVerdict, ConditionStatus, Mode, Outcome, RemediationPhase, RemediationState, StepState
from prunella.api.remediation import Approval, Intent, StepOutcome, StepStatus
from prunella.core.healing.runs.follow import follow

from .builders import ago, later
from .healing_builders import NOON, attempt, condition, ill, incident
from .incident_builders import TARGET, draft_of

P = RemediationPhase
PLAN = "roll back deploy/checkout 3 (h3) -> 2 (h2)"


def applied(name="rollback", message="deploy/checkout runs the template of revision 2 again", *, rolled=True, action="Patch"):
    before = {"toRevision": "2", "toHash": "h2"} if rolled else {}
    intent = Intent(id="5b1e", action=action, target_ref=TARGET, written_time=ago(20), deadline_time=later(60), before=before)
    return StepStatus(
        name=name, state=StepState.APPLIED, message=message, intent=intent, outcome=StepOutcome(observed_time=ago(19), after=dict(before))
    )


ROLLED_BACK = (applied(),)


def looked():
    return StepStatus(name="evidence", state=StepState.APPLIED, message="evidence was taken", outcome=StepOutcome(observed_time=ago(21)))


def one(phase, outcome=None, *, effect=True, steps=ROLLED_BACK, **changes: Any):
    """The attempt, in that phase."""
    defaults: dict[str, Any] = {
        "phase": phase,
        "plan": PLAN,
        "steps": steps if effect else (),
        "effect_time": ago(19) if effect else None,
        "started_time": ago(20),
        "message": "so it is",
    }
    return attempt(1, outcome, ended=5 if outcome else None, **(defaults | changes))


EXPIRED = condition("Approved", ConditionStatus.FALSE, "ApprovalExpired")


def approved(*people):
    made = one(P.VERIFYING, conditions=(condition("Approved", ConditionStatus.TRUE, "Approved"),))
    words = tuple(Approval(by=by, plan_hash=made.spec.plan_hash, verdict=ApprovalVerdict.APPROVED) for by in people)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"approvals": words})})


def followed(remediation, before=None):
    summaries = ()
    if before is not None:
        phase, outcome = before if isinstance(before, tuple) else (before, None)
        summaries = (RemediationSummary(name=remediation.metadata.name, runbook="roll-back", attempt=1, phase=phase, outcome=outcome),)
    world = ill(remediations=(remediation,), incident=incident(remediations=summaries))
    return follow(world, draft_of(world))


def told(draft):
    return [(entry.what, entry.message) for entry in draft.status.timeline]


STARTED = ("RemediationStarted", f"roll-back, attempt 1: {PLAN}")
ROLLED = ("RolledBack", "deploy/checkout runs the template of revision 2 again")
BREAKER = ("BreakerOpened", "automation stays away from this target until a person says retry")


@pytest.mark.parametrize(
    ("remediation", "before", "story"),
    [
        (one(None, effect=False, started_time=None), None, []),
        (one(P.PENDING, effect=False, started_time=None), None, []),
        (one(P.DISPATCHED, effect=False), None, []),
        (one(P.DISPATCHED), None, []),
        (one(P.VERIFYING), None, [STARTED, ROLLED]),
        (one(P.VERIFYING), P.PENDING, [STARTED, ROLLED]),
        (one(P.VERIFYING), P.VERIFYING, []),
        (one(P.SUCCEEDED, Outcome.REMEDIATED), P.VERIFYING, [("Verified", "so it is")]),
        (one(P.SUCCEEDED, Outcome.REMEDIATED), None, [STARTED, ROLLED, ("Verified", "so it is")]),
        (one(P.SUCCEEDED, Outcome.REMEDIATED), (P.SUCCEEDED, Outcome.REMEDIATED), []),
        (one(P.FAILED, Outcome.INEFFECTIVE), P.VERIFYING, [("RemediationFailed", "Ineffective: so it is"), BREAKER]),
        (one(P.FAILED, Outcome.WORSENED), P.VERIFYING, [("RemediationFailed", "Worsened: so it is"), BREAKER]),
        (one(P.FAILED, Outcome.INCONCLUSIVE), P.VERIFYING, [("RemediationFailed", "Inconclusive: so it is")]),
        (one(P.FAILED, Outcome.ABORTED, effect=False), None, [STARTED, ("RemediationFailed", "Aborted: so it is")]),
        (one(P.CANCELLED, Outcome.SUPERSEDED), P.VERIFYING, [("RemediationCancelled", "Superseded: so it is")]),
        (one(P.CANCELLED, Outcome.SUPERSEDED), (P.CANCELLED, Outcome.SUPERSEDED), []),
        (one(P.CANCELLED, Outcome.STALE, effect=False, started_time=None), None, [("RemediationCancelled", "Stale: so it is")]),
        (
            one(P.UNKNOWN),
            P.VERIFYING,
            [("RemediationUnknown", "checkout-7f3kq-1: so it is"), ("BreakerOpened", "automation stays away until a person says retry")],
        ),
        (one(P.UNKNOWN), P.UNKNOWN, []),
        (approved("ana", "zoe"), P.PENDING, [("Approved", "checkout-7f3kq-1: ana, zoe approved it"), STARTED, ROLLED]),
        (
            one(P.FAILED, Outcome.ABORTED, effect=False, started_time=None, conditions=(EXPIRED,)),
            P.PENDING,
            [("ApprovalExpired", "checkout-7f3kq-1: so it is")],
        ),
        (
            one(P.SUCCEEDED, Outcome.SIMULATED, effect=False, started_time=None),
            None,
            [("RemediationSuggested", f"{PLAN}; see the diff in Remediation checkout-7f3kq-1")],
        ),
    ],
    ids=[
        "made",
        "pending",
        "an intent is stored",
        "between two effects",
        "done",
        "done after it waited",
        "told",
        "proved",
        "all at once",
        "proved and told",
        "no better",
        "worse",
        "in the dark",
        "refused",
        "a person was faster",
        "told that a person was faster",
        "gone before it began",
        "can't be known",
        "told that it can't be known",
        "approved",
        "nobody approved in time",
        "suggested",
    ],
)
def test_each_thing_is_told_once(remediation, before, story):
    assert told(followed(remediation, before)) == story


def test_what_is_told_bears_the_time_at_which_it_happened():
    draft = followed(one(P.VERIFYING))
    assert [entry.time for entry in draft.status.timeline] == [ago(20), ago(19)]
    assert draft.status.times.automation_started_time == ago(20)


@pytest.mark.parametrize(
    ("steps", "what", "message"),
    [
        (
            (applied(rolled=False, message="the pods of deploy/checkout are being made anew"),),
            "Restarted",
            "the pods of deploy/checkout are being made anew",
        ),
        ((applied(rolled=False, message=""),), "Restarted", PLAN),
        (
            (applied(), applied("rollback/1", "pod ledger-2 was deleted", rolled=False, action="Delete")),
            "RolledBack",
            "deploy/checkout runs the template of revision 2 again; pod ledger-2 was deleted",
        ),
        ((looked(), applied()), "RolledBack", "deploy/checkout runs the template of revision 2 again"),
    ],
    ids=["a restart", "without words", "a StatefulSet", "evidence is no effect"],
)
def test_the_effects_are_told_by_what_they_did(steps, what, message):
    assert told(followed(one(P.VERIFYING, steps=steps)))[1] == (what, message)


def test_a_rollback_of_a_workload_that_is_called_restarter_is_no_restart():
    remediation = one(P.VERIFYING, plan="roll back deploy/restarter 3 (h3) -> 2 (h2)")
    assert told(followed(remediation))[1][0] == "RolledBack"


WAITS = condition("RemediationAllowed", ConditionStatus.FALSE, "RecentlyRemediated")


@pytest.mark.parametrize(
    ("remediation", "column", "state"),
    [
        (one(P.DISPATCHED), None, None),
        (one(P.PENDING, effect=False, started_time=None), None, None),
        (one(P.PENDING, effect=False, started_time=None, conditions=(WAITS,)), "Running: roll back deploy/checkout 3 -> 2", RemediationState.RUNNING),
        (one(P.VERIFYING), "Running: roll back deploy/checkout 3 -> 2", RemediationState.RUNNING),
        (one(P.VERIFYING, plan=""), "Running: roll-back", RemediationState.RUNNING),
        (one(P.SUCCEEDED, Outcome.REMEDIATED), "RolledBack to revision 2", RemediationState.SUCCEEDED),
        (one(P.SUCCEEDED, Outcome.REMEDIATED, steps=(applied(rolled=False),)), "Restarted", RemediationState.SUCCEEDED),
        (one(P.SUCCEEDED, Outcome.SIMULATED), f"Suggested: {PLAN}", RemediationState.NONE),
        (one(P.FAILED, Outcome.INEFFECTIVE), "Ineffective", RemediationState.FAILED),
        (one(P.CANCELLED, Outcome.STALE), "Stale", RemediationState.NONE),
        (one(P.UNKNOWN), "Unknown: a person decides", RemediationState.FAILED),
        (one(P.VERIFYING, mode=Mode.SUGGEST), None, None),
    ],
)
def test_the_column_says_where_the_newest_attempt_stands(remediation, column, state):
    draft = followed(remediation)
    assert (draft.status.remediation, draft.status.remediation_state) == (column, state)


@pytest.mark.parametrize(
    ("remediation", "summaries"),
    [(one(P.DISPATCHED), 0), (one(P.PENDING, effect=False), 0), (one(P.PENDING, effect=False, conditions=(WAITS,)), 1), (one(P.VERIFYING), 1)],
    ids=["acts", "about to", "waits and says why", "acted"],
)
def test_an_attempt_between_intent_and_effect_is_told_with_its_effect(remediation, summaries):
    assert len(followed(remediation).status.remediations) == summaries


def test_a_summary_holds_what_the_attempt_says():
    draft = followed(one(P.SUCCEEDED, Outcome.REMEDIATED))
    assert draft.status.remediations == (
        RemediationSummary(
            name="checkout-7f3kq-1", runbook="roll-back", attempt=1, phase=P.SUCCEEDED, outcome=Outcome.REMEDIATED, message="so it is"
        ),
    )


def test_the_last_twenty_attempts_are_kept():
    many = tuple(attempt(number, ended=1000 - number) for number in range(1, 26))
    world = ill(remediations=many)
    kept = follow(world, draft_of(world)).status.remediations
    assert [summary.name for summary in kept] == [f"checkout-7f3kq-{number}" for number in range(6, 26)]


@pytest.mark.parametrize(("started", "seconds"), [(ago(20), [15.0]), (None, [])], ids=["it began", "it never began"])
def test_outcomes_and_durations_are_counted(started, seconds):
    draft = followed(one(P.SUCCEEDED, Outcome.REMEDIATED, started_time=started, ended_time=ago(5)))
    labels = {"runbook": "roll-back", "outcome": "Remediated"}
    assert [(count.metric, dict(count.labels)) for count in draft.counts if count.value is None] == [("remediations_total", labels)]
    assert [count.value for count in draft.counts if count.metric == "remediation_duration_seconds"] == seconds
    assert draft.now == NOON


@pytest.mark.parametrize(("triggered", "told"), [(ago(300), ago(120)), (ago(50), None)], ids=["of this episode", "of the one before"])
def test_when_automation_began_is_told_of_the_episode_that_it_acted_in(triggered, told):
    world = ill(incident=incident(times=Times(triggered_time=triggered)), remediations=(attempt(ended=100),))
    draft = follow(world, draft_of(world))
    assert draft.status.times.automation_started_time == told
    assert (draft.status.remediation, draft.status.remediation_state) == (("Ineffective", RemediationState.FAILED) if told else (None, None))
    assert [one.name for one in draft.status.remediations] == ["checkout-7f3kq-1"], "it stays listed"


def test_what_was_suggested_in_an_earlier_episode_still_is():
    shown = attempt(ended=100, outcome=Outcome.SIMULATED, phase=P.SUCCEEDED, plan=PLAN).model_copy()
    shown = shown.model_copy(update={"status": shown.status.model_copy(update={"started_time": None})})
    world = ill(incident=incident(times=Times(triggered_time=ago(50))), remediations=(shown,))
    assert follow(world, draft_of(world)).status.remediation == f"Suggested: {PLAN}"
