"""Episodes as a story has them: where each begins, what belongs to it, and its rows in the order of time.

The rule it protects: what happened in one episode is not told in another, and within one nothing is told before what went before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prunella.api.incident import Episode, Incident, TimelineEntry

from .lines import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows that belong together, and when they began. Without an instant it stays where it stands."""

    time: datetime | None = None
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chapter:
    """One episode: from its trigger until that of the next."""

    episode: Episode | None
    """None while the Incident was not looked at yet."""
    begins: datetime | None
    """None for the first that is told: what lies before it belongs to it."""
    ends: datetime | None

    def has(self, instant: datetime | None) -> bool:
        """Whether something happened in it. What has no instant, or is yet to come, belongs to the last."""
        if instant is None:
            return self.ends is None
        return (self.begins is None or instant >= self.begins) and (self.ends is None or instant < self.ends)

    def numbered(self, number: str) -> bool:
        """Whether the number in a message's key is this episode's. The first that is told takes those before it."""
        if self.episode is None or not number.isdecimal():
            return self.last
        return int(number) == self.episode.number or (self.begins is None and int(number) < self.episode.number)

    @property
    def last(self) -> bool:
        """Whether it is the current one."""
        return self.ends is None

    def entries(self, incident: Incident, *names: str) -> list[TimelineEntry]:
        """What the timeline has of it under those names."""
        return [one for one in incident.status.timeline if one.what in names and self.has(one.time)]


def chapters(incident: Incident) -> list[Chapter]:
    """The episodes that are listed, oldest first; at least one."""
    episodes = incident.status.episodes
    if not episodes:
        return [Chapter(episode=None, begins=None, ends=None)]
    ends: list[datetime | None] = [*(one.triggered_time for one in episodes[1:]), None]
    return [
        Chapter(episode=one, begins=one.triggered_time if index else None, ends=end)
        for index, (one, end) in enumerate(zip(episodes, ends, strict=True))
    ]


def in_order(parts: Iterable[Part], loose: Sequence[Row]) -> tuple[Row, ...]:
    """The parts in their order, with each loose row before the first part that began later; what is left goes before those that have no instant."""
    waiting = sorted(((row.time, index, row) for index, row in enumerate(loose) if row.time is not None), key=lambda one: one[:2])
    told: list[Row] = []
    end = 0
    for part in parts:
        if part.time is not None:
            earlier = [row for time, _, row in waiting if time < part.time]
            waiting = waiting[len(earlier) :]
            told += earlier
        told += part.rows
        end = len(told) if part.time is not None else end
    return (*told[:end], *(row for _, _, row in waiting), *told[end:])
