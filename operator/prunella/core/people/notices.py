"""Stage: notices, which page nobody. What automation did, and what it was kept from.

The rule this module protects: nothing is undone silently, and nothing is said twice.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal

from prunella.api.escalation_policy import EscalationPolicySpec
from prunella.api.names import ConditionStatus, MessageKind, RemediationPhase, StepState
from prunella.api.remediation import Remediation
from prunella.core.draft import Draft
from prunella.core.standing import phase_of
from prunella.core.world import World

from . import pages, responders

TOLD: Final = "told"
"""What a step that tells leaves in its outcome: the receiver, empty for the owner's."""
TOLD_ID: Final = "toldId"
"""Beside it: the message's identity."""
NOT_BLOCKED: Final = frozenset(
    {"Allowed", "DwellRunning", "ModeObserve", "ModeSuggest", "NoRunbookMatches", "TargetHealthy", "DuplicateInProgress", "AwaitingApproval"}
    | {"RolloutInProgress", "ConcurrencyReached"}
)
"""Reasons that keep nothing from happening that was wanted: it waits, it runs already, or nobody asked for more."""


def notify(world: World, draft: Draft) -> Draft:
    """Queue the notices of the policy for what is new."""
    if draft.status.times.cancelled_time is not None:
        return draft
    policy = _policy(world, draft)
    began = draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now
    draft = _told(world, draft, policy, began)
    if policy is None or not policy.notices:
        return draft
    for one in world.remediations:
        if acted(one) and (one.status.started_time or draft.now) >= began:
            text = f"{draft.status.target}: {_done(one)} ({one.spec.runbook_ref.name}, attempt {one.spec.attempt}). Why: {draft.status.summary}"
            draft = _queue(world, draft, policy, "AutomaticAction", one.metadata.name, text)
    blocked = next((one for one in draft.status.conditions if one.type == "RemediationAllowed" and one.status is ConditionStatus.FALSE), None)
    if blocked is None or blocked.reason in NOT_BLOCKED or draft.status.times.resolved_time is not None:
        return draft
    text = f"{draft.status.target}: automation does nothing ({blocked.reason}): {blocked.message or 'see the Incident'}"
    return _queue(world, draft, policy, "Blocked", blocked.reason, text)


def _told(world: World, draft: Draft, policy: EscalationPolicySpec | None, began: datetime) -> Draft:
    """What steps of a Runbook told. The key is the record's own, so a message is queued once whatever is decided again."""
    for step in (one for remediation in world.remediations for one in remediation.status.steps):
        if step.outcome is None or TOLD not in step.outcome.after or step.outcome.observed_time < began:
            continue
        named = step.outcome.after[TOLD]
        for receiver in (named,) if named else owners(world, policy):
            key = f"{draft.status.episode}/told/{step.outcome.after[TOLD_ID]}/{receiver}"
            draft = pages.add(draft, key=key, kind=MessageKind.NOTICE, receiver=receiver, text=step.message)
    return draft


def owners(world: World, policy: EscalationPolicySpec | None) -> tuple[str, ...]:
    """Whom the owner wants told: the receivers of notices; where there are none, those of the first step."""
    if policy is None:
        return ()
    notices = responders.reachable(world, (target for notice in policy.notices for target in notice.notify))
    return notices or responders.reachable(world, policy.steps[0].notify if policy.steps else ())


def acted(remediation: Remediation) -> bool:
    """Whether an effect of the attempt is stored as applied."""
    if phase_of(remediation) in {RemediationPhase.PENDING, RemediationPhase.DISPATCHED}:
        return False
    return any(step.state is StepState.APPLIED and step.intent is not None for step in remediation.status.steps)


def _done(remediation: Remediation) -> str:
    said = [step.message for step in remediation.status.steps if step.state is StepState.APPLIED and step.intent is not None and step.message]
    return "; ".join(said) or remediation.status.plan


def _queue(world: World, draft: Draft, policy: EscalationPolicySpec, event: Literal["AutomaticAction", "Blocked"], about: str, text: str) -> Draft:
    for notice in policy.notices:
        if event not in notice.on:
            continue
        for receiver in responders.reachable(world, notice.notify):
            key = f"{draft.status.episode}/notice/{about}/{receiver}"
            draft = pages.add(draft, key=key, kind=MessageKind.NOTICE, receiver=receiver, text=text)
    return draft


def _policy(world: World, draft: Draft) -> EscalationPolicySpec | None:
    frozen = draft.status.escalation.policy
    if frozen is not None:
        return frozen
    owner = draft.status.owner
    current = responders.find(world, owner.escalation_policy_ref if owner is not None else None)
    return current.spec if current is not None else None
