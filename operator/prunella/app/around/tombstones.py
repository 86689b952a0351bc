"""When each alert was last seen to end, so that a firing that began before it is known to be a late copy.

The rule this module protects: a late copy opens nothing, and what fires on after a false resolve is not taken for one for ever: a poll that has seen
it renewed since is believed.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prunella.api.incident import Incident
from prunella.api.names import SourceKind
from prunella.core.facts import AlertFacts
from prunella.core.incident import sources
from prunella.core.incident.alert_signals import EVALUATION_SECONDS

KEPT: Final = 10_000
AGE: Final = timedelta(hours=24)


class _End(NamedTuple):
    """When the alert ended, and when we were told."""

    ended: datetime
    heard: datetime


class Tombstones:
    """The newest resolve of each fingerprint, the oldest word first."""

    def __init__(self) -> None:
        self._of: OrderedDict[str, _End] = OrderedDict()

    def remember(self, incidents: Iterable[Incident]) -> None:
        """After a start: those that Incidents know."""
        known = [
            (signal.last_resolved_end_time, signal.last_seen_time, signal.key.removeprefix(sources.ALERT))
            for incident in incidents
            for signal in incident.status.signals
            if signal.source is SourceKind.ALERTMANAGER and signal.last_resolved_end_time is not None
        ]
        for ended, heard, fingerprint in sorted(known)[-KEPT:]:
            self._of[fingerprint] = _End(ended, heard)

    def bury(self, alert: AlertFacts) -> None:
        """It was resolved. What was heard more than a day ago is forgotten."""
        ended, before = alert.ends_time or alert.received_time, self._of.pop(alert.fingerprint, None)
        self._of[alert.fingerprint] = _End(max(ended, before.ended) if before else ended, alert.received_time)
        while len(self._of) > KEPT or (self._of and alert.received_time - next(iter(self._of.values())).heard > AGE):
            self._of.popitem(last=False)

    def stale(self, alert: AlertFacts) -> bool:
        """Whether it began before it was seen to end, and no poll has seen it renewed by more than an evaluation since."""
        buried = self._of.get(alert.fingerprint)
        if buried is None or alert.starts_time is None or alert.starts_time > buried.ended:
            return False
        return alert.updated_time is None or alert.updated_time - buried.heard <= timedelta(seconds=EVALUATION_SECONDS)
