"""What the attempts did becomes the Incident's story: summaries, timeline, the column. Each thing is told once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from prunella.api.common import Condition
from prunella.api.incident import RemediationSummary
from prunella.api.names import BREAKER_OUTCOMES, Mode, Outcome, RemediationPhase, RemediationState, StepState
from prunella.api.remediation import Remediation, StepStatus
from prunella.core.draft import Draft
from prunella.core.healing.guards import approval
from prunella.core.healing.runbooks import run, succession
from prunella.core.healing.steps import registry
from prunella.core.world import World

from . import midrun

FAILED: Final = frozenset({Outcome.INEFFECTIVE, Outcome.WORSENED, Outcome.REVERTED, Outcome.INCONCLUSIVE, Outcome.ABORTED})

HASHES: Final = re.compile(r" \([0-9a-z]+\)")
"""The hashes of revisions in a plan: the column is narrow, and its numbers are enough to know which."""


def follow(world: World, draft: Draft) -> Draft:
    """Compare each attempt with what the Incident says of it, and tell the difference."""
    attempts = tuple(one for one in world.remediations if _tellable(one))
    for one in attempts:
        before = next((summary for summary in draft.status.remediations if summary.name == one.metadata.name), None)
        draft = _tell(world, one, before, draft)
        if not _of_an_earlier_episode(one, draft):
            draft = _column(one, draft).time("automation_started_time", one.status.started_time)
    summaries = tuple(_summary(one) for one in attempts)
    return draft.with_status(remediations=summaries[-20:])


def _of_an_earlier_episode(one: Remediation, draft: Draft) -> bool:
    """Whether it began before the current one: what it did is that one's story. What was only shown to people still is."""
    started, began = one.status.started_time, draft.status.times.triggered_time
    return started is not None and began is not None and started < began


def _tellable(one: Remediation) -> bool:
    """An attempt between its intent and its effects is told once these are done, by one write. One that waits is told, and stays told."""
    if one.status.phase is RemediationPhase.PENDING:
        return refused(one) is not None
    return one.status.phase not in {None, RemediationPhase.DISPATCHED} or one.status.ending is not None or midrun.asked(one)


def refused(one: Remediation) -> Condition | None:
    """Why an attempt that has not acted waits."""
    return next((condition for condition in one.status.conditions if condition.type == "RemediationAllowed" and condition.status == "False"), None)


def _summary(one: Remediation) -> RemediationSummary:
    return RemediationSummary(
        name=one.metadata.name,
        runbook=one.spec.runbook_ref.name,
        attempt=one.spec.attempt,
        phase=one.status.phase or RemediationPhase.PENDING,
        outcome=one.status.outcome,
        message=one.status.message,
    )


def started(phase: RemediationPhase | None) -> bool:
    """Whether an intent was stored in that phase."""
    return phase not in {None, RemediationPhase.PENDING}


def _tell(world: World, one: Remediation, before: RemediationSummary | None, draft: Draft) -> Draft:
    status, spec = one.status, one.spec
    known = before.phase if before else None
    if status.started_time is not None and not started(known):
        if approval.said(one) == approval.APPROVED:
            draft = draft.note("Approved", f"{one.metadata.name}: {', '.join(midrun.approvers(one))} approved it", time=status.started_time)
        text = f"{spec.runbook_ref.name}, attempt {spec.attempt}: {status.plan}"
        draft = draft.note("RemediationStarted", text, time=status.started_time)
    if status.effect_time is not None and not started(known):
        draft = _effects(one, one.status.steps, draft)
    elif known is RemediationPhase.DISPATCHED and status.phase is not RemediationPhase.DISPATCHED:
        draft = _rest(one, draft)
    if status.outcome is None or (before is not None and before.outcome is status.outcome):
        return _unknown(one, known, draft)
    return _ended(world, one, draft)


def _rest(one: Remediation, draft: Draft) -> Draft:
    """What followed after it was told because a step of it asked people: who agreed, and what was done then."""
    agreements = midrun.agreements(one)
    for step in agreements:
        draft = draft.note("Approved", f"{one.metadata.name}: {step.message}", time=step.outcome.observed_time if step.outcome is not None else None)
    rest = one.status.steps[one.status.steps.index(agreements[0]) :] if agreements else ()
    return _effects(one, rest, draft) if any(step.intent is not None and run.step_name(step) for step in rest) else draft


