"""What is remembered of alerts that ended before they were known: when each was over, for 24 hours.

The rule this module protects: a resolve for an unknown alert opens nothing, and a firing that began before it is stale, in whatever order the two
arrive. It is rebuilt from open and recent Incidents after a restart.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.core.facts import AlertFacts

from .sources import ALERT

KEPT_SECONDS: Final = 86_400
CAP: Final = 10_000


class Tombstones:
    """End of the newest episode by fingerprint; the ones touched longest ago go first."""

    def __init__(self, incidents: Iterable[Incident] = ()) -> None:
        self._ended: OrderedDict[str, datetime] = OrderedDict()
        for incident in incidents:
            for signal in incident.status.signals:
                if signal.key.startswith(ALERT) and signal.last_resolved_end_time is not None:
                    self._remember(signal.key.removeprefix(ALERT), signal.last_resolved_end_time)

    def __len__(self) -> int:
        return len(self._ended)

    def resolved(self, alert: AlertFacts) -> None:
        """Remember that this alert is over. Nothing is ever forgotten for an older word."""
        self._remember(alert.fingerprint, alert.ends_time or alert.received_time)

    def stale(self, alert: AlertFacts, now: datetime) -> bool:
        """Whether this firing began before the end that is known: it must be confirmed by a poll before it may open anything."""
        ended = self._ended.get(alert.fingerprint)
        if ended is None or now - ended > timedelta(seconds=KEPT_SECONDS):
            return False
        return (alert.starts_time or alert.received_time) <= ended

    def _remember(self, fingerprint: str, ended: datetime) -> None:
        known = self._ended.pop(fingerprint, ended)
        self._ended[fingerprint] = max(known, ended)
        while len(self._ended) > CAP:
            self._ended.popitem(last=False)
