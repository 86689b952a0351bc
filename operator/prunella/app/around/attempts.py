"""Every attempt of the cluster, by the cache and by what was begun, or went on after people agreed, since.

The rule this module protects: two Incidents that are decided at the same moment don't both take the last place of a budget, nor do two runs to whose
rest people agree at once take the last one to act.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prunella.api.asking import Asking
from prunella.api.names import RemediationPhase
from prunella.api.remediation import Remediation
from prunella.app.ports import Clock, View

CACHE_CATCHES_UP: Final = timedelta(seconds=60)


class _Begun(NamedTuple):
    """An attempt that acts, whatever the cache still shows of it."""

    attempt: Remediation
    asked: Asking | None
    """What it asked until then."""
    time: datetime

    def is_shown(self, cached: Remediation) -> bool:
        """Whether the cache has seen it begin, and leave what it asked."""
        return cached.status.started_time is not None and (self.asked is None or cached.status.asking != self.asked)


class Attempts:
    """Reads the cache, and knows what it does not show yet."""

    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._begun: dict[str, _Begun] = {}

    def reserve(self, remediation: Remediation) -> None:
        """An intent is about to be stored, or that people agreed to the rest of a run: from now on the attempt counts as one that acts."""
        now = self._clock.now()
        acts = {"phase": RemediationPhase.DISPATCHED, "started_time": remediation.status.started_time or now, "asking": None}
        begun = remediation.model_copy(update={"status": remediation.status.model_copy(update=acts)})
        earlier = self._begun.get(remediation.metadata.uid)
        asked = remediation.status.asking or (earlier.asked if earlier is not None else None)  # the cache may still show what it asked before
        self._begun[remediation.metadata.uid] = _Begun(begun, asked, now)

    def all(self) -> tuple[Remediation, ...]:
        """Every attempt, begun ones as begun."""
        now = self._clock.now()
        known = {one.metadata.uid: one for one in self._view.remediations()}
        for uid, one in list(self._begun.items()):
            cached = known.get(uid)
            if now - one.time > CACHE_CATCHES_UP or (cached is not None and one.is_shown(cached)):
                del self._begun[uid]
            else:
                known[uid] = one.attempt
        return tuple(known.values())
