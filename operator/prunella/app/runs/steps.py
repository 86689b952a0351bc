"""Which step of a run is next, and what it wants: by the records of the run, and by what the guards have just judged."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from prunella.api.marks import HOLD
from prunella.api.names import StepState
from prunella.api.remediation import Remediation, StepStatus
from prunella.api.runbook import Runbook, RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.app.ports import Clock
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.effects.effect import ClusterEffect, Evict, Patch
from prunella.core.healing.notation import parameters
from prunella.core.healing.owners import ownership
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import match, run
from prunella.core.healing.runbooks.identity import Actor
from prunella.core.healing.runs import measures, midrun
from prunella.core.healing.steps.step import SETTLE, Done, Evidence, Failed, LiveFacts, Next, PageNow, Skip, Tell, Wait
from prunella.core.world import Unevaluable

from .permit import Permitted


class Steps:
    """Asks the steps of a run."""

    def __init__(self, preparer: Preparer, clock: Clock) -> None:
        self._preparer = preparer
        self._clock = clock

    async def next(self, remediation: Remediation, runbook: Runbook, permitted: Permitted, acting: Actor) -> tuple[RunbookStep, Next] | None:
        """The step that the run is at, and what it wants; None where every step is done.

        A step sees the target in the very state that the guards have judged, and its effect insists on that one: what came later makes it fail. One
        that asks people is not left until they answered: were its condition judged anew meanwhile, the rest would be done without their word.
        """
        now, steps, records = self._clock.now(), runbook.spec.steps, remediation.status.steps
        asks = midrun.asks(remediation, runbook)
        step, live = asks or run.current(steps, records), await self._look(remediation, permitted, now)
        while step is not None:
            done = run.records_of(step, records)
            verdict = True if done or step is asks else self._wanted(step, remediation, permitted)
            if isinstance(verdict, Unevaluable):
                return step, Failed(message=f"its condition '{step.when}' could not be told: {verdict.why}")
            if not verdict:
                return step, Skip(message=f"its condition '{step.when}' is false")
            if live is None:
                return step, Wait(until_time=now + SETTLE, message="the target could not be read")
            wants = await self._preparer.wants(step, self._of_step(live, step, remediation, permitted), done)
            if isinstance(wants, ClusterEffect) and step.action != HOLD:
                free = await self._free(steps, step, live)
                if free is not None:
                    return step, free
            if isinstance(wants, Patch) and step.ttl_seconds is not None:
                until = now + timedelta(seconds=step.ttl_seconds)
                meta, account = remediation.metadata, remediation.spec.runbook_ref.service_account_name
                whose = f"{meta.namespace}/{meta.name}"
                return step, measures.temporary(wants, remediation=whose, uid=meta.uid or "", until=until, account=account)
            if isinstance(wants, Evict):
                return step, await self._preparer.room(wants, now, acting)
            if not isinstance(wants, Done):
                return step, wants
            step = run.following(steps, step)
        return None

    async def ahead(self, remediation: Remediation, runbook: Runbook, permitted: Permitted, acting: Actor, step: RunbookStep) -> str | None:
        """What the next step after one that asks people would change, by the dry run; None where it could not be told now.

        The same whenever it is asked: with the records from before that step, whatever was read or told after it. Steps that only tell are named, and
        the change behind them is told; where a step comes first that reads or waits, or the change is none that a dry run shows, that is named.
        """
        steps, now = runbook.spec.steps, self._clock.now()
        asks = StepStatus(name=step.name, action=step.action, state=StepState.APPLIED)
        status = remediation.status.model_copy(update={"steps": (*midrun.before(remediation, step), asks)})
        then, live = remediation.model_copy(update={"status": status}), await self._look(remediation, permitted, now)
        if live is None:
            return None
        first: list[str] = []
        for one in steps[steps.index(step) + 1 :]:
            verdict = self._wanted(one, then, permitted)
            if isinstance(verdict, Unevaluable):
                return "\n".join((*first, f"step '{one.name}': its condition '{one.when}' can't be told yet"))
            wants = await self._preparer.wants(one, self._of_step(live, one, then, permitted), ()) if verdict else Done(message="")
            if isinstance(wants, Patch | Create):
                change = await self._preparer.change(wants, acting)
                return None if change is None else "\n".join((*first, change))
            if not isinstance(wants, Done):
                first.append(f"step '{one.name}': {wants.reason if isinstance(wants, Refusal) else one.action}")
            if not isinstance(wants, Done | Tell | PageNow | Evidence):
                return "\n".join(first)
        return "\n".join(first) or "nothing"

    async def _free(self, steps: tuple[RunbookStep, ...], step: RunbookStep, live: LiveFacts) -> Refusal | None:
        """Why a target that Git manages must not be changed now: what manages it is not held, whatever the records say. None where it may be."""
        refusal = ownership.owned(live.subject)
        if refusal is None or refusal.reason != "OwnedByGitOps":
            return None
        hold = next((one for one in steps[: steps.index(step)] if one.action == HOLD), None)
        stands = await self._preparer.wants(hold, live, ()) if hold is not None else None
        return None if isinstance(stands, Done) else refusal

    async def _look(self, remediation: Remediation, permitted: Permitted, now: datetime) -> LiveFacts | None:
        """What a step reads; None where a part of it could not be had."""
        raw, to = permitted.world.raw, permitted.plan.to
        template = permitted.template or await self._preparer.template(permitted.plan.subject.kind, to)
        if raw is None or isinstance(template, UnknownT):
            return None
        accused = remediation.spec.accused_revision or ""
        return LiveFacts(
            now=now,
            raw=raw,
            target=permitted.target,
            accused_hash=accused,
            to=to,
            to_template=template,
            intent_time=now,
            run_uid=remediation.metadata.uid,
            incident=permitted.world.incident,
            cause=remediation.spec.cause,
            evaluate=permitted.world.evaluate,
        )

    def _of_step(self, live: LiveFacts, step: RunbookStep, remediation: Remediation, permitted: Permitted) -> LiveFacts:
        """With what depends on the step: what came before it, and the identity of its next effect."""
        records = remediation.status.steps
        variables = {**_variables(remediation, permitted), "steps": run.told(records)}
        return replace(live, variables=variables, intent_id=run.intent_id(remediation.metadata.uid, run.next_name(step, records)))

    def _wanted(self, step: RunbookStep, remediation: Remediation, permitted: Permitted) -> bool | Unevaluable:
        return run.wanted(step, _variables(remediation, permitted), remediation.status.steps, permitted.world.evaluate)


def _variables(remediation: Remediation, permitted: Permitted) -> dict[str, object]:
    """What a condition of a step may read, but for the steps before."""
    world, made = permitted.world, permitted.plan
    chosen = parameters.values(made.runbook.spec.parameters, remediation.spec.parameters)
    return {**match.variables(world, world.incident.status, made.by_alert), "parameters": chosen}
