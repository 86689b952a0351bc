"""Ends temporary measures: by the marks on the changed objects, so that neither a restart nor a record that is gone makes one stay for ever.

The rule this module protects: it ends only what no attempt is at work on any more, asks the kill switch live, and changes nothing but what the mark
names, where that still is what was written.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicy
from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.app.errors import OutcomeUnknown, PrunellaError
from prunella.app.ports import Clock, Executor, Live, Store, View
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Applied
from prunella.core.healing.guards import guards
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runs import measures, request
from prunella.core.healing.runs.measures import Measure

from .unwatched import Unwatched

log = logging.getLogger(__name__)
PAUSE: Final = timedelta(seconds=60)
LATEST: Final = timedelta(seconds=600)
"""So long after its time a measure ends whatever its attempt is at: no run is longer."""
"""How long one that could not be ended is left alone."""


class Measures:
    """Looks for measures that are due."""

    def __init__(self, view: View, store: Store, live: Live, executor: Executor, clock: Clock, operator_namespace: str) -> None:
        self._view = view
        self._store = store
        self._live = live
        self._executor = executor
        self._clock = clock
        self._operator_namespace = operator_namespace
        self._unwatched = Unwatched(view, live, clock)
        self._unreadable: set[str | None] = set()
        self._again: dict[str, datetime] = {}
        """By uid: when what could not be ended is tried again."""

    async def look(self) -> None:
        """End those that are due."""
        now = self._clock.now()
        for ref, mark in [*self._view.marked(), *await self._unwatched.marked()]:
            measure = measures.read(mark)
            if measure is None or not measures.concerns(measure, ref):
                self._odd(ref)
            elif measure.undo_after_time <= now and self._pause_over(ref, now) and not self._at_work(measure, now):
                try:
                    await self._end(ref, mark, measure, now)
                except PrunellaError as error:  # one that can't be ended now holds up none of the others
                    self._failed(ref, str(error), now)

    async def _end(self, ref: ObjectRef, known: str, measure: Measure, now: datetime) -> None:
        policy = await self._store.healing_policy()
        paused = guards.paused(policy if isinstance(policy, HealingPolicy) else None, ref.namespace or self._operator_namespace)
        acting = identity.of_mark(measure.account, ref.namespace)
        if isinstance(acting, Refusal):
            self._failed(ref, acting.message, now)
        if paused is not None or isinstance(acting, Refusal):
            return
        raw = await self._live.raw(ref)
        if isinstance(raw, UnknownT) or raw is None:
            return
        mark = (raw["metadata"].get("annotations") or {}).get(TEMPORARY_ANNOTATION, "")
        if mark != known:
            return  # the cache is behind: it was ended, or is another one now
        patch = measures.undo(measure, ref, raw, mark)
        try:
            answer = await self._executor.apply(patch, "", acting)
        except OutcomeUnknown:
            return  # its mark says whether it was done: it is looked at again
        if not isinstance(answer, Applied):
            self._failed(ref, answer.message, now)
            return
        self._unwatched.forget()
        log.info("A temporary measure has ended", extra={"object": f"{ref.kind} {ref.name}", "said": patch.does})
        name = f"{ref.name}.measure.{int(measure.undo_after_time.timestamp())}"
        await self._store.emit_event(regarding=ref, name=name, reason="MeasureUndone", message=patch.does, warning=False, time=now)
        await self._claimed(measure, now)

    async def _claimed(self, measure: Measure, now: datetime) -> None:
        """What was written to take it back is ours again: the attempt tells, as of all that it wrote. Where it was deleted nobody does."""
        namespace, _, name = measure.remediation.partition("/")
        one = await self._store.remediation(namespace, name)
        if one is not None and one.metadata.uid == (measure.uid or one.metadata.uid) and request.final(one):
            await self._store.put_remediation_status(one.model_copy(update={"status": one.status.model_copy(update={"claim_time": now})}))

    def _at_work(self, measure: Measure, now: datetime) -> bool:
        """Whether the attempt that took the measure has not ended: it would take its end for a person's doing.

        One that waits for people, or can't be known, may not end for days: the measure does.
        """
        if now >= measure.undo_after_time + LATEST:
            return False
        for one in self._view.remediations():
            if f"{one.metadata.namespace}/{one.metadata.name}" == measure.remediation:
                # A later attempt gets the name of a deleted one. It took nothing while it has not begun, which is all that an older mark can tell by.
                took = one.metadata.uid == measure.uid if measure.uid else one.status.started_time is not None
                return took and one.status.phase is not None and not one.status.phase.final
        return False

    def _failed(self, ref: ObjectRef, why: str, now: datetime) -> None:
        """Say it, and leave the object alone for a while: anybody may write a mark where nothing may be changed."""
        self._again[ref.uid or ""] = now + PAUSE
        log.warning("A temporary measure could not be ended; it is tried again", extra={"object": f"{ref.kind} {ref.name}", "why": why})

    def _pause_over(self, ref: ObjectRef, now: datetime) -> bool:
        return now >= self._again.get(ref.uid or "", now)

    def _odd(self, ref: ObjectRef) -> None:
        if ref.uid not in self._unreadable:
            self._unreadable.add(ref.uid)
            where = f"{ref.kind} {ref.namespace}/{ref.name}"
            log.warning("A mark of a temporary measure can't be read; nothing is changed: a person has to look", extra={"object": where})
