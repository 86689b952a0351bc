"""How many Incidents alerts may open that stand for themselves.

A workload bounds the Incidents about it; an alert's name is whatever some application puts into a metric. The rule this module protects: names can't
fill the store, and none of the alerts is lost: what is beyond the limit stands on one Incident of its namespace, which tells people that there is
more than it can tell apart.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from prunella.api.base import API_VERSION
from prunella.api.common import ObjectRef
from prunella.api.names import SignalState
from prunella.app.keys import IncidentKey
from prunella.app.ports import View
from prunella.core.facts import AlertFacts
from prunella.core.incident import correlate, sources
from prunella.core.incident.alert_target import ALERT_KIND, AlertTarget, stands_for_itself

PER_NAMESPACE: Final = 50
PER_CLUSTER: Final = 500
NAME: Final = "alerts.beyond.the-limit"
"""No alert's own name has two dots."""
UNSEEN: Final = timedelta(seconds=60)
"""For how long what was made here counts though the watch does not show it yet."""


class Flood:
    """Counts the open Incidents of alerts that stand for themselves, and knows where the next one goes."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._made: OrderedDict[IncidentKey, datetime] = OrderedDict()
        self._coming: set[ObjectRef] = set()
        """What was given a place and may be on its way to the store: a body's alerts are placed all at once."""

    def settled(self, found: AlertTarget, key: IncidentKey | None, now: datetime) -> None:
        """What became of a place that `bounded` gave: the Incident that was made for it, or None."""
        self._coming.discard(found.ref)
        if key is not None:
            self._made[key] = now
        while self._made and now - next(iter(self._made.values())) > UNSEEN:
            self._made.popitem(last=False)

    def bounded(self, found: AlertTarget, now: datetime) -> AlertTarget:
        """The alert's own target, or that of all which are beyond the limit. Ask only where it would open an Incident, and say `settled`."""
        namespace = found.ref.namespace or ""
        seen = {
            IncidentKey(one.metadata.namespace or "", one.metadata.name): one
            for one in self._view.incidents()
            if stands_for_itself(one.spec.target_ref)
        }
        there = {key for key, one in seen.items() if correlate.is_open(one, now)}
        there |= {key for key, at in self._made.items() if key not in seen and now - at <= UNSEEN}
        coming = self._coming - {one.spec.target_ref for one in seen.values()}
        mine = sum(key.namespace == namespace for key in there) + sum(ref.namespace == namespace for ref in coming)
        if len(there) + len(coming) < PER_CLUSTER and mine < PER_NAMESPACE:
            self._coming.add(found.ref)
            return found
        why = f"there are more than {PER_NAMESPACE} Incidents of alerts without a workload in {namespace}, or {PER_CLUSTER} in the cluster"
        return AlertTarget(ref=together(namespace), why=f"told together with others: {why}; {found.why}", by_itself=True)

    def keeps(self, alert: AlertFacts, namespace: str) -> IncidentKey | None:
        """The Incident of those beyond the limit, where this alert stands on it and is not over: it stays there though there is room again."""
        ref, key = together(namespace), sources.alert_key(alert.fingerprint)
        for one in self._view.incidents_of(ref.kind, namespace, ref.name):
            stands = any(signal.key == key and signal.state is not SignalState.RESOLVED for signal in one.status.signals)
            if stands and correlate.is_open(one, alert.received_time):
                return IncidentKey(one.metadata.namespace or "", one.metadata.name)
        return None


def together(namespace: str) -> ObjectRef:
    """What the one Incident for all the others is about."""
    return ObjectRef(api_version=API_VERSION, kind=ALERT_KIND, name=NAME, namespace=namespace)
