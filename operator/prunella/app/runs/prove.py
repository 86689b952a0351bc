"""Prove: verification of one attempt, the quarantine, and the hand-back of field ownership.

A look is asked of live data; the pure part (`core/healing/runs/verify.py`) counts and judges. Counts live in memory: a restart looks from the
beginning, under the same deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import CheckResult, Outcome, SourceKind, StepState
from prunella.api.remediation import Measurement, Remediation, StepStatus
from prunella.api.runbook import Check, Runbook
from prunella.app.gather import Gatherer
from prunella.app.incidents.mailbox import Mailbox
from prunella.app.ports import Clock, Live, Queries
from prunella.core import rollout
from prunella.core.facts import UNKNOWN, UnknownT, WorkloadFacts
from prunella.core.healing.effects import effect as effects
from prunella.core.healing.effects.outside import Silence
from prunella.core.healing.notation import queries
from prunella.core.healing.runbooks import run
from prunella.core.healing.runs import overridden, verify
from prunella.core.standing import froze
from prunella.core.things.detect import is_thing
from prunella.core.world import GONE, World

from . import attempt
from .once import Once
from .quarantine import Quarantine

TAKES_BACK: Final = frozenset({Outcome.INEFFECTIVE, Outcome.WORSENED, Outcome.INCONCLUSIVE})
"""Verdicts after which what was done is taken back, where the Runbook says so."""
KEPT_PER_CHECK: Final = 10


@dataclass
class Course:
    """Where the verification of one attempt stands."""

    tally: verify.Tally
    next_look: datetime
    measurements: list[Measurement]


class Prover:
    """Verifies attempts."""

    def __init__(self, *, gatherer: Gatherer, live: Live, queries: Queries, once: Once, quarantine: Quarantine, clock: Clock) -> None:
        self._gatherer = gatherer
        self._live = live
        self._queries = queries
        self._once = once
        self._quarantine = quarantine
        self._clock = clock
        self._courses: dict[str, Course] = {}

    async def prove(
        self, incident: Incident, remediation: Remediation, runbook: Runbook, mail: Mailbox, known: tuple[Remediation, ...]
    ) -> tuple[bool, datetime | None]:
        """One look, if it is time for one. True where the attempt ended. `known` are the Incident's attempts, as they were just read.

        All that a verdict rests on is read live: the target, with its revisions and pods. No guard is asked any more, and nothing is read for one.
        """
        now = self._clock.now()
        effect_time = remediation.status.effect_time or now
        course = self._courses.setdefault(
            remediation.metadata.uid,
            Course(tally=verify.Tally(), next_look=max(effect_time + timedelta(seconds=runbook.spec.verify.stabilize_seconds), now), measurements=[]),
        )
        world = await self._gatherer.world(incident, mail, proof=True, own_remediation_uid=remediation.metadata.uid, attempts=known)
        override = await self._overridden(world, remediation)
        if override is not None:
            outcome, reason, message = override
            await self.hand_back(remediation)
            await self._once.end(_measured(remediation, course), outcome, message, reason=reason)
            self._courses.pop(remediation.metadata.uid, None)
            return True, None
        if now < course.next_look:
            return False, course.next_look
        await self._quarantine.add(remediation)  # again, in case the process died between the effect and this
        looks = tuple([await self._look(check, world, remediation, runbook, course) for check in runbook.spec.verify.checks])
        course.tally = verify.tally(course.tally, looks, runbook.spec.verify)
        ended = await self._judge(world, remediation, runbook, course)
        if ended:
            return True, None
        course.next_look = self._clock.now() + timedelta(seconds=runbook.spec.verify.interval_seconds)
        return False, course.next_look

    async def _judge(self, world: World, remediation: Remediation, runbook: Runbook, course: Course) -> bool:
        facts = world.workload
        verdict = verify.verdict(
            course.tally,
            runbook.spec.verify,
            remediation.status.verify_started_time or remediation.status.effect_time or world.now,
            self._clock.now(),
            ready_before=_ready_before(remediation),
            ready_now=facts.workload.ready if facts else 0,
        )
        if verdict is None:
            return False
        measured = _measured(remediation, course)
        if verdict.outcome in TAKES_BACK and run.undoes(runbook) and run.undoable(remediation.status.steps):
            await self._once.put(attempt.taking_back(measured, verdict.outcome, verdict.message))
            self._courses.pop(remediation.metadata.uid, None)
            return True
        await self.hand_back(remediation)
        if verdict.outcome is Outcome.REMEDIATED:
            since = max(world.healthy_since or world.now, remediation.status.effect_time or world.now)
            measured = measured.model_copy(update={"status": measured.status.model_copy(update={"healthy_since_time": since})})
        await self._once.end(measured, verdict.outcome, verdict.message)
        self._courses.pop(remediation.metadata.uid, None)
        return True

    async def _look(self, check: Check, world: World, remediation: Remediation, runbook: Runbook, course: Course) -> verify.Look:
        started = self._clock.now()
        if check.promql is not None:
            look = await self._ask(check, world)
        elif check.alert_cleared is not None:
            look = await self._cleared(check, world, remediation)
        else:
            look = _healthy(world, remediation, runbook, check.name)
        course.measurements.append(
            Measurement(check=check.name, started_time=started, finished_time=self._clock.now(), value=look.value[:1024], result=look.result)
        )
        return look

    async def _ask(self, check: Check, world: World) -> verify.Look:
        if check.promql is None:
            return verify.Look(check=check.name, result=CheckResult.ERROR)
        filled = queries.about(world.incident, check.promql.query)
        if not isinstance(filled, str):
            return verify.Look(check=check.name, result=CheckResult.ERROR, value=filled.why)
        return verify.promql(check, await self._queries.value(filled, world.now), world)

    async def _cleared(self, check: Check, world: World, remediation: Remediation) -> verify.Look:
        active = await self._gatherer.poll()
        if isinstance(active, UnknownT):
            return verify.Look(check=check.name, result=CheckResult.INCONCLUSIVE, value="no Alertmanager could be asked")
        keys = {one.key.removeprefix("alert/") for one in world.incident.status.signals if one.source is SourceKind.ALERTMANAGER}
        firing = sorted(keys & {key for key, alert in active.items() if alert.state == "firing"})
        if firing:
            return verify.Look(check=check.name, result=CheckResult.FAILURE, value=f"{len(firing)} alerts still fire")
        if _silenced(remediation) and keys & active.keys():
            return verify.Look(check=check.name, result=CheckResult.INCONCLUSIVE, value="the run silenced alerts itself: they are no proof")
        return verify.Look(check=check.name, result=CheckResult.SUCCESS, value="no alert fires")

    async def _overridden(self, world: World, remediation: Remediation) -> tuple[Outcome, str, str] | None:
        """Whether somebody took the target away or changed what we wrote. Unreadable means: look again."""
        ref = remediation.spec.target_ref
        if world.target is GONE or (world.subject is not None and world.subject.uid != ref.uid):
            return Outcome.STALE, "TargetChanged", f"{ref.kind} {ref.name} is gone or was made anew"
        rewritten = await self._rewritten(world, remediation)
        if rewritten is not None:
            return rewritten
        theirs = overridden.by_others(remediation, world.raw)  # whatever was written: health under another template is no work of ours
        return (theirs.outcome, theirs.reason, _during(remediation, world.raw)) if theirs is not None else None

    async def _rewritten(self, world: World, remediation: Remediation) -> tuple[Outcome, str, str] | None:
        """Whether the part that the newest patch wrote is another one now."""
        wrote = next(
            (one for one in reversed(remediation.status.steps) if _stays(one)),
            None,
        )
        if wrote is None or wrote.intent is None or wrote.outcome is None:
            return None
        own = world.raw is not None and wrote.intent.target_ref.uid == remediation.spec.target_ref.uid
        raw = world.raw if own else await self._live.raw(wrote.intent.target_ref)
        if not isinstance(raw, dict):
            return None
        path = wrote.intent.before.get(effects.PATH_KEY, effects.TEMPLATE)
        present = effects.guarded_sha256(effects.part_of(raw, path))
        ours = wrote.outcome.after.get("guardedSha256")
        if present == ours or (ours is None and not _foreign(world, wrote.outcome.after)):
            return None
        if present == wrote.intent.before.get("guardedSha256"):
            return Outcome.REVERTED, "HumanOverride", "exactly the replaced template came back: somebody or something reverts what we do"
        return Outcome.SUPERSEDED, "HumanOverride", _during(remediation, raw if own else None, path)

    async def give_up(self, remediation: Remediation, runbook: Runbook, why: str) -> None:
        """Its time is over: what was done is taken back where it would have been after a failure, else the run ends."""
        if run.undoable(remediation.status.steps) and run.undoes_failure(runbook):
            await self._once.put(attempt.taking_back(remediation, Outcome.ABORTED, why))
            return
        await self.hand_back(remediation)
        await self._once.end(remediation, Outcome.ABORTED, why)

    async def hand_back(self, remediation: Remediation) -> None:
        """Take our claims off all that was patched. Idempotent. Raises Retryable where the API server does not take it now."""
        await self._once.claims.of(remediation)


def _stays(record: StepStatus) -> bool:
    """Whether what it wrote is there to stay: a status is written by whoever it tells of."""
    intent = record.intent
    patched = record.state is StepState.APPLIED and intent is not None and intent.action == "Patch"
    return patched and intent is not None and not intent.before.get(effects.PATH_KEY, "").startswith("/status/")


def _during(remediation: Remediation, raw: Mapping[str, object] | None, path: str = effects.TEMPLATE) -> str:
    """The sentence about a change while it is proved; of the target's pod template with whoever made it."""
    what = f"{'the pod template' if path == effects.TEMPLATE else path} during verification: theirs stands"
    templated = raw is not None and path.startswith(effects.TEMPLATE)
    return overridden.theirs(remediation, raw, what) if raw is not None and templated else f"somebody changed {what}"


