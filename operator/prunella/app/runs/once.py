"""The once-only protocol: intent before the effect, outcome after it, and an intent without an outcome is settled by looking at the target.

No engine gives exactly-once effects. Ours happen at most once, because each can be recognised afterwards, or carries preconditions that a second
try fails.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from prunella.api.names import PHASE_OF, ConditionStatus, OnFailure, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Intent, Remediation, RemediationStatus, StepOutcome, StepStatus
from prunella.api.runbook import Runbook, RunbookStep
from prunella.app.errors import Conflict, NotLeading, OutcomeUnknown, PrunellaError, Retryable
from prunella.app.ports import Clock, Executor, Live, Store, Telemetry, Tenure
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.creation import Unmake
from prunella.core.healing.effects.effect import Applied, DeletePod, Effect, Evict, NotApplied, Patch, Settled, part_of
from prunella.core.healing.guards import approval
from prunella.core.healing.runbooks import run, succession
from prunella.core.healing.runbooks.identity import Actor
from prunella.core.healing.runs import claims, overridden, retries
from prunella.core.healing.steps.step import Failed

from . import attempt
from .hand_back import HandBack
from .intent import intended
from .permit import Permitted
from .quarantine import Quarantine

log = logging.getLogger(__name__)
UNREADABLE: Final = timedelta(seconds=600)
"""How long a target may be unreadable before a person is told that an effect can't be known."""


class Recovery(Enum):
    """What was found of an intent without an outcome."""

    STORED = auto()
    """What became of it stands on the attempt now."""
    LOOK_AGAIN = auto()
    """The target could not be looked at, or it is too early for another try: look again."""
    NOT_APPLIED = auto()
    """Nothing was done so far, and its deadline holds: the same intent may run."""


