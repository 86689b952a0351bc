"""Guard 14, approval: who has to agree to a plan, who did, and when it is too late.

The rule this module protects: an approval is of one plan, by a person who did not ask for it, for a while. What is said to another plan, by the
requester, twice or by a program counts for nothing, whatever admission let through; a no is always believed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import ApprovalVerdict, ConditionStatus, Mode, Outcome, RemediationState
from prunella.api.remediation import Approval, Remediation
from prunella.core import commands
from prunella.core.draft import Draft
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.healing.steps.approve import ACTION
from prunella.core.world import World

from . import history

AWAITS: Final = "AwaitingApproval"
EXPIRED: Final = "ApprovalExpired"
DENIED: Final = "Denied"
CHANGED: Final = "PlanChanged"
MOST_VOIDED: Final = 3
"""So often one plan is shown anew because the target changed under it."""
APPROVED: Final = "Approved"
"""The condition, and its reason once enough people agreed."""
LOOK_AGAIN: Final = timedelta(seconds=30)
"""How often a plan that waits is compared with the target, where nothing wakes it before."""
_PROGRAM: Final = "system:serviceaccount:"
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class PlanChanged(Refusal):
    """The plan would be another one now: what was said to it is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """Why an attempt that asked for approval ends without having acted further."""

    outcome: Outcome
    said: str
    """Reason of the condition Approved."""
    refuses: str
    """Reason of the condition RemediationAllowed."""
    message: str


def approvers(attempt: Remediation) -> tuple[str, ...]:
    """Who approved the attempt's very plan and may: different people, and not whoever asked for it."""
    agreed = (
        one.by
        for one in attempt.spec.approvals
        if one.verdict is ApprovalVerdict.APPROVED and one.plan_hash == attempt.spec.plan_hash and is_another_person(one, attempt)
    )
    return tuple(dict.fromkeys(agreed))


def denial(attempt: Remediation) -> Approval | None:
    """The first no. It needs no other conditions: not to act is always safe."""
    return next((one for one in attempt.spec.approvals if one.verdict is ApprovalVerdict.DENIED), None)


def over(attempt: Remediation, required: int, now: datetime) -> Ending | None:
    """Whether what people said, or did not say in time, ends the attempt. One that has begun has used its approval."""
    no = denial(attempt)
    if no is not None:
        why = f": {no.comment}" if no.comment else ""
        return Ending(outcome=Outcome.STOPPED, said=DENIED, refuses="HumanOverride", message=f"{no.by} denied the plan{why}"[:1024])
    deadline = attempt.status.approval_deadline_time
    if attempt.status.started_time is not None or used(attempt) or deadline is None or now < deadline:
        return None
    agreed = approvers(attempt)
    if len(agreed) >= required:
        message = f"{listed(agreed)} approved it, and until {clock(deadline)} something else stood in the way: {attempt.status.message}"
    else:
        message = f"{len(agreed)} of {required} approvals were there when it expired at {clock(deadline)}: nothing was done, a person has to look"
    return expiry(message)


def used(attempt: Remediation) -> bool:
    """Whether a step of the run asks, or has asked: the approval of the plan has done its work then, and people are asked by the step's terms.

    Of a run that began in Auto nobody has approved the plan: where the mode was lowered since, that is still asked for.
    """
    status = attempt.status
    if attempt.spec.mode is not Mode.APPROVE:
        return False
    return status.asking is not None or any(one.action == ACTION and one.intent is None and one.outcome is not None for one in status.steps)


def expiry(message: str, *, pages: bool = True) -> Ending:
    """It was too late. What ends as Aborted pages at once."""
    outcome = Outcome.ABORTED if pages else Outcome.STOPPED
    return Ending(outcome=outcome, said=EXPIRED, refuses=EXPIRED, message=message[:1024])


def refused(world: World, plan: Plan) -> Refusal | None:
    """The guard. Without an attempt of its own the question is whether one may ask; with one, whether enough people agreed to it."""
    own = next((one for one in world.remediations if one.metadata.uid == world.own_remediation_uid), None)
    if not _needed(own, plan):
        return None
    required = plan.runbook.spec.approval.required
    if own is None:
        demoted = f" ({plan.demoted.message})" if plan.demoted is not None else ""
        return Refusal(reason=AWAITS, message=f"{plan.summary}: {people(required)} must approve it first{demoted}"[:1024])
    ending = over(own, required, world.now)
    if ending is not None:
        return Refusal(reason=ending.refuses, message=ending.message)
    if used(own):
        return None
    agreed = approvers(own)
    deadline = own.status.approval_deadline_time
    if deadline is not None and len(agreed) >= required:
        return None
    return Refusal(reason=AWAITS, message=_asks(own, plan, agreed, deadline_of(own, plan, world.now)), look_again_time=world.now + LOOK_AGAIN)


