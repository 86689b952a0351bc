"""Pods that are gone, and whose they were: an alert about a pod arrives after the pod has been replaced.

The rule this module protects: the memory is bounded, in time and in number.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

KEPT: Final = timedelta(minutes=15)
MOST: Final = 10_000

Belongs = tuple[str, str]
"""Kind and name of a workload."""


class DepartedPods:
    """Namespace and name of a pod to the workload it belonged to."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._gone: OrderedDict[tuple[str, str], tuple[Belongs, datetime]] = OrderedDict()

    def remember(self, namespace: str, name: str, workload: Belongs, now: datetime) -> None:
        """A pod has gone just now."""
        self._gone[namespace, name] = (workload, now)
        self._gone.move_to_end((namespace, name))
        while len(self._gone) > self._most:
            self._gone.popitem(last=False)

    def workload_of(self, namespace: str, name: str, now: datetime) -> Belongs | None:
        """Whose it was; None where it never was, or went too long ago."""
        entry = self._gone.get((namespace, name))
        if entry is None:
            return None
        workload, since = entry
        if now - since > KEPT:
            del self._gone[namespace, name]
            return None
        return workload
