"""Prepare: what is asked of the cluster before a decision. Evidence when an Incident opens; rights and the dry run during the dwell.

Nothing here changes anything: reads, access reviews and a request with dryRun=All.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from prunella.api.common import ObjectRef
from prunella.api.remediation import StepStatus
from prunella.api.runbook import Runbook, RunbookStep
from prunella.app.errors import PrunellaError
from prunella.app.ports import Clock, Executor, Live, Queries
from prunella.core.draft import AskBlockers, Prepare
from prunella.core.facts import UNKNOWN, AlertFacts, Pod, Revision, Seen, UnknownT, WorkloadFacts, subject_of
from prunella.core.healing.effects import unmark
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.effects.effect import DryRun, Evict, Json, Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import Account, Actor
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Ask, Listed, LiveFacts, Next, Queried, Right, Skip, Tell
from prunella.core.world import Answers, Capture, Preparation, World

from .capture import captured, of_no_pod

CAPTURE_SECONDS: Final = 1.0
TAIL_LINES: Final = 20
ROOM_AGAIN: Final = timedelta(seconds=10)
QUESTIONS: Final = 3
"""How often a step may ask for more before it plans."""

Poll = Callable[[], Awaitable[Mapping[str, AlertFacts] | UnknownT]]
"""Asks every Alertmanager now."""


class _Tried(NamedTuple):
    """What came of the dry run."""

    error: str = ""
    step_refuses: str = ""
    """The reason where it is the step that refuses."""
    diff: str = ""


class Preparer:
    """Answers the wishes of a decision."""

    def __init__(self, live: Live, executor: Executor, clock: Clock, queries: Queries, poll: Poll) -> None:
        self._live = live
        self._executor = executor
        self._clock = clock
        self._queries = queries
        self._poll = poll

    async def confirm(self, target: ObjectRef) -> WorkloadFacts | UnknownT | None:
        """The target as it is now."""
        return await self._live.workload(target)

    async def ask_blockers(self, wish: AskBlockers) -> Answers:
        """What Prometheus and every Alertmanager say now. What could not be asked is an error or UNKNOWN among the answers."""
        now = self._clock.now()
        asked = asyncio.gather(*(self._queries.value(query, now) for query in wish.queries))
        values, alerts = await asyncio.gather(asked, self._poll()) if wish.alerts else (await asked, None)
        return Answers(values=dict(zip(wish.queries, values, strict=True)), alerts=alerts, asked_time=now)

    async def capture(self, world: World, lines: int = TAIL_LINES) -> Capture:
        """Log tail of the failing container (previous, else current) and its Events, in at most a second."""
        now = self._clock.now()
        if world.thing is not None and world.known_finding is not None:
            return await captured(self._live, world.thing, world.known_finding, now, lines)
        finding, facts = world.known_finding, world.workload
        if facts is not None and finding is not None and not finding.failing_pods:
            return await of_no_pod(self._live, facts, now)
        pod = _failing(facts, finding.failing_pods) if facts is not None and finding is not None else None
        if pod is None or finding is None or facts is None:
            return Capture(missing="no failing pod is there to take logs from", captured_time=now)
        container = finding.failing_container or (pod.containers[0].name if pod.containers else "")
        uids = (pod.uid, facts.workload.uid)
        try:
            async with asyncio.timeout(CAPTURE_SECONDS):
                logs, events = await asyncio.gather(
                    self._logs(pod, container, lines),
                    self._live.events_of(pod.namespace, uids),
                )
        except TimeoutError:
            return Capture(missing="logs and Events could not be had within a second", captured_time=now)
        missing = [name for name, part in (("the log", logs), ("Events", events)) if part is UNKNOWN]
        text = (
            ""
            if events is UNKNOWN or isinstance(events, UnknownT)
            else "\n".join(f"{kind} {reason}: {message}" for _, kind, reason, message in events)
        )
        return Capture(
            logs=logs if isinstance(logs, str) else "",
            pod=pod.name,
            container=container,
            logs_truncated=isinstance(logs, str) and logs.count("\n") + 1 >= lines,
            events=text,
            missing=f"{' and '.join(missing)} of pod {pod.name} could not be had" if missing else "",
            captured_time=now,
        )

    async def _logs(self, pod: Pod, container: str, lines: int) -> str | UnknownT:
        status = next((one for one in pod.containers if one.name == container), None)
        ran = status is not None and (status.restarts > 0 or status.running_since or status.terminated or status.last_terminated)
        if status is None or not ran:
            return ""  # it never ran: there is no log to miss
        if status.restarts > 0 and status.terminated is None:
            previous = await self._live.log_tail(pod.namespace, pod.name, container, previous=True, lines=lines)
            if isinstance(previous, str) and previous:
                return previous
        return await self._live.log_tail(pod.namespace, pod.name, container, previous=False, lines=lines)

    async def prepare(self, world: World, wish: Prepare) -> Preparation:
        """Rights and the dry run of one plan."""
        now = self._clock.now()
        seen = world.seen
        if seen is None:
            return Preparation(plan_hash=wish.plan_hash, rights_known=False, prepared_time=now)
        acting = identity.of_runbook(wish.runbook, world.operator_namespace)
        missing, known = await self.rights(wish.runbook, subject_of(seen).ref, acting)
        tried = _Tried()
        if known and not missing and not isinstance(acting, Refusal):
            tried = await self._dry_run(wish, seen, acting)
        return Preparation(
            plan_hash=wish.plan_hash,
            to=wish.to,
            missing_rights=missing,
            rights_known=known,
            dry_run_error=tried.error,
            step_refuses=tried.step_refuses,
            diff=tried.diff,
            prepared_time=now,
        )

    async def rights(self, runbook: Runbook, target: ObjectRef, acting: Actor | Refusal) -> tuple[tuple[str, ...], bool]:
        """What the acting account may not do, in kubectl's words, and whether every answer could be had. Asked by the target's kind and namespace."""
        if isinstance(acting, Refusal):
            return (), False
        if isinstance(acting, Account):
            ask = (self._live.may(verb, "", "serviceaccounts", acting.namespace, acting.name) for verb in identity.VERBS)
            permitted = await asyncio.gather(*ask)
            if permitted != [True, True]:
                return tuple(right for right, answer in zip(acting.needed, permitted, strict=True) if answer is False), UNKNOWN not in permitted
        rights = tuple(registry.needs_of(runbook.spec.steps, target.kind))
        space = target.namespace or ""
        answers = await asyncio.gather(*(self._may(right, "" if right.clusterwide else space, acting) for right in rights))
        missing = [
            f"{right.verb} {right.on}{'' if right.clusterwide else f' in {space}'}"
            for right, answer in zip(rights, answers, strict=True)
            if answer is False
        ]
        return tuple(missing), UNKNOWN not in answers

    async def _may(self, right: Right, namespace: str, acting: Actor) -> bool | UnknownT:
        resource, _, subresource = right.resource.partition("/")
        return await self._live.may(right.verb, right.group, resource, namespace, subresource=subresource, acting=acting)

    async def _dry_run(self, wish: Prepare, seen: Seen, acting: Actor) -> _Tried:
        """Whether the first change would be taken, and what it would change; or what the run would ask somebody else to change before.

        People are not asked for what the change after that would be refused for.
        """
        now, told = self._clock.now(), ""
        for step in wish.runbook.spec.steps:
            if told and step.when is not None:
                continue  # it may never be done: that is known once the steps before it were
            live = await self.live_facts(seen, wish.accused_hash, wish.to, now=now, intent_time=now)
            if live is None:
                return _Tried(error="the target could not be read")
            following = await self.wants(step, live, ())
            if isinstance(following, Patch | Create):
                answer = await self._executor.dry_run(following, acting)
                if isinstance(answer, UnknownT):
                    return _Tried(error="the API server did not answer the dry run")
                return _Tried(error="" if answer.accepted else answer.message, diff=told or answer.diff)
            if isinstance(following, Refusal):
                return _Tried(error=following.message, step_refuses=following.reason)
            if isinstance(following, Tell):
                told = told or following.diff
        return _Tried(diff=told)

    async def change(self, effect: Patch | Create, acting: Actor) -> str | None:
        """What an effect would change, or why the API server would refuse it; None where it does not answer."""
        answer = await self._executor.dry_run(effect, acting)
        if isinstance(answer, UnknownT):
            return None
        return answer.diff if answer.accepted else f"the API server would refuse it: {answer.message}"

    async def live_facts(self, seen: Seen, accused_hash: str, to: Revision | None, *, now: datetime, intent_time: datetime) -> LiveFacts | None:
        """What a step reads: the object as JSON and the template to go back to. None where one of them could not be read."""
        subject = subject_of(seen)
        raw, template = await asyncio.gather(self._live.raw(subject.ref), self.template(subject.kind, to))
        if not isinstance(raw, dict) or isinstance(template, UnknownT):
            return None
        return LiveFacts(now=now, raw=raw, target=seen, accused_hash=accused_hash, to=to, to_template=template, intent_time=intent_time)

    async def wants(self, step: RunbookStep, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
        """What a step wants next; where it must know more, it is asked again with the answers. Raises PrunellaError where it asks without end."""
        for _ in range(QUESTIONS):
            following = registry.kind_of(step).plan(registry.params_of(step), live, done)
            if not isinstance(following, Ask):
                return following
            live = await self._answered(following.reads, live)
        raise PrunellaError(f"step {step.name} goes on asking")

    async def room(self, effect: Evict, now: datetime, acting: Actor) -> Evict | Refusal:
        """The eviction, where disruption budgets have room for it: asked before an intent is stored, so that waiting writes nothing."""
        answer = await self._executor.dry_run(effect, acting)
        if not isinstance(answer, DryRun) or not answer.waits:
            return effect
        why = f"a disruption budget has no room for the eviction of pod {effect.target.name}: {answer.message}"
        return Refusal(reason="PDBBlocked", message=why[:1024], look_again_time=now + ROOM_AGAIN)

    async def _answered(self, reads: tuple[Listed | Queried, ...], live: LiveFacts) -> LiveFacts:
        """With the answers to what the step asked."""
        lists = [one for one in reads if isinstance(one, Listed)]
        queries = [one for one in reads if isinstance(one, Queried)]
        found, said = await asyncio.gather(
            asyncio.gather(*(self._live.listed(one) for one in lists)),
            asyncio.gather(*(self._queries.value(one.query, live.now) for one in queries)),
        )
        answers = {**live.answers, **dict(zip(lists, found, strict=True))}
        return replace(live, answers=answers, values={**live.values, **dict(zip(queries, said, strict=True))})

    async def undo(self, step: RunbookStep, record: StepStatus) -> Next | None:
        """What takes an effect back, by the object that it changed; None where that can't be read now."""
        kind = registry.kind_of(step)
        if kind.undo is None or record.intent is None:
            return Skip(message=f"{kind.name} can't be taken back")
        raw = await self._live.raw(record.intent.target_ref)
        if isinstance(raw, UnknownT):
            return None
        if raw is None:
            return Skip(message=f"{record.intent.target_ref.name} is gone")
        following: Next = kind.undo(registry.params_of(step), raw, record)
        if isinstance(following, Ask) and kind.undo_knowing is not None:
            answers: dict[Listed, tuple[Json, ...]] = {}
            for one in (one for one in following.reads if isinstance(one, Listed)):
                found = await self._live.listed(one)
                if isinstance(found, UnknownT):
                    return None
                answers[one] = found
            following = kind.undo_knowing(registry.params_of(step), raw, record, answers)
        return unmark.unmarked(following, raw) if isinstance(following, Patch) else following

    async def template(self, kind: str, to: Revision | None) -> dict[str, Any] | UnknownT | None:
        """The pod template to go back to; None where there is none, or it is gone."""
        return await self._live.template(kind, to) if to is not None else None


def _failing(facts: WorkloadFacts, names: tuple[str, ...]) -> Pod | None:
    return next((pod for pod in facts.pods if pod.name in names), None)
