"""Ends temporary measures: by the marks on the changed objects, so that neither a restart nor a record that is gone makes one stay for ever.

The rule this module protects: it ends only what no attempt is at work on any more, asks the kill switch live, and changes nothing but what the mark
names, where that still is what was written.
"""

from __future__ import annotations

import logging
from datetime import datetime

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicy
from prunella.api.names import TEMPORARY_ANNOTATION
from prunella.core.facts import UnknownT
from prunella.core.healing import guards, measures
from prunella.core.healing.effects import Applied
from prunella.core.healing.measures import Measure

from .errors import OutcomeUnknown
from .ports import Clock, Executor, Live, Store, View

log = logging.getLogger(__name__)


class Measures:
    """Looks for measures that are due."""

    def __init__(self, view: View, store: Store, live: Live, executor: Executor, clock: Clock) -> None:
        self._view = view
        self._store = store
        self._live = live
        self._executor = executor
        self._clock = clock
        self._unreadable: set[str] = set()

    async def look(self) -> None:
        """End those that are due."""
        now = self._clock.now()
        for ref, mark in list(self._view.marked()):
            measure = measures.read(mark)
            if measure is None:
                self._odd(ref, mark)
            elif measure.undo_after_time <= now and not self._at_work(measure):
                await self._end(ref, mark, measure, now)

    async def _end(self, ref: ObjectRef, known: str, measure: Measure, now: datetime) -> None:
        policy = await self._store.healing_policy()
        paused = guards.paused(policy if isinstance(policy, HealingPolicy) else None, ref.namespace or "")
        if paused is not None:
            return
        raw = await self._live.raw(ref)
        if isinstance(raw, UnknownT) or raw is None:
            return
        mark = (raw["metadata"].get("annotations") or {}).get(TEMPORARY_ANNOTATION, "")
        if mark != known:
            return  # the cache is behind: it was ended, or is another one now
        patch = measures.undo(measure, ref, raw, mark)
        try:
            answer = await self._executor.apply(patch, "")
        except OutcomeUnknown:
            return  # its mark says whether it was done: it is looked at again
        if not isinstance(answer, Applied):
            log.warning("A temporary measure could not be ended", extra={"object": f"{ref.kind} {ref.name}", "why": answer.message})
            return
        log.info("A temporary measure has ended", extra={"object": f"{ref.kind} {ref.name}", "said": patch.does})
        name = f"{ref.name}.measure.{int(measure.undo_after_time.timestamp())}"
        await self._store.emit_event(regarding=ref, name=name, reason="MeasureUndone", message=patch.does, warning=False, time=now)

    def _at_work(self, measure: Measure) -> bool:
        """Whether the attempt that took the measure has not ended: it would take its end for a person's doing."""
        for one in self._view.remediations():
            if f"{one.metadata.namespace}/{one.metadata.name}" == measure.remediation:
                return one.status.phase is not None and not one.status.phase.final
        return False

    def _odd(self, ref: ObjectRef, mark: str) -> None:
        if mark not in self._unreadable:
            self._unreadable.add(mark)
            where = f"{ref.kind} {ref.namespace}/{ref.name}"
            log.warning("A mark of a temporary measure can't be read; nothing is changed: a person has to look", extra={"object": where})
