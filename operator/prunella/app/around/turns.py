"""Who waits for a place among the attempts, as it was decided last.

Lost with the process, and found again: whoever waits is decided about again within half a minute. What was not confirmed for longer than it promised
holds up nobody.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident, IncidentStatus
from prunella.api.names import Priority
from prunella.app.ports import Clock
from prunella.core.healing.guards.turns import REASON
from prunella.core.healing.judge import ALLOWED
from prunella.core.world import Waiting

GRACE: Final = timedelta(seconds=10)


def waits(status: IncidentStatus) -> bool:
    """Whether it was decided that it waits for a place."""
    return any(one.type == ALLOWED and one.reason == REASON for one in status.conditions)


class Turns:
    """Keeps the Incidents that wait."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: dict[str, tuple[Waiting, datetime]] = {}
        """By uid: who waits, and until when that is believed."""

    def decided(self, incident: Incident, look_again: datetime | None) -> None:
        """An Incident, with its status as it was just decided, and when it is looked at again."""
        uid, status = incident.metadata.uid, incident.status
        now = self._clock.now()
        if not waits(status):
            self._waiting.pop(uid, None)
            return
        since = status.times.triggered_time or incident.metadata.creation_timestamp or now
        who = Waiting(uid=uid, namespace=incident.target_namespace, priority=status.priority or Priority.P4, since=since)
        self._waiting[uid] = (who, (look_again or now) + GRACE)

    def forget(self, uid: str) -> None:
        """The Incident is gone."""
        self._waiting.pop(uid, None)

    def waiting(self) -> tuple[Waiting, ...]:
        """Those that wait."""
        now = self._clock.now()
        self._waiting = {uid: one for uid, one in self._waiting.items() if one[1] >= now}
        return tuple(one for one, _ in self._waiting.values())