def deadline_of(attempt: Remediation, plan: Plan, now: datetime) -> datetime:
    """Until when it must be approved and begun: counted from the first time that people were asked, and never moved."""
    return attempt.status.approval_deadline_time or now + timedelta(seconds=plan.runbook.spec.approval.expires_seconds)


def denied_before(world: World, plan: Plan) -> Refusal | None:
    """A person said no to this very plan in this episode, nobody answered, or people keep changing the target under it; and nobody said retry since.

    In every mode: a step may have asked.
    """
    lapsed = _lapsed(world, plan)
    if lapsed is not None:
        return lapsed
    for one in _ended_so(world, plan, DENIED):
        return Refusal(reason="HumanOverride", message=f"{one.metadata.name}: {one.status.message}; {_RETRY}"[:1024])
    voided = len(_ended_so(world, plan, CHANGED))
    if voided < MOST_VOIDED:
        return None
    message = f"{plan.subject.short} was changed {voided} times while people were asked about this plan: whoever changes it has it; {_RETRY}"
    return Refusal(reason="HumanOverride", message=message)


def swapped(attempt: Remediation, diff: str) -> Refusal | None:
    """Whether the dry run would change something else now than people were shown. Instants in it are those of the dry run."""
    shown = attempt.status
    if shown.approval_deadline_time is None or shown.started_time is not None or _INSTANT.sub("", shown.diff) == _INSTANT.sub("", diff):
        return None
    message = "the dry run would change something else now than what was shown: somebody changed the target, and what was said is void"
    return PlanChanged(reason="HumanOverride", message=message)


def asked(attempt: Remediation, message: str, draft: Draft) -> Draft:
    """The Incident says that people are asked: its condition, its column, and its Event, once for each attempt and for each step that asks."""
    name = attempt.metadata.name
    begins = f"{name}: {message.partition(': ')[0]}: " if attempt.status.asking is not None else f"{name}: "
    draft = draft.condition("RemediationAllowed", ConditionStatus.FALSE, AWAITS, f"{name}: {message}")
    draft = draft.with_status(remediation=f"{AWAITS}: {attempt.status.plan}"[:1024], remediation_state=RemediationState.AWAITING_APPROVAL)
    told = any(one.what == AWAITS and one.message.startswith(begins) for one in draft.status.timeline)
    return draft if told else draft.note(AWAITS, f"{name}: {message}")


def said(attempt: Remediation) -> str:
    """Reason of the condition Approved; empty where nobody was asked."""
    return next((one.reason for one in attempt.status.conditions if one.type == APPROVED), "")


def _needed(own: Remediation | None, plan: Plan) -> bool:
    """In Approve; and where the attempt was made in Approve and the mode was raised since. What only shows a plan asks nobody."""
    if own is None:
        return plan.mode is Mode.APPROVE
    if own.spec.mode.rank < Mode.APPROVE.rank:
        return False
    return plan.mode is Mode.APPROVE or (own.spec.mode is Mode.APPROVE and plan.mode is Mode.AUTO)


_RETRY: Final = "annotate the Incident prunella.dev/retry=<token> to be asked again"


def _lapsed(world: World, plan: Plan) -> Refusal | None:
    for one in _ended_so(world, plan, EXPIRED):
        return Refusal(reason=EXPIRED, message=f"{one.metadata.name}: {one.status.message}; {_RETRY}"[:1024])
    return None


def _ended_so(world: World, plan: Plan, reason: str) -> tuple[Remediation, ...]:
    """Attempts with this very plan whose asking ended so, since the episode began and since a person's last retry."""
    since = max((one for one in (history.retried_since(world), world.incident.status.times.last_reopened_time) if one is not None), default=None)
    return tuple(
        one
        for one in world.remediations
        if one.spec.plan_hash == plan.hash
        and said(one) == reason
        and one.status.ended_time is not None
        and (since is None or one.status.ended_time > since)
    )


def is_another_person(one: Approval, attempt: Remediation) -> bool:
    """Whether a person speaks who did not ask for the run."""
    return one.by != attempt.spec.requested_by and not one.by.startswith(_PROGRAM)


def _asks(attempt: Remediation, plan: Plan, agreed: tuple[str, ...], deadline: datetime) -> str:
    required = plan.runbook.spec.approval.required
    so_far = f" ({listed(agreed)} did)" if agreed else ""
    demoted = f"; {plan.demoted.message}" if plan.demoted is not None else ""
    command = commands.approve(attempt.metadata.name, attempt.metadata.namespace)
    return f"{plan.summary}: {people(required)} must approve it{so_far} until {clock(deadline)}; `{command}` shows the diff and asks you{demoted}"


def people(required: int) -> str:
    """How many, in words."""
    return "a person" if required == 1 else f"{required} people"


def listed(names: tuple[str, ...]) -> str:
    """Names in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def clock(instant: datetime) -> str:
    """An instant in a sentence."""
    return f"{instant:%H:%M:%S} UTC"
