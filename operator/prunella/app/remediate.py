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
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core.healing.effects.effect import Effect
from prunella.core.healing.guards import approval
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity, run
from prunella.core.healing.runbooks.identity import Actor
from prunella.core.healing.runs import midrun, retries
from prunella.core.healing.steps.step import Done, Evidence, Failed, Next, Note, PageNow, People, Skip, Tell, Wait
from prunella.core.people import automation, notices

from .errors import PrunellaError
from .gather import Gatherer
from .incidents.mailbox import Mailbox
from .incidents.prepare import Preparer
from .ports import Clock, Store, View
from .runs import attempt
from .runs.approvals import Approvals
from .runs.midway import Midway
from .runs.once import Once, Recovery
from .runs.permit import Permit, Permitted
from .runs.prove import Prover
from .runs.refused import Refused
from .runs.steps import Steps

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
SETTLE_RETRY: Final = timedelta(seconds=2)


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
        self._steps = Steps(preparer, clock)
        self._permit = permit
        self._once = once
        self._prover = prover
        self._approvals = Approvals(once, prover, clock)
        self._refused = Refused(self._approvals, once, prover, clock)
        self._midway = Midway(
            attempts=gatherer.attempts, once=once, refused=self._refused, preparer=preparer, prover=prover, steps=self._steps, clock=clock
        )
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
            if phase is RemediationPhase.UNKNOWN and attempt.retried(incident, remediation):
                await self._prover.hand_back(remediation)  # it may have been done, or another step before it
                await self._once.end(remediation, Outcome.STOPPED, "a person looked at the target and asked for another try")
                return True, None
            if phase is RemediationPhase.UNKNOWN:
                continue
            return await self._drive(incident, remediation, mail, known)
        return False, None

    async def _drive(self, incident: Incident, remediation: Remediation, mail: Mailbox, known: Sequence[Remediation]) -> tuple[bool, datetime | None]:
        runbook = attempt.runbook_of(remediation, self._view.runbooks())
        if runbook is None:
            return await self._without_runbook(remediation)
        phase = remediation.status.phase or RemediationPhase.PENDING
        if remediation.spec.mode.rank < Mode.APPROVE.rank:
            return await self._simulate(incident, remediation, runbook, mail)
        if phase is RemediationPhase.VERIFYING and remediation.status.ending is None:
            return await self._prover.prove(incident, remediation, runbook, mail, tuple(known))
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
        remediation = attempt.unasked(remediation, approval.PlanChanged(reason="HumanOverride", message=text), self._clock.now())
        outcome = remediation.status.ending or (Outcome.ABORTED if remediation.status.started_time else Outcome.SUPERSEDED)
        await self._once.end(remediation, outcome, text)
        return True, None

    async def _settled(self, stored: Remediation, runbook: Runbook | None) -> tuple[bool, datetime | None] | None:
        """What became of an intent without an outcome, by the target; None where there is none, or it may run."""
        open_step = attempt.open_step(stored)
        if open_step is None:
            return None
        match await self._once.recover(stored, runbook, open_step):
            case Recovery.STORED:
                return True, None
            case Recovery.LOOK_AGAIN:
                return False, self._clock.now() + SETTLE_RETRY
            case Recovery.NOT_APPLIED:
                return None

    async def _simulate(self, incident: Incident, remediation: Remediation, runbook: Runbook, mail: Mailbox) -> tuple[bool, datetime | None]:
        """Suggest: the plan, the guards and the dry run's diff, and nothing else."""
        permitted = await self._permit.ask(incident, remediation, runbook, mail)
        if isinstance(permitted, Refusal):
            return await self._refused.take(remediation, permitted)
        await self._shown(remediation, permitted, "the effective mode is Suggest: a person has to do it")
        return True, None

    async def _shown(self, remediation: Remediation, permitted: Permitted, why: str) -> None:
        """The end of an attempt that changes nothing: its plan stands there, and what it would change."""
        status = remediation.status.model_copy(
            update={
                "plan": permitted.plan.summary,
                "plan_hash": permitted.plan.hash,
                "diff": permitted.preparation.diff if permitted.preparation else "",
                "guards": permitted.guards,
            }
        )
        simulated = attempt.allowed(status, ConditionStatus.FALSE, "ModeSuggest", why, self._clock.now())
        await self._once.end(remediation.model_copy(update={"status": simulated}), Outcome.SIMULATED, permitted.plan.summary)

    async def _act(self, incident: Incident, stored: Remediation, runbook: Runbook, mail: Mailbox) -> tuple[bool, datetime | None]:
        """Settle what was begun; then go on, or take back what was done."""
        settled = await self._settled(stored, runbook)
        if settled is not None:
            return settled
        stored = self._approvals.noted(stored, runbook)
        remediation = attempt.unbegun(stored)
        if await self._approvals.ended(remediation, runbook):
            return True, None
        again = retries.waits_until(remediation, self._clock.now())
        if again is not None and incident.spec.hold is None:  # what a person stops ends now, and not with its next try
            return False, again
        ending = attempt.ending(remediation, runbook)
        if ending is not None:
            return await self._take_back(incident, remediation, runbook, ending, mail)
        if midrun.worked(remediation, self._clock.now()) > midrun.RUN:
            await self._prover.give_up(remediation, runbook, f"the run took longer than {int(midrun.RUN.total_seconds())} s")
            return True, None
        return await self._go_on(incident, stored, runbook, mail)

    async def _go_on(self, incident: Incident, stored: Remediation, runbook: Runbook, mail: Mailbox) -> tuple[bool, datetime | None]:
        """The next effect. An intent that was not applied may run again, but not before its target was looked at once more.

        What the guards saw may be its own doing, by a request that came late.
        """
        remediation = attempt.unbegun(stored)
        acting = identity.of_attempt(remediation.spec, self._gatherer.operator_namespace)
        if isinstance(acting, Refusal):
            return await self._refused.take(remediation, acting)
        permitted = await self._permit.ask(incident, remediation, runbook, mail)
        chosen = None if isinstance(permitted, Refusal) else await self._steps.next(remediation, runbook, permitted, acting)
        settled = await self._settled(stored, runbook)
        if settled is not None:
            return settled
        if isinstance(permitted, Refusal):
            return await self._refused.take(remediation, permitted)
        if chosen is None:
            if permitted.plan.tells_only and attempt.told(remediation):
                await self._shown(remediation, permitted, "what the Runbook tells was told: a person has to do the rest")
            else:
                await self._steps_done(remediation)
            return True, None
        step, following = chosen
        if isinstance(following, People):
            return await self._midway.ask(incident, remediation, runbook, permitted, step, following, acting)
        if not isinstance(following, Effect):
            return await self._other(incident, remediation, runbook, step, following, mail)
        return await self._do(remediation, runbook, step, following, permitted, acting)

    async def _do(
        self, remediation: Remediation, runbook: Runbook, step: RunbookStep, effect: Effect, permitted: Permitted, acting: Actor
    ) -> tuple[bool, datetime | None]:
        """One effect: its intent, then itself."""
        changed = await self._midway.changed(remediation, runbook, permitted, acting)
        if changed is not None:
            return changed
        taken = self._permit.places(remediation, permitted)
        if taken is not None:
            return await self._refused.take(remediation, taken)
        self._gatherer.attempts.reserve(remediation)
        remediation = await self._once.intend(remediation, step, effect, permitted)
        await self._once.apply(remediation, effect, runbook, acting)
        return True, None

    async def _take_back(
        self, incident: Incident, remediation: Remediation, runbook: Runbook, ending: tuple[Outcome, str], mail: Mailbox
    ) -> tuple[bool, datetime | None]:
        """Take back what the run did, the last effect first, and end it. What somebody else has changed since stays as it is."""
        remaining = run.to_take_back(remediation.status.steps)
        if not remaining:
            await self._prover.hand_back(remediation)
            message = f"{ending[1]}; {run.taken_back(remediation.status.steps)}"
            await self._once.end(attempt.spent(remediation, self._clock.now()), ending[0], message)
            return True, None
        acting = identity.of_attempt(remediation.spec, self._gatherer.operator_namespace)
        if isinstance(acting, Refusal):
            return await self._refused.take(remediation, acting, remaining)
        permitted = await self._permit.ask(incident, remediation, runbook, mail, undoing=True)
        if isinstance(permitted, Refusal):
            return await self._refused.take(remediation, permitted, remaining)
        record = remaining[0]
        step = next(one for one in runbook.spec.steps if one.name == run.step_name(record))
        wants = await self._preparer.undo(step, record)
        if wants is None:
            return False, self._clock.now() + SETTLE_RETRY
        if isinstance(wants, Effect):
            remediation = await self._once.intend(remediation, step, wants, permitted, name=f"{run.UNDO}{record.name}")
            await self._once.apply(remediation, wants, runbook, acting)
        else:
            message = wants.message if isinstance(wants, Skip | Done) else "it can't be taken back"
            await self._once.put(attempt.marked(remediation, f"{run.UNDO}{record.name}", StepState.SKIPPED, message, self._clock.now()))
        return True, None

    async def _other(
        self, incident: Incident, remediation: Remediation, runbook: Runbook, step: RunbookStep, following: Next, mail: Mailbox
    ) -> tuple[bool, datetime | None]:
        """What a step wants that is no effect: wait, evidence, a page, or a refusal of its own."""
        match following:
            case Wait() if remediation.status.started_time is None:
                # Nothing was done yet: it says why, and stands in nobody's way while it waits.
                return await self._refused.take(
                    remediation, Refusal(reason="RolloutInProgress", message=following.message, look_again_time=following.until_time)
                )
            case Wait():
                return False, following.until_time
            case Refusal():
                return await self._refused.take(remediation, following)
            case Evidence():
                mail.capture = await self._preparer.capture(await self._gatherer.world(incident, mail), following.tail_lines)
                await self._mark(remediation, step, "evidence was taken")
            case PageNow():
                await self._mark(remediation, step, following.message, after={automation.PAGE: "now"})
            case Tell():
                told = run.intent_id(remediation.metadata.uid, run.next_name(step, remediation.status.steps))
                after = {notices.TOLD: following.receiver, notices.TOLD_ID: told}
                await self._mark(remediation, step, following.message, after=after)
            case Note():
                await self._mark(remediation, step, following.message, after=following.outputs)
            case Skip():
                await self._mark(remediation, step, following.message, state=StepState.SKIPPED)
            case Failed():
                await self._once.failed(remediation, runbook, step, following)
            case _:
                raise PrunellaError(f"step {step.name} wants nothing that is known here")
        return True, None

    async def _mark(
        self, remediation: Remediation, step: RunbookStep, message: str, *, state: StepState = StepState.APPLIED, after: Mapping[str, str] = NOTHING
    ) -> None:
        await self._once.put(self._marked(remediation, step, message, state, after))

    def _marked(self, remediation: Remediation, step: RunbookStep, message: str, state: StepState, after: Mapping[str, str]) -> Remediation:
        return attempt.marked(remediation, run.next_name(step, remediation.status.steps), state, message, self._clock.now(), after)

    async def _steps_done(self, remediation: Remediation) -> None:
        """Every step is done: verification begins, or ends at once where nothing was changed."""
        now = self._clock.now()
        if remediation.status.effect_time is not None:
            await self._once.put(attempt.verifying(remediation, now))
        else:
            await self._once.end(attempt.spent(remediation, now), Outcome.ABORTED, "the Runbook changed nothing: a person has to look")
