"""Times and durations, episode by episode: whole seconds between two instants, absent where one of them is.

`status.times` says when each thing happened first, and when it was last over; `episodes` has the times of each episode. The rule this module
protects: a time that stands is not written again, no duration mixes two episodes, and none is lost when the next begins; a number that is not known
is not there, never 0; and each is observed once, when it is first known.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from prunella.api.incident import Durations, Episode, IncidentStatus, Times
from prunella.core.draft import Draft, wire_name
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
COPIED: Final = (
    "started_time",
    "detected_time",
    "received_time",
    "triggered_time",
    "notified_time",
    "automation_started_time",
    "acknowledged_time",
    "mitigated_time",
    "resolved_time",
    "resolution_confirmed_time",
)
"""The times that an episode has."""
FIRST: Final = tuple(name for name in COPIED if name not in {"mitigated_time", "resolved_time", "resolution_confirmed_time"})
"""Of these the first occurrence stands, whatever comes later."""
KNOWN_BY: Final = {"mitigate_seconds": "resolve_seconds"}
"""A mitigation may still be taken back by a relapse: it counts once the Incident is resolved."""
MINUTE: Final = 60
HOUR: Final = 3600
DAY: Final = 86_400


def measure(world: World, draft: Draft) -> Draft:
    """Stage: fill in the durations; those of the first episode become observations, once. Cancelled Incidents are not measured."""
    draft = draft.with_status(episodes=kept(draft.status))
    before = world.incident.status.durations
    after = durations_of(before, draft.status)
    draft = draft.with_status(durations=after)
    if draft.status.episode != 1 or draft.status.times.cancelled_time is not None or draft.status.priority is None:
        return draft
    for field, metric in METRIC_OF.items():
        seconds, known_by = getattr(after, field), KNOWN_BY.get(field, field)
        if seconds is not None and getattr(before, known_by) is None and getattr(after, known_by) is not None:
            draft = draft.count(metric, float(seconds), priority=draft.status.priority.value)
    return draft


def kept(status: IncidentStatus) -> tuple[Episode, ...]:
    """The episodes, with what is known of the current one by now: once the next begins, this is where its times are found."""
    if not status.episodes:
        return ()
    *earlier, current = status.episodes
    known = {name: value for name in COPIED if (value := getattr(status.times, name)) is not None}
    # A mitigation that was taken back is none any more.
    known |= {"mitigated_time": status.times.mitigated_time}
    return (*earlier, current.model_copy(update=known))


def times_of(episode: Episode) -> Times:
    """The times of an episode that is listed."""
    return Times(**{name: getattr(episode, name) for name in COPIED})


def hurt_seconds(episodes: Iterable[Episode]) -> int:
    """How long those that are over hurt, together."""
    return sum(_between(one.started_time, one.resolved_time) or 0 for one in episodes)


def current(status: IncidentStatus) -> Times:
    """The times of the episode that is the last one, with what is no episode's."""
    if status.episode == 1 or not status.episodes:
        return status.times
    return status.times.model_copy(update={name: getattr(status.episodes[-1], name) for name in COPIED})


def here(world: World) -> World:
    """The same world with the times of the current episode: what is decided is about this one."""
    status = world.incident.status
    of_this_one = status.model_copy(update={"times": current(status)})
    return replace(world, incident=world.incident.model_copy(update={"status": of_this_one}))


def told(before: IncidentStatus, after: IncidentStatus) -> IncidentStatus:
    """What is stored of a status whose times are those of its current episode: of the first occurrences, those that stand stay."""
    if after.episode == 1:
        return after
    stand = {name: value for name in FIRST if (value := getattr(before.times, name)) is not None}
    names = {wire_name(name) for name in stand}
    known = {one.name: one for one in before.provenance if one.name in names}
    provenance = (*(known.pop(one.name, one) for one in after.provenance), *known.values())
    return after.model_copy(update={"times": after.times.model_copy(update=stand), "provenance": provenance})


def durations_of(before: Durations, status: IncidentStatus) -> Durations:
    """The durations of the first episode, and how long all of them hurt. The status has the times of the current one."""
    known = spans(status.times)
    if status.episode > 1:
        known = before.model_copy(update={"resolve_seconds": known.resolve_seconds})
    if known.resolve_seconds is None:
        return known
    earlier = status.earlier_seconds + hurt_seconds(status.episodes[:-1])
    return known.model_copy(update={"resolve_seconds": earlier + known.resolve_seconds})


def spans(times: Times) -> Durations:
    """The durations of one episode."""
    return Durations(
        detect_seconds=_between(times.started_time, times.detected_time),
        receive_seconds=_between(times.detected_time, times.received_time),
        notify_seconds=_between(times.triggered_time, times.notified_time),
        start_remediation_seconds=_between(times.triggered_time, times.automation_started_time),
        acknowledge_seconds=_between(times.triggered_time, times.acknowledged_time),
        mitigate_seconds=_between(times.started_time, times.mitigated_time or times.resolved_time),
        resolve_seconds=_between(times.started_time, times.resolved_time),
    )


def ttr(status: IncidentStatus) -> str | None:
    """Time to restore, for the column: '13s', '4m10s', '2h5m'. None while it is not over."""
    seconds = status.durations.resolve_seconds
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