def _effects(one: Remediation, steps: Sequence[StepStatus], draft: Draft) -> Draft:
    done = [step for step in steps if step.state is StepState.APPLIED and step.intent is not None and run.step_name(step)]
    message = "; ".join(step.message for step in done if step.message) or one.status.plan
    event = _event(done[0]) if done else ""
    return draft.note(event or "Changed", message, time=one.status.effect_time)


def _event(step: StepStatus) -> str:
    """What an effect is called. A record of an earlier version does not say what its step was: then it was one of two."""
    if not step.action:
        return "RolledBack" if step.intent is not None and "toRevision" in step.intent.before else "Restarted"
    kind = registry.KINDS.get(step.action)
    return kind.event if kind is not None else ""


def _unknown(one: Remediation, known: RemediationPhase | None, draft: Draft) -> Draft:
    if one.status.phase is not RemediationPhase.UNKNOWN or known is RemediationPhase.UNKNOWN:
        return draft
    return draft.note("RemediationUnknown", f"{one.metadata.name}: {one.status.message}").note(
        "BreakerOpened", "automation stays away until a person says retry"
    )


def _ended(world: World, one: Remediation, draft: Draft) -> Draft:
    outcome, message = one.status.outcome, one.status.message
    draft = draft.count("remediations_total", runbook=one.spec.runbook_ref.name, outcome=str(outcome))
    if one.status.started_time is not None and one.status.ended_time is not None:
        seconds = (one.status.ended_time - one.status.started_time).total_seconds()
        draft = draft.count("remediation_duration_seconds", seconds, runbook=one.spec.runbook_ref.name, outcome=str(outcome))
    if outcome is Outcome.REMEDIATED:
        return draft.note("Verified", message)
    if outcome is Outcome.SIMULATED:
        return draft.note("RemediationSuggested", f"{one.status.plan}; see the diff in Remediation {one.metadata.name}")
    if approval.said(one) == approval.EXPIRED:
        return draft.note(approval.EXPIRED, f"{one.metadata.name}: {message}")
    if outcome in FAILED:
        draft = draft.note("RemediationFailed", f"{outcome}: {message}")
        if outcome in BREAKER_OUTCOMES and not succession.followed(world, one, draft.status.cause):
            draft = draft.note("BreakerOpened", "automation stays away from this target until a person says retry")
        return draft
    return draft.note("RemediationCancelled", f"{outcome}: {message}")


def _column(one: Remediation, draft: Draft) -> Draft:
    """What the REMEDIATION column says of the newest attempt."""
    status = one.status
    if status.outcome is Outcome.REMEDIATED:
        return draft.with_status(remediation=_done(one), remediation_state=RemediationState.SUCCEEDED)
    if status.outcome is Outcome.SIMULATED:
        return draft.with_status(remediation=f"Suggested: {status.plan}"[:1024], remediation_state=RemediationState.NONE)
    if status.outcome is not None:
        state = RemediationState.FAILED if status.phase is RemediationPhase.FAILED else RemediationState.NONE
        return draft.with_status(remediation=str(status.outcome), remediation_state=state)
    if status.phase is RemediationPhase.UNKNOWN:
        return draft.with_status(remediation="Unknown: a person decides", remediation_state=RemediationState.FAILED)
    if one.spec.mode is Mode.AUTO or (one.spec.mode is Mode.APPROVE and status.started_time is not None):
        return draft.with_status(
            remediation=f"Running: {HASHES.sub('', status.plan) or one.spec.runbook_ref.name}"[:1024], remediation_state=RemediationState.RUNNING
        )
    return draft


def _done(one: Remediation) -> str:
    target = next((step.outcome.after.get("toRevision") for step in one.status.steps if step.outcome and step.outcome.after.get("toRevision")), None)
    if target:
        return f"RolledBack to revision {target}"
    done = [step for step in one.status.steps if step.state is StepState.APPLIED and step.intent is not None]
    return "Restarted" if any(step.action in {"restart", ""} for step in done) else "; ".join(step.message for step in done)[:1024]
