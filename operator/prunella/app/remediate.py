"""Act: drive one attempt, effect by effect, by the once-only protocol.

Read live, ask the guards, store the intent, apply the effect with its preconditions, store the outcome. Whatever dies in between, the next pass
looks at the target before it does anything: an effect happens at most once per intent, and one that can't be known is Unknown and pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import ConditionStatus, Mode, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Remediation, StepOutcome, StepStatus
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core.facts import UnknownT
from prunella.core.healing import history, match, run
from prunella.core.healing.effects import DeletePod, Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Done, Evidence, Failed, LiveFacts, Next, PageNow, Skip, Wait
from prunella.core.world import Unevaluable

from . import attempt
from .errors import PrunellaError
from .gather import Gatherer, Mailbox
from .once import Once, Recovery
from .permit import Permit, Permitted
from .ports import Clock, Store, View
from .prepare import Preparer
from .prove import Prover

RUN: Final = timedelta(seconds=600)
SETTLE_RETRY: Final = timedelta(seconds=2)
BLOCKED_RETRY: Final = timedelta(seconds=5)


class Runner:
    """Drives the attempts of one Incident. Called by the one worker that serves the Incident."""

    def __init__(
        self,
        *,
        view: View,
        store: Store,
        gatherer: Gatherer,
        preparer: Preparer,
        permit: Permit,
        once: Once,
        prover: Prover,
        clock: Clock,
    ) -> None:
        self._view = view
        self._store = store
        self._gatherer = gatherer
        self._preparer = preparer
        self._permit = permit
        self._once = once
        self._prover = prover
        self._clock = clock

    async def drive(
        self, incident: Incident, mail: Mailbox, made: Remediation | None = None, known: Sequence[Remediation] | None = None
    ) -> tuple[bool, datetime | None]:
        """Go on with the attempt that has not ended, or was just `made`. True where something was stored (decide again); else when to look again.

        `known` are the attempts that the decision rests on. This process writes none of them between the two, and if another one does, what is
        stored here loses its compare-and-swap, the intent first of all. None: they are read now.
        """
        if made is not None:
            known = (made,)
        elif known is None:
            known = await self._store.remediations_of(incident)
        for remediation in known:
            phase = remediation.status.phase
            if phase is not None and phase.final:
                continue
            self._once.know(remediation)
            if phase is RemediationPhase.UNKNOWN and _retried(incident, remediation):
                await self._once.end(remediation, Outcome.STOPPED, "a person looked at the target and asked for another try")
                return True, None
            if phase is RemediationPhase.UNKNOWN:
                continue
            return await self._drive(incident, remediation, mail)
        return False, None

    async def _drive(self, incident: Incident, remediation: Remediation, mail: Mailbox) -> tuple[bool, datetime | None]:
        runbook = attempt.runbook_of(remediation, self._view.runbooks())
        if runbook is None:
            return await self._without_runbook(remediation)
        phase = remediation.status.phase or RemediationPhase.PENDING
        if remediation.spec.mode is not Mode.AUTO:
            return await self._simulate(incident, remediation, runbook, mail)
        if phase is RemediationPhase.VERIFYING:
            return await self._prover.prove(incident, remediation, runbook, mail)
        return await self._act(incident, remediation, runbook, mail)

    async def _without_runbook(self, remediation: Remediation) -> tuple[bool, datetime | None]:
        """Its Runbook is gone or another one now. What was begun is settled, and nothing is begun."""
        settled = await self._settled(remediation, None)
        if settled is not None:
            return settled
        remediation = attempt.unbegun(remediation)
        if remediation.status.effect_time is not None:
            await self._prover.hand_back(remediation)
        text = f"Runbook {remediation.spec.runbook_ref.name} is gone or was changed during the run"
        await self._once.end(remediation, Outcome.ABORTED if remediation.status.started_time else Outcome.SUPERSEDED, text)
        return True, None

    async def _settled(self, stored: Remediation, runbook: Runbook | None) -> tuple[bool, datetime | None] | None:
        """What became of an intent without an outcome, by the target; None where there is none, or it may run."""
        open_step = attempt.open_step(stored)
        if open_step is None:
            return None
        match await self._once.recover(stored, runbook, open_step):
            case Recovery.STORED:
                return True, None
            case Recovery.UNREADABLE:
                return False, self._clock.now() + SETTLE_RETRY
            case Recovery.NOT_APPLIED:
                return None

    async def _simulate(self, incident: Incident, remediation: Remediation, runbook: Runbook, mail: Mailbox) -> tuple[bool, datetime | None]:
        """Suggest: the plan, the guards and the dry run's diff, and nothing else."""
        permitted = await self._permit.ask(incident, remediation, runbook, mail)
        if isinstance(permitted, Refusal):
            return await self._refused(remediation, permitted)
        status = remediation.status.model_copy(
            update={
                "plan": permitted.plan.summary,
                "plan_hash": permitted.plan.hash,
                "diff": permitted.preparation.diff if permitted.preparation else "",
                "guards": permitted.guards,
            }
        )
        simulated = attempt.allowed(
            status, ConditionStatus.FALSE, "ModeSuggest", "the effective mode is Suggest: a person has to do it", self._clock.now()
        )
        await self._once.end(remediation.model_copy(update={"status": simulated}), Outcome.SIMULATED, permitted.plan.summary)
        return True, None

    async def _act(self, incident: Incident, stored: Remediation, runbook: Runbook, mail: Mailbox) -> tuple[bool, datetime | None]:
        """The next effect. An intent that was not applied may run again, but not before its target was looked at once more.

        What the guards saw may be its own doing, by a request that came late.
        """
        settled = await self._settled(stored, runbook)
        if settled is not None:
            return settled
        remediation = attempt.unbegun(stored)
        if remediation.status.started_time is not None and self._clock.now() - remediation.status.started_time > RUN:
            await self._once.end(remediation, Outcome.ABORTED, f"the run took longer than {int(RUN.total_seconds())} s")
            return True, None
        permitted = await self._permit.ask(incident, remediation, runbook, mail)
        chosen = None if isinstance(permitted, Refusal) else await self._next(remediation, runbook, permitted)
        settled = await self._settled(stored, runbook)
        if settled is not None:
            return settled
        if isinstance(permitted, Refusal):
            return await self._refused(remediation, permitted)
        if chosen is None:
            await self._steps_done(remediation)
            return True, None
        step, following = chosen
        if not isinstance(following, Patch | DeletePod):
            return await self._other(incident, remediation, runbook, step, following, mail)
        taken = self._permit.places(remediation, permitted)
        if taken is not None:
            return await self._refused(remediation, taken)
        self._gatherer.attempts.reserve(remediation)
        remediation = await self._once.intend(remediation, step, following, permitted)
        await self._once.apply(remediation, following, runbook)
        return True, None

    async def _next(self, remediation: Remediation, runbook: Runbook, permitted: Permitted) -> tuple[RunbookStep, Next] | None:
        """The step that the run is at, and what it wants; None where every step is done.

        A step sees the target in the very state that the guards have judged, and its effect insists on that one: what came later makes it fail.
        """
        now, steps, records = self._clock.now(), runbook.spec.steps, remediation.status.steps
        step, live = run.current(steps, records), await self._live(remediation, permitted, now)
        while step is not None:
            done = run.records_of(step, records)
            verdict = True if done else self._wanted(step, records, permitted)
            if isinstance(verdict, Unevaluable):
                return step, Failed(message=f"its condition '{step.when}' could not be told: {verdict.why}")
            if not verdict:
                return step, Skip(message=f"its condition '{step.when}' is false")
            if live is None:
                return step, Wait(until_time=now + SETTLE_RETRY, message="the target could not be read")
            wants = registry.kind_of(step).plan(registry.params_of(step), live, done)
            if not isinstance(wants, Done):
                return step, wants
            step = run.following(steps, step)
        return None

    async def _live(self, remediation: Remediation, permitted: Permitted, now: datetime) -> LiveFacts | None:
        """What a step reads; None where a part of it could not be had."""
        raw, to = permitted.world.raw, permitted.plan.to
        template = permitted.template or await self._preparer.template(permitted.facts.workload.kind, to)
        if raw is None or isinstance(template, UnknownT):
            return None
        accused = remediation.spec.accused_revision or ""
        return LiveFacts(now=now, raw=raw, facts=permitted.facts, accused_hash=accused, to=to, to_template=template, intent_time=now)

    def _wanted(self, step: RunbookStep, records: tuple[StepStatus, ...], permitted: Permitted) -> bool | Unevaluable:
        world = permitted.world
        return run.wanted(step, match.variables(world, world.incident.status, permitted.plan.by_alert), records, world.evaluate)

    async def _refused(self, remediation: Remediation, refusal: Refusal) -> tuple[bool, datetime | None]:
        """A live refusal is no step failure: it ends the run where it can't change back, else the run waits."""
        now = self._clock.now()
        outcome = attempt.LIVE_END.get(refusal.reason)
        if outcome is not None:
            await self._once.end(remediation, outcome, refusal.message, reason=refusal.reason)
            return True, None
        if refusal.reason == "RolloutInProgress" and refusal.look_again_time is not None:
            return False, refusal.look_again_time  # it settles within moments: that is no news
        again = refusal.look_again_time or now + BLOCKED_RETRY
        before = next((one for one in remediation.status.conditions if one.type == "RemediationAllowed"), None)
        if before is not None and before.reason == refusal.reason and remediation.status.phase is not None:
            return False, again
        phase = remediation.status.phase or RemediationPhase.PENDING
        status = remediation.status.model_copy(update={"phase": phase, "message": refusal.message[:1024], "next_eligible_time": again})
        status = attempt.allowed(status, ConditionStatus.FALSE, refusal.reason, refusal.message, now)
        await self._once.put(remediation.model_copy(update={"status": status}))
        return True, again

    async def _other(
        self, incident: Incident, remediation: Remediation, runbook: Runbook, step: RunbookStep, following: Next, mail: Mailbox
    ) -> tuple[bool, datetime | None]:
        """What a step wants that is no effect: wait, evidence, a page, or a refusal of its own."""
        match following:
            case Wait() if remediation.status.started_time is None:
                # Nothing was done yet: it says why, and stands in nobody's way while it waits.
                return await self._refused(
                    remediation, Refusal(reason="RolloutInProgress", message=following.message, look_again_time=following.until_time)
                )
            case Wait():
                return False, following.until_time
            case Refusal():
                return await self._refused(remediation, following)
            case Evidence():
                mail.capture = await self._preparer.capture(await self._gatherer.world(incident, mail), following.tail_lines)
                await self._mark(remediation, step, "evidence was taken")
            case PageNow():
                await self._mark(remediation, step, following.message, {"page": "now"})
            case Skip():
                await self._mark(remediation, step, following.message, state=StepState.SKIPPED)
            case Failed():
                await self._once.fail(attempt.failed(remediation, step, following.message, self._clock.now()), runbook, following.message)
            case _:
                raise PrunellaError(f"step {step.name} wants nothing that is known here")
        return True, None

    async def _mark(
        self,
        remediation: Remediation,
        step: RunbookStep,
        message: str,
        after: Mapping[str, str] = MappingProxyType({}),
        state: StepState = StepState.APPLIED,
    ) -> None:
        now = self._clock.now()
        record = StepStatus(name=step.name, state=state, message=message[:1024], outcome=StepOutcome(observed_time=now, after=dict(after)))
        phase = remediation.status.phase or RemediationPhase.PENDING  # Dispatched means that an intent is stored: this is none
        status = remediation.status.model_copy(update={"phase": phase, "steps": (*remediation.status.steps, record)})
        await self._once.put(remediation.model_copy(update={"status": status}))

    async def _steps_done(self, remediation: Remediation) -> None:
        """Every step is done: verification begins, or ends at once where nothing was changed."""
        now = self._clock.now()
        if remediation.status.effect_time is None:
            await self._once.end(attempt.spent(remediation, now), Outcome.ABORTED, "the Runbook changed nothing: a person has to look")
            return
        status = remediation.status.model_copy(update={"phase": RemediationPhase.VERIFYING, "verify_started_time": now})
        await self._once.put(remediation.model_copy(update={"status": status}))


def _retried(incident: Incident, remediation: Remediation) -> bool:
    """Whether a person said retry after it was found that the attempt's effect can't be known."""
    retried, since = incident.status.last_handled_retry_time, history.unknown_since(remediation)
    return retried is not None and since is not None and retried > since
