"""Gauges: numbers of what there is now. Only the leader gives them, so that a sum over the replicas counts nothing twice."""

from __future__ import annotations

from typing import Any, Final

from prunella.api.incident import Incident
from prunella.api.names import ConditionStatus

from .ports import Telemetry, View
from .queue import Queue

OVERDUE_SECONDS: Final = 5.0


class Gauges:
    """Sets them. `queues` are those whose timers must not be late."""

    def __init__(self, view: View, telemetry: Telemetry, *queues: Queue[Any]) -> None:
        self._view = view
        self._telemetry = telemetry
        self._queues = queues
        self._known: set[tuple[str, str]] = set()

    async def give(self) -> None:
        """Count now. A phase and priority that nothing has any more is zero."""
        counts: dict[tuple[str, str], int] = {}
        for incident in self._view.incidents():
            place = (str(incident.status.phase or "Triggered"), str(incident.status.priority or "P3"))
            counts[place] = counts.get(place, 0) + 1
        self._known |= set(counts)
        for phase, priority in self._known:
            self._telemetry.gauge("incidents", counts.get((phase, priority), 0), phase=phase, priority=priority)
        blocked = {one.spec.target_ref.uid for one in self._view.incidents() if _breaker_open(one)}
        self._telemetry.gauge("breakers_open", len(blocked))
        self._telemetry.gauge("overdue_timers", sum(queue.overdue(OVERDUE_SECONDS) for queue in self._queues))


def _breaker_open(incident: Incident) -> bool:
    """Whether automation leaves the Incident's target alone until a person says retry."""
    ended = any(one.type == "Resolved" and one.status is ConditionStatus.TRUE for one in incident.status.conditions)
    return not ended and any(one.type == "RemediationAllowed" and one.reason == "BreakerOpen" for one in incident.status.conditions)
