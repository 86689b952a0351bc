"""On which Incidents an alert stands that is not over there, whatever its labels lead to now.

The rule this module protects: who an alert is about was found when it was first seen. A workload that is gone since, made anew, or seen only later
leads its resolve elsewhere; it ends the alert all the same wherever it stands.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from prunella.api.names import SignalState, SourceKind
from prunella.app.keys import IncidentKey
from prunella.app.ports import View
from prunella.core.incident import sources


class Bearers:
    """Of the Incidents that have no end yet. One for each body: all of them are read once, and only if something is asked."""

    def __init__(self, view: View) -> None:
        self._view = view

    def of(self, fingerprint: str) -> Sequence[IncidentKey]:
        """The Incidents on which the alert fires, is silenced or is held."""
        return self._of.get(sources.alert_key(fingerprint), ())

    @cached_property
    def _of(self) -> dict[str, list[IncidentKey]]:
        found: dict[str, list[IncidentKey]] = defaultdict(list)
        for one in self._view.unended_incidents():
            for signal in one.status.signals:
                if signal.source is SourceKind.ALERTMANAGER and signal.state is not SignalState.RESOLVED:
                    found[signal.key].append(IncidentKey(one.metadata.namespace or "", one.metadata.name))
        return dict(found)
