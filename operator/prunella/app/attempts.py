"""Every attempt of the cluster, by the cache and by what was begun since.

The rule this module protects: two Incidents that are decided at the same moment don't both take the last place of a budget.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import RemediationPhase
from prunella.api.remediation import Remediation

from .ports import Clock, View

CACHE_CATCHES_UP: Final = timedelta(seconds=60)


class Attempts:
    """Reads the cache, and knows what it does not show yet."""

    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock
        self._begun: dict[str, tuple[Remediation, datetime]] = {}

    def reserve(self, remediation: Remediation) -> None:
        """An intent is about to be stored: from now on the attempt counts as begun."""
        now = self._clock.now()
        begun = remediation.status.model_copy(update={"phase": RemediationPhase.DISPATCHED, "started_time": remediation.status.started_time or now})
        self._begun[remediation.metadata.uid] = (remediation.model_copy(update={"status": begun}), now)

    def all(self) -> tuple[Remediation, ...]:
        """Every attempt, begun ones as begun."""
        now = self._clock.now()
        known = {one.metadata.uid: one for one in self._view.remediations()}
        for uid, (stored, at) in list(self._begun.items()):
            cached = known.get(uid)
            if now - at > CACHE_CATCHES_UP or (cached is not None and cached.status.started_time is not None):
                del self._begun[uid]
            else:
                known[uid] = stored
        return tuple(known.values())