class Once:
    """Stores intents and outcomes around the executor."""

    def __init__(
        self,
        store: Store,
        live: Live,
        executor: Executor,
        quarantine: Quarantine,
        clock: Clock,
        telemetry: Telemetry,
        tenure: Tenure,
        operator_namespace: str,
    ) -> None:
        self._store = store
        self._live = live
        self._executor = executor
        self._quarantine = quarantine
        self._clock = clock
        self._telemetry = telemetry
        self._tenure = tenure
        self.claims = HandBack(live, executor, operator_namespace)
        self._read: dict[str, RemediationStatus] = {}

    def know(self, remediation: Remediation) -> None:
        """A status as it was just read: what is decided from it replaces this one and no other."""
        self._read[remediation.metadata.uid] = remediation.status

    async def intend(self, remediation: Remediation, step: RunbookStep, effect: Effect, permitted: Permitted, *, name: str = "") -> Remediation:
        """Store the intent, as the step's next effect unless it has another name. Not stored means not executed: a Conflict ends this pass."""
        if remediation.status.epoch > self._tenure.epoch:
            raise Retryable("a later leader has this attempt: it is left to it", delay=5.0)
        name = name or run.next_name(step, remediation.status.steps)
        earlier = self._standing(remediation, name)
        now, epoch = self._clock.now(), self._tenure.epoch
        return await self._put(intended(remediation, step, effect, permitted, name=name, earlier=earlier, epoch=epoch, now=now))

    def _standing(self, remediation: Remediation, name: str) -> Intent | None:
        """The intent of that name that has no outcome yet, and that is stored anew: what is decided was decided without it."""
        read = self._read.get(remediation.metadata.uid)
        return next((one.intent for one in read.steps if one.name == name and one.state is StepState.INTENDED), None) if read is not None else None

    async def apply(self, remediation: Remediation, effect: Effect, runbook: Runbook, acting: Actor) -> None:
        """The effect, once, by whoever acts, and its outcome."""
        step = remediation.status.steps[-1]
        if step.intent is None:
            raise PrunellaError("an effect without an intent is never applied")
        try:
            answer = await self._executor.apply(effect, step.intent.id, acting)
        except OutcomeUnknown:
            log.warning("No answer to an effect: the target is looked at", extra={"remediation": remediation.metadata.name, "step": step.name})
            return
        except NotLeading:
            raise
        except Retryable as error:
            vain = retries.Vain(message=str(error), error=error.transient, delay=error.delay)
            if not await self._again(remediation, runbook, step, vain):
                await self.put(attempt.again(remediation, retries.by_itself(remediation, step, vain, self._clock.now())))
            return
        if isinstance(answer, NotApplied):
            if await self._arrived_late(step.intent):
                await self._applied(remediation, runbook, step, await self._left(remediation, step))
            elif not await self._again(remediation, runbook, step, retries.Vain(message=answer.message, error=answer.transient)):
                await self._not_applied(remediation, step, answer, runbook)
            return
        if remediation.spec.due_time is not None and not step.intent.approved_by:  # how long people took is no delay of ours
            delay = (self._clock.now() - remediation.spec.due_time).total_seconds()
            self._telemetry.observe("remediation_effect_delay_seconds", max(delay, 0.0), effect=step.intent.action)
        await self._applied(remediation, runbook, step, answer, last=isinstance(effect, DeletePod | Evict) and effect.last)

    async def _again(self, remediation: Remediation, runbook: Runbook, record: StepStatus, vain: retries.Vain) -> bool:
        """Whether the step's own `retries` hold for a try that surely did nothing: then it is tried again, or has failed."""
        step = retries.holding(runbook.spec.steps, remediation, record, vain.error)
        if step is None:
            return False
        following = retries.declared(step, remediation, record.name, vain, self._clock.now())
        if following is not None:
            await self.put(attempt.again(remediation, following))
        else:
            message = retries.told(remediation, record.name, vain.message)
            await self._not_applied(remediation, record, NotApplied(reason="", message=message), runbook)
        return True

    async def failed(self, remediation: Remediation, runbook: Runbook, step: RunbookStep, failure: Failed) -> None:
        """A step that could not do what it is for, before it changed anything: it is tried again, or fails."""
        name, now = run.next_name(step, remediation.status.steps), self._clock.now()
        following = retries.declared(step, remediation, name, retries.Vain(message=failure.message, error=failure.transient), now)
        if following is not None:
            await self.put(attempt.again(remediation, following))
            return
        message = retries.told(remediation, name, failure.message)
        await self.fail(attempt.marked(remediation, name, StepState.FAILED, message, now), runbook, message)

    async def _arrived_late(self, intent: Intent) -> bool:
        """Whether it was refused because an earlier try, given up for lost, arrived after all: it bears the same id."""
        if intent.action != Patch.action:
            return False
        return await self._executor.settle(intent.target_ref, intent.id, intent.before, intent.action) is Settled.APPLIED

    async def _left(self, remediation: Remediation, step: StepStatus) -> Applied:
        """An effect whose answer was lost, with what it left where the target still tells."""
        raw = await self._live.raw(step.intent.target_ref) if step.intent is not None and step.intent.action == Patch.action else None
        return Applied(after=overridden.left(remediation, step, raw) if isinstance(raw, dict) else {})

    async def _applied(
        self, remediation: Remediation, runbook: Runbook | None, step: StepStatus, answer: Applied, *, last: bool = False
    ) -> Remediation:
        now = self._clock.now()
        before, does = (step.intent.before, step.intent.does) if step.intent else ({}, "")
        after = {key: value for key, value in before.items() if key in {"toRevision", "toHash"}} | dict(answer.after)
        done = step.model_copy(
            update={"state": StepState.APPLIED, "message": does or step.message, "outcome": StepOutcome(observed_time=now, after=after)}
        )
        claim_time = now if claims.made(step) else remediation.status.claim_time
        status = attempt.replace_step(remediation.status, done).model_copy(update={"effect_time": now, "claim_time": claim_time})
        stored = remediation.model_copy(update={"status": status})
        if runbook is not None and attempt.is_all(runbook, stored, step, last=last):
            # Nothing else can follow: the outcome and the start of verification are one write.
            status = status.model_copy(update={"phase": RemediationPhase.VERIFYING, "verify_started_time": now})
            stored = stored.model_copy(update={"status": status})
        stored = await self.put(stored)
        await self._quarantine.add(stored)
        return stored

    async def put(self, remediation: Remediation) -> Remediation:
        """Store an outcome. A Conflict where the status is as it was read is a person's label or annotation, so write once more. Raises Conflict."""
        try:
            return await self._put(remediation)
        except Conflict:
            fresh = await self._store.remediation(remediation.metadata.namespace or "", remediation.metadata.name)
            if fresh is None or fresh.status != self._read.get(remediation.metadata.uid):
                raise  # another process drives it: what was concluded here may be wrong
            return await self._put(remediation.model_copy(update={"metadata": fresh.metadata}))

    async def _put(self, remediation: Remediation) -> Remediation:
        epoch = max(self._tenure.epoch, remediation.status.epoch)
        status = remediation.status.model_copy(update={"epoch": epoch})
        stored = await self._store.put_remediation_status(remediation.model_copy(update={"status": status}))
        if stored.status.phase is not None and stored.status.phase.final:
            self._read.pop(stored.metadata.uid, None)
            self.claims.forget(stored.metadata.uid)
        else:
            self.know(stored)
        return stored

    async def _not_applied(self, remediation: Remediation, step: StepStatus, answer: NotApplied, runbook: Runbook) -> None:
        changed = attempt.failed(remediation, step, answer.message, self._clock.now())
        outcome = attempt.LIVE_END.get(answer.reason) if run.step_name(step) else None
        if outcome is not None:
            await self._stop(changed, outcome, answer.message, reason=answer.reason)
            return
        await self.fail(changed, runbook, answer.message, reason=answer.reason)

    async def fail(self, changed: Remediation, runbook: Runbook, message: str, *, reason: str = "") -> None:
        """Store that the step failed whose record has just become so; the run goes on, takes back or ends with it, as the Runbook says."""
        record = next(one for one in reversed(changed.status.steps) if one.state is StepState.FAILED)
        goes_on = run.on_failure(runbook.spec.steps, record) in {OnFailure.CONTINUE, OnFailure.UNDO}
        if goes_on or not run.step_name(record):
            await self.put(changed)
            return
        await self._stop(attempt.spent(changed, self._clock.now()), Outcome.ABORTED, f"step {record.name} failed: {message}", reason=reason)

    async def recover(self, remediation: Remediation, runbook: Runbook | None, step: StepStatus) -> Recovery:
        """An intent without an outcome: what the target shows decides.

        Where nothing was done yet, the intent stays on record until another write takes its place: its request may still arrive, and is known by it.
        """
        intent = step.intent
        if intent is None:
            raise PrunellaError(f"step {step.name} is Intended without an intent")
        unsent = retries.unsent(remediation, step)  # there is nothing to look for, and what changed meanwhile is for the guards
        settled = Settled.NOT_APPLIED if unsent else await self._executor.settle(intent.target_ref, intent.id, intent.before, intent.action)
        now = self._clock.now()
        match settled:
            case Settled.APPLIED:
                await self._applied(remediation, runbook, step, await self._left(remediation, step))
            case Settled.GONE:
                failed = attempt.failed(remediation, step, "the target is gone")
                await self._stop(failed, remediation.status.ending or Outcome.STALE, "the target is gone or was made anew", reason="TargetChanged")
            case Settled.CHANGED:
                await self._unknown(
                    remediation, step, "the target carries neither our stamp nor its state from before: somebody changed it meanwhile"
                )
            case Settled.TRACELESS:
                await self._unknown(
                    remediation, step, f"{intent.does}: no answer came, and whether it was done leaves no trace that could be looked at"
                )
            case Settled.NOT_APPLIED if now < intent.deadline_time or _takes_back(step, intent):  # that has all the time that it needs
                return Recovery.NOT_APPLIED if unsent or now >= retries.calm_from(intent) else Recovery.LOOK_AGAIN
            case Settled.NOT_APPLIED:
                await self._overdue(remediation, runbook, step, unsent=unsent)
            case UnknownT() if now - intent.written_time < UNREADABLE:
                return Recovery.LOOK_AGAIN
            case UnknownT():
                seconds = int(UNREADABLE.total_seconds())
                await self._unknown(remediation, step, f"the target could not be read for {seconds} s: whether the effect happened can't be told")
        return Recovery.STORED

    async def _overdue(self, remediation: Remediation, runbook: Runbook | None, step: StepStatus, *, unsent: bool) -> None:
        """It was not done before its deadline: a failure like any other where that is sure, or where what the run did is taken back then."""
        goes_back = runbook is not None and run.on_failure(runbook.spec.steps, step) is OnFailure.UNDO
        if runbook is not None and (unsent or goes_back):
            answer = NotApplied(reason="", message=retries.overdue(remediation, step.name))
            await self._not_applied(remediation, step, answer, runbook)
            return
        failed = attempt.failed(remediation, step, retries.OVERDUE)
        await self._stop(failed, Outcome.ABORTED, f"step {step.name} was not done before its deadline")

    async def _unknown(self, remediation: Remediation, step: StepStatus, message: str) -> None:
        """What happened can't be known: stop, and page a person. The target stays held."""
        unknown = step.model_copy(update={"state": StepState.UNKNOWN, "message": message})
        now = self._clock.now()
        claim_time = now if claims.made(step) else remediation.status.claim_time
        changed = {"phase": RemediationPhase.UNKNOWN, "message": message, "claim_time": claim_time}
        status = attempt.replace_step(remediation.status, unknown).model_copy(update=changed)
        status = attempt.succeeded(status, ConditionStatus.UNKNOWN, "Unknown", message, now)
        await self.put(remediation.model_copy(update={"status": status}))

    async def end(self, remediation: Remediation, outcome: Outcome, message: str, *, reason: str = "") -> Remediation:
        """The terminal write: it frees the target."""
        now = self._clock.now()
        phase = PHASE_OF[outcome]
        ended = {"phase": phase, "outcome": outcome, "message": message[:1024], "ended_time": now, "asking": None, "retrying": None}
        status = remediation.status.model_copy(update=ended | {"claim_time": self.claims.left(remediation)})
        if reason:
            status = attempt.allowed(status, ConditionStatus.FALSE, reason, message, now)
        untried = reason == approval.EXPIRED and status.effect_time is None  # nobody answered: that is no ground to try something else
        if outcome in succession.HANDS_ON and status.started_time is not None and not untried:
            status = status.model_copy(update={"target_generation": await self._generation(remediation)})
        done = ConditionStatus.TRUE if phase is RemediationPhase.SUCCEEDED else ConditionStatus.FALSE
        status = attempt.succeeded(status, done, str(outcome), message, now)
        return await self.put(remediation.model_copy(update={"status": status}))

    async def _stop(self, remediation: Remediation, outcome: Outcome, message: str, *, reason: str = "") -> None:
        """The end of a run whose step was not done. Only then are claims handed back: what the API server said to the step is stored first."""
        ended = await self.end(remediation, outcome, message, reason=reason)
        if ended.status.claim_time is not None and await self.claims.tried(ended):
            await self._put(ended.model_copy(update={"status": ended.status.model_copy(update={"claim_time": None})}))

    async def _generation(self, remediation: Remediation) -> int | None:
        """The target's, as the run has left it: what somebody changed since is theirs. As it is now, where the run has not written to the target."""
        known = overridden.generation_left(remediation)
        raw = await self._live.raw(remediation.spec.target_ref) if known is None else None
        present = part_of(raw, "/metadata/generation") if isinstance(raw, dict) else None
        return present if isinstance(present, int) else known


def _takes_back(step: StepStatus, intent: Intent) -> bool:
    """Whether the effect takes back what the run did, in an undo or because its work is done."""
    return not run.step_name(step) or intent.action == Unmake.action
