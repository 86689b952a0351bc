"""Durations of an Incident, from its times: whole seconds, absent where one of the two instants is.

The rule this module protects: a number that is not known is not there, never 0; and each is observed once, when it is first known.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from prunella.api.incident import Durations, IncidentStatus
from prunella.core.draft import Draft
from prunella.core.world import World

METRIC_OF: Final = {
    "detect_seconds": "incident_time_to_detect_seconds",
    "receive_seconds": "incident_time_to_receive_seconds",
    "notify_seconds": "incident_time_to_notify_seconds",
    "start_remediation_seconds": "incident_time_to_execute_seconds",
    "acknowledge_seconds": "incident_time_to_acknowledge_seconds",
    "mitigate_seconds": "incident_time_to_mitigate_seconds",
    "resolve_seconds": "incident_time_to_resolve_seconds",
}
KNOWN_BY: Final = {"mitigate_seconds": "resolve_seconds"}
"""A mitigation may still be taken back by a relapse: it counts once the Incident is resolved."""
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400


def measure(world: World, draft: Draft) -> Draft:
    """Stage: fill in the durations; those of the first episode become observations, once. Cancelled Incidents are not measured."""
    before, after = world.incident.status.durations, durations_of(draft.status)
    draft = draft.with_status(durations=after)
    if draft.status.episode != 1 or draft.status.times.cancelled_time is not None or draft.status.priority is None:
        return draft
    for field, metric in METRIC_OF.items():
        seconds, known_by = getattr(after, field), KNOWN_BY.get(field, field)
        if seconds is not None and getattr(before, known_by) is None and getattr(after, known_by) is not None:
            draft = draft.count(metric, float(seconds), priority=draft.status.priority.value)
    return draft


def durations_of(status: IncidentStatus) -> Durations:
    """The durations that are known by now."""
    times = status.times
    return Durations(
        detect_seconds=_between(times.started_time, times.detected_time),
        receive_seconds=_between(times.detected_time, times.received_time),
        notify_seconds=_between(times.triggered_time, times.notified_time),
        start_remediation_seconds=_between(times.triggered_time, times.automation_started_time),
        acknowledge_seconds=_between(times.triggered_time, times.acknowledged_time),
        mitigate_seconds=_between(times.started_time, times.mitigated_time or times.resolved_time),
        resolve_seconds=_resolve_seconds(status),
    )


def ttr(status: IncidentStatus) -> str | None:
    """Time to restore, for the column: '13s', '4m10s', '2h5m'. None while it is not over."""
    seconds = _resolve_seconds(status)
    return None if seconds is None else human(seconds)


def human(seconds: int) -> str:
    """A duration as kubectl writes an age: its two greatest units."""
    for size, unit, smaller, smaller_unit in ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "m"), (MINUTE, "m", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size}{unit}{rest}{smaller_unit}" if rest else f"{seconds // size}{unit}"
    return f"{seconds}s"


def _between(start: datetime | None, end: datetime | None) -> int | None:
    if start is None or end is None:
        return None
    return max(int((end - start).total_seconds()), 0)


def _resolve_seconds(status: IncidentStatus) -> int | None:
    whole = _between(status.times.started_time, status.times.resolved_time)
    if whole is None:
        return None
    gaps = sum(_between(one.resolved_time, following.started_time) or 0 for one, following in zip(status.episodes, status.episodes[1:], strict=False))
    return max(whole - gaps, 0)
