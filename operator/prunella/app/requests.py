"""Requests: runs that people ask for. Each is looked at once, and taken on or refused; what was taken on is driven as every other attempt is.

The rule this module protects: a request that is refused has written nothing but its own refusal, and one that is taken on bears its plan before
anything else happens. There is no Incident for it: nobody is paged for what somebody wanted; while it waits for approval, those are told whom the
owner of its target names. Where it goes wrong, an Incident is reported.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Protocol

from prunella.api.incident import Incident
from prunella.api.names import ConditionStatus, Mode, Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.core.draft import Prepare
from prunella.core.healing.guards import blockers, guards, self_service
from prunella.core.healing.refusal import Asked, Refusal, first_refusal
from prunella.core.healing.runbooks import plan
from prunella.core.healing.runs import request as standing
from prunella.core.incident import correlate
from prunella.core.world import GONE, World

from .errors import AlreadyExists, Conflict, Retryable
from .gather import Gatherer
from .incidents.mailbox import Mailbox
from .incidents.prepare import Preparer
from .keys import RequestKey
from .outbox import Outbox
from .ports import Clock, Store, Telemetry, View
from .remediate import Runner
from .runs import attempt
from .runs.once import Once
from .runs.permit import verdicts
from .telling import Telling

log = logging.getLogger(__name__)
TRIES: Final = 20
UNSURE: Final = frozenset({"EvidenceMissing", "ControlPlaneUnhealthy", "RolloutInProgress", "ConcurrencyReached"})
"""Refusals that may be over in a moment: nothing is decided by them before PATIENCE is over."""
LOOK_AGAIN: Final = timedelta(seconds=2)
UNKNOWN_AGAIN: Final = timedelta(seconds=60)


class Waiting(Protocol):
    """The queue of what is to be served."""

    def add(self, key: RequestKey) -> None:
        """Serve it soon."""

    def add_at(self, key: RequestKey, at: datetime) -> None:
        """Serve it at that instant."""


class Requests:
    """Serves the Remediations that people make."""

    def __init__(
        self,
        *,
        view: View,
        store: Store,
        gatherer: Gatherer,
        preparer: Preparer,
        runner: Runner,
        once: Once,
        clock: Clock,
        telemetry: Telemetry,
        queue: Waiting,
        outbox: Outbox,
    ) -> None:
        self._view = view
        self._store = store
        self._gatherer = gatherer
        self._preparer = preparer
        self._runner = runner
        self._once = once
        self._clock = clock
        self._telemetry = telemetry
        self._queue = queue
        self._telling = Telling(view=view, gatherer=gatherer, once=once, outbox=outbox, clock=clock)
        self._mail: defaultdict[RequestKey, Mailbox] = defaultdict(Mailbox)
        self._taking_on = asyncio.Lock()
        self._passes = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._parking = False

    def wake(self) -> None:
        """Those that may still have to be served, by the cache, are served soon."""
        now = self._clock.now()
        for one in self._view.requests():
            if not standing.final(one) or standing.went_wrong(one, now):
                self._queue.add(_key(one))

    def changed(self, key: RequestKey) -> None:
        """An attempt changed: it is served, if somebody asked for it; and where it holds no place any more, so are those that wait for one."""
        now = self._clock.now()
        holds = any(_key(one) == key and not standing.final(one) for one in (*self._view.remediations(), *self._view.requests()))
        for one in self._view.requests():
            itself = _key(one) == key and (not standing.final(one) or standing.went_wrong(one, now))
            if itself or (not holds and not standing.final(one) and standing.waits_for_others(one)):
                self._queue.add(_key(one))

    async def park(self) -> None:
        """Begin nothing more; returns once every step under way has stored what became of it."""
        self._parking = True
        await self._idle.wait()
        await self._telling.close()

    async def serve(self, key: RequestKey) -> None:
        """Bring one request up to date. Raises Retryable once the process is ending."""
        self._passes += 1
        self._idle.clear()
        try:
            await self._settle(key)
        finally:
            self._passes -= 1
            if not self._passes:
                self._idle.set()

    async def _settle(self, key: RequestKey) -> None:
        driven = False
        for _ in range(TRIES):
            if self._parking:
                raise Retryable("this process is ending: whoever leads next goes on", delay=5.0)
            request = await self._store.remediation(*key)
            if request is None or not request.is_request or standing.final(request):
                self._mail.pop(key, None)
                if request is not None and request.is_request:
                    self._telling.forget(request.metadata.uid)
                    self._count(request, ended=driven)
                    await self._report(request)
                return
            try:
                moved, look = await self._step(key, request)
                moved = moved or await self._telling.tell(request, self._mail[key])
            except Conflict:
                continue
            driven = True
            if not moved:
                await self._report(request)
                if look is not None:
                    self._queue.add_at(key, look)
                return
        raise Retryable(f"Remediation {key.name} changed {TRIES} times meanwhile", delay=0.5)

    async def _step(self, key: RequestKey, request: Remediation) -> tuple[bool, datetime | None]:
        """Judge it, or drive it. True where something was stored; else when to look again."""
        self._once.know(request)
        known = self._view.incidents_of(request.spec.target_ref.kind, key.namespace, request.spec.target_ref.name)
        uid, now = request.spec.target_ref.uid, self._clock.now()
        same = [one for one in known if uid is None or one.spec.target_ref.uid in {None, uid}]
        incident = self_service.stand_in(request, [one for one in same if correlate.is_open(one, now)], same)
        if request.status.pinned is None:
            return await self._judge(key, request, incident)
        if request.status.phase is RemediationPhase.PENDING and standing.waited(request, now):
            allowed = next((one for one in request.status.conditions if one.type == "RemediationAllowed"), None)
            why = allowed.message if allowed is not None else "nothing was begun"
            await self._refuse(request, Refusal(reason=allowed.reason if allowed is not None else "EvidenceMissing", message=why))
            return True, None
        moved, look = await self._runner.drive(incident, self._mail[key], known=(request,))
        return moved, look or now + UNKNOWN_AGAIN

    async def _judge(self, key: RequestKey, request: Remediation, incident: Incident) -> tuple[bool, datetime | None]:
        runbook = self_service.chosen(request, self._view.runbooks(), self._gatherer.operator_namespace)
        if isinstance(runbook, Refusal):
            return await self._refuse(request, runbook)
        spent = self_service.quota(request, runbook, await self._others(key), self._clock.now())
        if spent is not None:
            return await self._refuse(request, spent)
        world = await self._gatherer.world(incident, self._mail[key], live=True, attempts=())
        made = _plan(world, request, runbook)
        if isinstance(made, Refusal):
            return await self._refuse_or_wait(request, made)
        if made.due_time is None or made.due_time > self._clock.now():
            wait = Refusal(reason="RolloutInProgress", message=f"{made.summary}: not before its ground is sure", look_again_time=made.due_time)
            return await self._refuse_or_wait(request, wait)
        world = await self._prepared(world, made)
        asked = guards.ask(world, made)
        gate = guards.gate(made, None) if made.mode is Mode.OBSERVE else None
        refusal = first_refusal(asked) or gate
        if refusal is not None:
            return await self._refuse_or_wait(request, refusal, asked)
        return await self._take_on(key, request, world, made, asked)

    async def _prepared(self, world: World, made: plan.Plan) -> World:
        """With the rights, the dry run and what the Runbook waits for, asked now."""
        wish = Prepare(plan_hash=made.hash, runbook=made.runbook, accused_hash=made.accused.hash if made.accused else "", to=made.to)
        outside = blockers.wish(world.incident, made.runbook)
        answers = await self._preparer.ask_blockers(outside) if outside is not None else None
        return replace(world, preparation=await self._preparer.prepare(world, wish), answers=answers)

    async def _take_on(
        self, key: RequestKey, request: Remediation, world: World, made: plan.Plan, asked: tuple[Asked, ...]
    ) -> tuple[bool, datetime | None]:
        """Pin the plan: the request is an attempt from now on. The last place of a quota goes to one of those that ask at the same moment."""
        async with self._taking_on:
            now = self._clock.now()
            spent = self_service.quota(request, made.runbook, await self._others(key), now)
            if spent is not None:
                return await self._refuse(request, spent)
            status = request.status.model_copy(
                update={
                    "phase": RemediationPhase.PENDING,
                    "pinned": self_service.pinned(made, world, now),
                    "plan": made.summary,
                    "plan_hash": made.hash,
                    "diff": world.preparation.diff if world.preparation is not None else "",
                    "guards": verdicts(asked),
                    "message": made.summary,
                    "next_eligible_time": None,
                }
            )
            status = attempt.allowed(status, ConditionStatus.TRUE, "Allowed", f"{made.summary}: all guards passed", now)
            self._mail[key].preparation = world.preparation
            await self._once.put(request.model_copy(update={"status": status}))
        return True, None

    async def _others(self, key: RequestKey) -> tuple[Remediation, ...]:
        return (await self._store.remediations_in(key.namespace)).attempts

    async def _refuse_or_wait(self, request: Remediation, refusal: Refusal, asked: tuple[Asked, ...] = ()) -> tuple[bool, datetime | None]:
        """What may be over in a moment is said, and looked at again for a while; any other refusal is the end."""
        now, made = self._clock.now(), request.metadata.creation_timestamp
        if refusal.reason not in UNSURE or made is None or now - made >= standing.PATIENCE:
            return await self._refuse(request, refusal, asked)
        if attempt.is_news(request, refusal, now):
            await self._once.put(attempt.waiting(request, refusal, now + LOOK_AGAIN, now))
        return False, now + LOOK_AGAIN

    async def _refuse(self, request: Remediation, refusal: Refusal, asked: tuple[Asked, ...] = ()) -> tuple[bool, datetime | None]:
        """It ends: a person who wants it all the same asks again."""
        refused = request.model_copy(update={"status": request.status.model_copy(update={"guards": verdicts(asked) or request.status.guards})})
        await self._once.end(refused, Outcome.REFUSED, refusal.message, reason=refusal.reason)
        return True, None

    def _count(self, request: Remediation, *, ended: bool) -> None:
        if ended and request.accepted and request.status.outcome is not None:  # what was never taken on names whatever somebody wrote
            self._telemetry.count("remediations_total", runbook=request.spec.runbook_ref.name, outcome=str(request.status.outcome))

    async def _report(self, request: Remediation) -> None:
        """A run that went wrong is a fault like any other from now on, and somebody is told."""
        if not standing.went_wrong(request, self._clock.now()):
            return
        wrong = self_service.gone_wrong(request)
        try:
            await self._store.create_incident(wrong)
        except AlreadyExists:
            return
        log.warning("A run that a person asked for went wrong: an Incident was reported", extra={"remediation": request.metadata.name})


def _plan(world: World, request: Remediation, runbook: Runbook) -> plan.Plan | Refusal:
    """The plan of the Runbook for this target, or why there is none."""
    ref = request.spec.target_ref
    if world.target is GONE:
        message = f"`spec.targetRef`: there is no {ref.kind} {ref.name} in {request.metadata.namespace}"
        return Refusal(reason="TargetChanged", message=message)
    fit = self_service.fit(request, runbook, world)
    return fit if isinstance(fit, Refusal) else plan.make(world, world.incident.status, fit)


def _key(request: Remediation) -> RequestKey:
    return RequestKey(request.metadata.namespace or "", request.metadata.name)
