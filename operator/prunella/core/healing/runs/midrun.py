"""Approval in the middle of a run: what people are asked at a step `approve`, whose word counts, and when it is too late.

The rule this module protects: an approval is of what remains of this very attempt as it stands now. It is bound to a hash of the attempt's uid, the
step, what was done so far and what would be done next, so what was said before the run, at another step, to another attempt, or before something
changed is no approval. It is taken while the ask stands on the Remediation, and looked at once more right before the first change that rests on it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from prunella.api.asking import Asking
from prunella.api.names import ApprovalVerdict, StepState
from prunella.api.remediation import Approval, Remediation, StepStatus
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core import commands
from prunella.core.healing.guards import approval, guards, rights, turns
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import run
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.approve import ACTION, APPROVED_BY
from prunella.core.healing.steps.step import People
from prunella.core.world import World

RUN: Final = timedelta(seconds=600)
"""For so long at most a run is at work."""
PLAN: Final = "planHash"
WAITED: Final = "waitedSeconds"
KEPT: Final = timedelta(seconds=600)
"""For so long at least a word is good: what reads and waits comes between it and the first change, too."""
MOST: Final = 3
"""So often people are asked anew by one step because what they had approved became something else."""


def remaining(attempt: Remediation, step: RunbookStep, ahead: str) -> str:
    """Hash of what people are asked at that step. `ahead` is what the next step would change; the instants of a dry run are those of the dry run.

    The plan's hash is of the Runbook, the target and what was chosen, so with it every step that remains is in it.
    """
    done = (f"{one.name}|{one.state}|{one.intent.patch_sha256 if one.intent is not None else ''}" for one in before(attempt, step))
    parts = (attempt.metadata.uid, attempt.spec.plan_hash, attempt.spec.runbook_ref.sha256, step.name, *done, _INSTANT.sub("", ahead))
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


def before(attempt: Remediation, step: RunbookStep) -> tuple[StepStatus, ...]:
    """What stands of the run from before that step."""
    records = attempt.status.steps
    own = next((index for index, one in enumerate(records) if run.step_name(one) == step.name), len(records))
    return records[:own]


def ask(attempt: Remediation, runbook: Runbook, step: RunbookStep, wants: People, ahead: str, now: datetime) -> Asking:
    """What people are asked now. The deadline counts from the first time that they were, and is never moved."""
    known = attempt.status.asking
    standing = known if known is not None and known.step == step.name else None
    plan_hash = remaining(attempt, step, ahead)
    since = standing.asked_time if standing is not None else now
    until = since + timedelta(seconds=wants.seconds)
    return Asking(
        step=step.name,
        plan_hash=plan_hash,
        approvers=wants.approvers,
        required=wants.required,
        times=1 if standing is None else standing.times + (standing.plan_hash != plan_hash and bool(_said(attempt, standing))),
        asked_time=since,
        deadline_time=min((until, *ends(attempt, runbook))),
        diff=ahead[:4096] if wants.shows_diff else "",
    )


def agreed(attempt: Remediation, asking: Asking) -> tuple[str, ...]:
    """Who approved exactly that and may: different people whose word is asked for, and not whoever asked for the run."""
    who, groups = set(asking.approvers.users), set(asking.approvers.groups)
    counted = (one.by for one in _said(attempt, asking) if not (who or groups) or one.by in who or groups & set(one.groups))
    return tuple(dict.fromkeys(counted))


def _said(attempt: Remediation, asking: Asking) -> list[Approval]:
    """Approvals of exactly that, by other people than the one who asked for the run."""
    words = (one for one in attempt.spec.approvals if one.plan_hash == asking.plan_hash and one.verdict is ApprovalVerdict.APPROVED)
    return [one for one in words if approval.is_another_person(one, attempt)]


def message(attempt: Remediation, runbook: Runbook, asking: Asking, summary: str) -> str:
    """What the Remediation, the Incident and those who are called say while people are asked."""
    step = next(one for one in runbook.spec.steps if one.name == asking.step)
    left = ", ".join(f"{one.name} ({one.action})" for one in runbook.spec.steps[runbook.spec.steps.index(step) + 1 :]) or "nothing but the proof"
    names = agreed(attempt, asking)
    so_far = f" ({approval.listed(names)} did)" if names else ""
    whose = ", ".join((*asking.approvers.users, *(f"group {one}" for one in asking.approvers.groups)))
    command = commands.approve(attempt.metadata.name, attempt.metadata.namespace)
    void = "" if asking.times == 1 else "what was said before is void, something else would be done now; "
    return (
        f"{told_as(asking)}{summary}: {void}{approval.people(asking.required)}{f' of {whose}' if whose else ''} must approve what remains,"
        f" {left},{so_far} until {approval.clock(asking.deadline_time)}; `{command}` shows it and asks you"
    )[:1024]


def told_as(asking: Asking) -> str:
    """How what is told of it begins: the same while what people said stands."""
    return f"step '{asking.step}' asks{' again' if asking.times > 1 else ''}: "


def expired(attempt: Remediation, runbook: Runbook, asking: Asking | None, now: datetime) -> approval.Ending | None:
    """How the run ends where it is too late; None where it is not, or no step asks."""
    if asking is None or now < asking.deadline_time:
        return None
    step = next(one for one in runbook.spec.steps if one.name == asking.step)
    names = agreed(attempt, asking)
    said = f"{len(names)} of {asking.required} approvals of what remains were there when step '{asking.step}' expired at"
    if len(names) >= asking.required:
        said = f"{approval.listed(names)} approved what remains, and something else stood in the way ({attempt.status.message}) until"
    measures = " with what the run changed for a while" if asking.deadline_time in ends(attempt, runbook) else ""
    return approval.expiry(
        f"{said} {approval.clock(asking.deadline_time)}{measures}: the rest was not done", pages=registry.params_of(step).on_expiry == "Escalate"
    )


def lapsed(attempt: Remediation, runbook: Runbook, now: datetime) -> approval.Ending | None:
    """How a run ends that something else kept from beginning after people had agreed: their word is of that time. One that has begun has its own."""
    record = unused(attempt) if attempt.status.started_time is None else None
    step = next((one for one in runbook.spec.steps if record is not None and one.name == run.step_name(record)), None)
    if record is None or record.outcome is None or step is None:
        return None
    params = registry.params_of(step)
    until = record.outcome.observed_time + max(timedelta(seconds=params.timeout_seconds), KEPT)
    if now < until:
        return None
    names = approval.listed(approvers(attempt))
    message = f"{names} approved what remains, and until {approval.clock(until)} something else stood in the way: {attempt.status.message}"
    return approval.expiry(message, pages=params.on_expiry == "Escalate")


def ends(attempt: Remediation, runbook: Runbook) -> tuple[datetime, ...]:
    """When what this run changed for a while is taken back by itself: what remains was planned on the ground that it stands."""
    lasts = {one.name: one.ttl_seconds for one in runbook.spec.steps if one.ttl_seconds is not None}
    done = ((one, lasts.get(run.step_name(one))) for one in attempt.status.steps if one.state is StepState.APPLIED)
    return tuple(one.intent.written_time + timedelta(seconds=seconds) for one, seconds in done if one.intent is not None and seconds is not None)


def again(world: World, plan: Plan) -> Refusal | None:
    """The guards that are not asked of a run that has begun, and that time may have turned: people took some. Meanwhile it held no place."""
    asked_again = (rights.refused,) if plan.tells_only else (guards.storm, guards.window, guards.owner, rights.refused, turns.concurrency)
    return next((refusal for guard in asked_again if (refusal := guard(world, plan)) is not None), None)


def recovered(attempt: Remediation, world: World, plan: Plan, *, agreed: bool) -> bool:
    """Whether what the run did was enough, so that nothing that remains is to be done: now, where people agreed; else once health has lasted.

    A run that a person asked for is for no fault.
    """
    if attempt.status.effect_time is None or attempt.is_request:
        return False
    refusal = guards.target(world, plan)
    if refusal is None or refusal.reason != "TargetHealthy":
        return False
    lasting = timedelta(seconds=plan.runbook.spec.verify.stabilize_seconds)
    return agreed or (world.healthy_since is not None and world.now - max(world.healthy_since, attempt.status.effect_time) >= lasting)


def agreement(asking: Asking, names: Sequence[str], now: datetime) -> dict[str, str]:
    """What the step's record keeps: to what people agreed, who, and how long the run waited for them."""
    return {PLAN: asking.plan_hash, APPROVED_BY: "\n".join(names)[:1024], WAITED: str(max(int((now - asking.asked_time).total_seconds()), 0))}


