"""Midway: a run that has come to a step `approve`. It asks, waits, and goes on once enough people agreed to what remains.

The rule this module protects: everything stands on the Remediation, so that a restart asks nobody twice and forgets no word. What people agreed to is
made anew from live facts at every look, and once more right before the first change that rests on it; where it would be another one, nothing is done.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from prunella.api.asking import Asking
from prunella.api.incident import Incident
from prunella.api.names import ConditionStatus, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook, RunbookStep
from prunella.app.around.attempts import Attempts
from prunella.app.incidents.prepare import Preparer
from prunella.app.ports import Clock
from prunella.core.healing.guards import approval, blockers
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import run
from prunella.core.healing.runbooks.identity import Actor
from prunella.core.healing.runs import midrun
from prunella.core.healing.steps.step import SETTLE, People
from prunella.core.world import Preparation

from . import attempt
from .approvals import Approvals
from .once import Once
from .permit import Permitted
from .prove import Prover
from .refused import Refused
from .steps import Steps

UNTOLD = Refusal(reason="EvidenceMissing", message="what the next step would change could not be told: the API server did not answer its dry run")


class Midway:
    """Asks people for what remains of a run."""

    def __init__(self, *, attempts: Attempts, once: Once, refused: Refused, preparer: Preparer, prover: Prover, steps: Steps, clock: Clock) -> None:
        self._attempts = attempts
        self._once = once
        self._approvals = Approvals(once, prover, clock)
        self._refused = refused
        self._preparer = preparer
        self._prover = prover
        self._steps = steps
        self._clock = clock

    async def ask(
        self, incident: Incident, remediation: Remediation, runbook: Runbook, permitted: Permitted, step: RunbookStep, wants: People, acting: Actor
    ) -> tuple[bool, datetime | None]:
        """True where something new was stored: the ask, the agreement, or the end; else when to look again."""
        now = self._clock.now()
        ahead = await self._steps.ahead(remediation, runbook, permitted, acting, step)
        if ahead is None:
            return False, now + SETTLE
        asking = midrun.ask(remediation, runbook, step, wants, ahead, now)
        late = midrun.expired(remediation, runbook, asking, now)
        if late is not None:
            await self._approvals.close(remediation, runbook, late)
            return True, None
        if asking.times > midrun.MOST:
            why = f"what people approved at step '{step.name}' became something else {midrun.MOST} times"
            return await self._changed(attempt.spent(remediation, now), why)  # people said yes again and again: an attempt, though it changed nothing
        names = midrun.agreed(remediation, asking)
        if midrun.recovered(remediation, permitted.world, permitted.plan, agreed=len(names) >= asking.required):
            await self._recovered(remediation, step)
            return True, None
        if remediation.status.asking != asking or len(names) < asking.required:
            return await self._wait(remediation, runbook, permitted, asking)
        refusal = await self._again(incident, remediation, runbook, permitted, acting)
        if refusal is not None:
            return await self._refused.take(remediation, refusal)
        if remediation.status.effect_time is not None:
            self._attempts.reserve(remediation)  # nothing came between the guards and this: of several that go on at once, each saw those before it
        await self._agreed(remediation, step, asking, names)
        return True, None

    async def changed(self, remediation: Remediation, runbook: Runbook, permitted: Permitted, acting: Actor) -> tuple[bool, datetime | None] | None:
        """Before a change: None where it is what people agreed to, or none of it was asked for; else what became of the run."""
        record = midrun.unused(remediation)
        step = next((one for one in runbook.spec.steps if record is not None and one.name == run.step_name(record)), None)
        if record is None or record.outcome is None or step is None:
            return None
        if any(self._clock.now() >= one for one in midrun.ends(remediation, runbook)):
            message = f"what the run changed for a while, and on which the approval at step '{step.name}' rests, is over: the rest was not done"
            await self._approvals.close(remediation, runbook, approval.expiry(message))
            return True, None
        ahead = await self._steps.ahead(remediation, runbook, permitted, acting, step)
        if ahead is None:
            return await self._refused.take(remediation, replace(UNTOLD, look_again_time=self._clock.now() + SETTLE))
        if midrun.remaining(remediation, step, ahead) == record.outcome.after[midrun.PLAN]:
            return None
        return await self._changed(remediation, f"what remains after step '{step.name}' would change something else now than what people approved")

    async def _changed(self, remediation: Remediation, why: str) -> tuple[bool, datetime | None]:
        message, now = f"{why}: whoever changed the target has it, and what was said is void", self._clock.now()
        told = attempt.approved(remediation, ConditionStatus.FALSE, approval.CHANGED, message, now)
        if remediation.status.effect_time is not None:
            await self._prover.hand_back(remediation)
        await self._once.end(told, Outcome.SUPERSEDED, message, reason="HumanOverride")
        return True, None

    async def _wait(self, remediation: Remediation, runbook: Runbook, permitted: Permitted, asking: Asking) -> tuple[bool, datetime | None]:
        """Show what remains, and ask."""
        now = self._clock.now()
        message = midrun.message(remediation, runbook, asking, permitted.plan.summary)
        shown = remediation.status.model_copy(
            update={
                "phase": remediation.status.phase or RemediationPhase.PENDING,
                "message": message,
                "plan": permitted.plan.summary,
                "asking": asking,
                "next_eligible_time": asking.deadline_time,
            }
        )
        shown = attempt.allowed(shown, ConditionStatus.FALSE, approval.AWAITS, message, now)
        waits = attempt.approved(remediation.model_copy(update={"status": shown}), ConditionStatus.FALSE, approval.AWAITS, message, now)
        again = min(now + approval.LOOK_AGAIN, asking.deadline_time)
        if waits.status == remediation.status:
            return False, again
        await self._once.put(waits)
        return True, again

    async def _again(self, incident: Incident, remediation: Remediation, runbook: Runbook, permitted: Permitted, acting: Actor) -> Refusal | None:
        """The guards, asked once more of a run that has begun. Before its first effect all of them were, a moment ago."""
        if remediation.status.effect_time is None:
            return None
        wish = blockers.wish(incident, runbook)
        answers = await self._preparer.ask_blockers(wish) if wish is not None else None
        missing, known = await self._preparer.rights(runbook, remediation.spec.target_ref, acting)
        reviewed = Preparation(plan_hash=permitted.plan.hash, missing_rights=missing, rights_known=known, prepared_time=permitted.world.now)
        others = self._attempts.all()
        return midrun.again(replace(permitted.world, answers=answers, preparation=reviewed, all_remediations=others), permitted.plan)

    async def _recovered(self, remediation: Remediation, step: RunbookStep) -> None:
        """What was done was enough: it is proved, and the rest is not done."""
        now = self._clock.now()
        message = f"step '{step.name}' asks nobody any more: the target shows no fault, and the rest is not done"
        status = attempt.allowed(remediation.status.model_copy(update={"asking": None}), ConditionStatus.TRUE, "Allowed", message, now)
        told = attempt.approved(remediation.model_copy(update={"status": status}), ConditionStatus.FALSE, approval.AWAITS, message, now)
        await self._once.put(attempt.verifying(told, now))

    async def _agreed(self, remediation: Remediation, step: RunbookStep, asking: Asking, names: tuple[str, ...]) -> None:
        """The step's record: the run goes on. A no that comes at this moment is read before anything is done."""
        now = self._clock.now()
        told = f"approved by {approval.listed(names)}"
        after = midrun.agreement(asking, names, now)
        done = attempt.marked(remediation, run.next_name(step, remediation.status.steps), StepState.APPLIED, f"{told}: what remains", now, after)
        *others, record = done.status.steps
        steps = (*others, record.model_copy(update={"action": step.action}))
        status = done.status.model_copy(update={"steps": steps, "asking": None, "next_eligible_time": None})
        status = attempt.allowed(status, ConditionStatus.TRUE, "Allowed", f"step '{step.name}': {told}", now)
        await self._once.put(attempt.approved(done.model_copy(update={"status": status}), ConditionStatus.TRUE, approval.APPROVED, told, now))