def _healthy(world: World, remediation: Remediation, runbook: Runbook, check: str) -> verify.Look:
    """Whether the target is well, by what its kind calls so."""
    if is_thing(remediation.spec.target_ref):
        cause = remediation.spec.cause or world.incident.status.cause
        return verify.thing_healthy(world.thing, world.finding, check, cause, world.now, ran_again=world.ran_again)
    facts: WorkloadFacts | UnknownT | None = world.workload if world.workload is not None else UNKNOWN
    since = remediation.status.effect_time or world.now
    if froze(remediation):
        return verify.kept_serving(facts, remediation.spec.accused_revision or "", since, check)
    settling = verify.settling(remediation, runbook.spec.verify, since, world.now)
    return verify.workload_healthy(facts, world.finding, since, check, settling)


def _foreign(world: World, after: Mapping[str, str]) -> bool:
    """Whether another revision is the newest than the one that was put back. Asked where the API server's answer to the effect was lost."""
    newest = rollout.newest(world.workload) if world.workload is not None else None
    return newest is not None and "toHash" in after and newest.hash != after["toHash"]


def _silenced(remediation: Remediation) -> bool:
    """Whether the run has silenced alerts: that they are quiet proves nothing then."""
    done = (one.intent for one in remediation.status.steps if one.state is StepState.APPLIED and one.intent is not None)
    return any(one.action == Silence.action for one in done)


def _ready_before(remediation: Remediation) -> int:
    for step in remediation.status.steps:
        if step.intent is not None and step.intent.before.get("ready", "").isdigit():
            return int(step.intent.before["ready"])
    return 0


def _measured(remediation: Remediation, course: Course) -> Remediation:
    """With the last ten measurements of each check."""
    kept: list[Measurement] = []
    for name in dict.fromkeys(one.check for one in course.measurements):
        kept.extend([one for one in course.measurements if one.check == name][-KEPT_PER_CHECK:])
    return remediation.model_copy(update={"status": remediation.status.model_copy(update={"measurements": tuple(kept[-60:])})})