def unused(attempt: Remediation) -> StepStatus | None:
    """The newest agreement on which no change rests yet."""
    records = attempt.status.steps
    newest = next((index for index in reversed(range(len(records))) if _agreement(records[index])), None)
    return None if newest is None or any(one.intent is not None for one in records[newest:]) else records[newest]


def approvers(attempt: Remediation) -> tuple[str, ...]:
    """Who approved what is being done: at the newest step that asked, else before the run."""
    newest = agreements(attempt)[-1:]
    names = [one.outcome.after[APPROVED_BY] for one in newest if one.outcome is not None]
    return tuple(names[0].split("\n")) if names else approval.approvers(attempt)


def agreements(attempt: Remediation) -> tuple[StepStatus, ...]:
    """The records of steps that asked, and to which people agreed, oldest first."""
    return tuple(one for one in attempt.status.steps if _agreement(one))


def asks(attempt: Remediation, runbook: Runbook) -> RunbookStep | None:
    """The step that asks people now."""
    asking = attempt.status.asking
    return next((one for one in runbook.spec.steps if asking is not None and one.name == asking.step), None)


def asked(attempt: Remediation) -> bool:
    """Whether a step of the run asks, or has asked: then the condition Approved is about that."""
    return attempt.status.asking is not None or bool(agreements(attempt))


def worked(attempt: Remediation, now: datetime) -> timedelta:
    """For how long the run has been at work since its first intent: the time that people took is not the run's."""
    started = attempt.status.started_time
    if started is None:
        return timedelta(0)
    waits = [
        (one.outcome.observed_time - timedelta(seconds=int(one.outcome.after[WAITED])), one.outcome.observed_time)
        for one in agreements(attempt)
        if one.outcome is not None
    ]
    if attempt.status.asking is not None:
        waits.append((attempt.status.asking.asked_time, now))
    paused = sum((max(until - max(since, started), timedelta(0)) for since, until in waits), timedelta(0))
    return now - started - paused


def _agreement(one: StepStatus) -> bool:
    """Whether it is the record of a step that asked: what other steps leave as their outputs is none."""
    return one.action == ACTION and one.intent is None and one.outcome is not None and {PLAN, APPROVED_BY, WAITED} <= one.outcome.after.keys()
