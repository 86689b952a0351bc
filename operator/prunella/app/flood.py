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
from prunella.core.incident import correlate
from prunella.core.incident.alert_target import ALERT_KIND, AlertTarget, stands_for_itself

from .keys import IncidentKey
from .ports import View

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

    def made(self, key: IncidentKey, now: datetime) -> None:
        """One was made a moment ago."""
        self._made[key] = now
        while self._made and now - next(iter(self._made.values())) > UNSEEN:
            self._made.popitem(last=False)

    def bounded(self, found: AlertTarget, now: datetime) -> AlertTarget:
        """The alert's own target, or that of all which are beyond the limit. Ask only where it would open an Incident."""
        namespace = found.ref.namespace or ""
        seen = {
            IncidentKey(one.metadata.namespace or "", one.metadata.name): one
            for one in self._view.incidents()
            if stands_for_itself(one.spec.target_ref)
        }
        there = {key for key, one in seen.items() if correlate.is_open(one, now)}
        there |= {key for key, at in self._made.items() if key not in seen and now - at <= UNSEEN}
        if len(there) < PER_CLUSTER and sum(key.namespace == namespace for key in there) < PER_NAMESPACE:
            return found
        why = f"there are more than {PER_NAMESPACE} Incidents of alerts without a workload in {namespace}, or {PER_CLUSTER} in the cluster"
        return AlertTarget(ref=together(namespace), why=f"told together with others: {why}; {found.why}", by_itself=True)


def together(namespace: str) -> ObjectRef:
    """What the one Incident for all the others is about."""
    return ObjectRef(api_version=API_VERSION, kind=ALERT_KIND, name=NAME, namespace=namespace)
