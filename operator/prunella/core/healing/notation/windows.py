"""Windows: whether automation may begin something now, by the clock on the wall of the place that each window names.

The rule this module protects: what can't be understood holds everything back. A window opens at an instant: a local time that DST skips is the first
instant after the skip, one that comes twice is the first of the two, and from then on real seconds count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from prunella.api.windows import Window, Windows
from prunella.core.healing.refusal import Refusal
from prunella.core.world import NoZone, ZoneOf

from . import schedule

AHEAD: Final = timedelta(days=400)
"""How far it is looked for the next opening: what comes once a year comes within it."""
SHIFT: Final = timedelta(hours=3)
"""No clock of the present is set back or forward by more at once."""
ONE_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """Why a window can't be understood: an unknown time zone, or a schedule that can't be read."""

    field: str
    """Name of the field on the wire."""
    why: str


def refused(whose: str, windows: Windows, now: datetime, zone_of: ZoneOf) -> Refusal | None:
    """Why nothing may be begun now by these windows. `whose` names the object that has them, for people."""
    for name, one in listed(windows):
        frozen = frozen_by(one, zone_of)
        if frozen is not None:
            message = f"{whose}, {name} window '{one.name}': {frozen.why}; until that is mended nothing is begun"
            return Refusal(reason="InWindow", message=message)
    ends = ((until, one) for one in windows.deny if (until := open_until(one, now, zone_of)) is not None)
    until, shut = max(ends, key=lambda found: found[0], default=(None, None))
    if until is not None and shut is not None:
        message = f"{whose}, window '{shut.name}': {shut.reason}; nothing is begun until {_wall(until, shut, zone_of)}"
        return Refusal(reason="InWindow", message=message, look_again_time=until)
    if not windows.allow or any(open_until(one, now, zone_of) is not None for one in windows.allow):
        return None
    return _not_yet(whose, windows.allow, now, zone_of)


def _not_yet(whose: str, allowed: tuple[Window, ...], now: datetime, zone_of: ZoneOf) -> Refusal:
    starts = ((start, one) for one in allowed if (start := next_start(one, now, zone_of)) is not None)
    start, first = min(starts, key=lambda found: found[0], default=(None, None))
    if start is None or first is None:
        message = f"{whose}: none of its windows that allow it opens within {AHEAD.days} days"
        return Refusal(reason="InWindow", message=message, look_again_time=now + AHEAD)
    message = f"{whose}: no window that allows it is open; the next is '{first.name}' ({first.reason}) at {_wall(start, first, zone_of)}"
    return Refusal(reason="InWindow", message=message, look_again_time=start)


def listed(windows: Windows) -> Iterator[tuple[str, Window]]:
    """Every window with the name of its list."""
    yield from (("deny", one) for one in windows.deny)
    yield from (("allow", one) for one in windows.allow)


def frozen_by(window: Window, zone_of: ZoneOf) -> Frozen | None:
    """Why the window can't be understood; None where it can."""
    zone = zone_of(window.time_zone)
    if isinstance(zone, NoZone):
        return Frozen(field="timeZone", why=zone.why)
    read = schedule.read(window.schedule)
    return Frozen(field="schedule", why=read.why) if isinstance(read, schedule.BadSchedule) else None


def open_until(window: Window, now: datetime, zone_of: ZoneOf) -> datetime | None:
    """When the window closes that is open now; None where it is not open, or can't be understood."""
    known = _known(window, zone_of)
    if known is None:
        return None
    when, zone = known
    lasts = timedelta(seconds=window.duration_seconds)
    times = when.between(_local(now, zone) + SHIFT, _local(now - lasts, zone) - SHIFT)
    start = next((instant for instant in _instants(times, zone) if instant <= now), None)
    return start + lasts if start is not None and now < start + lasts else None


def next_start(window: Window, now: datetime, zone_of: ZoneOf) -> datetime | None:
    """When the window opens next, after now; None where it does not within `AHEAD`, or can't be understood."""
    known = _known(window, zone_of)
    if known is None:
        return None
    when, zone = known
    times = when.between(_local(now, zone) - SHIFT, _local(now + AHEAD, zone))
    return next((instant for instant in _instants(times, zone) if instant > now), None)


def _known(window: Window, zone_of: ZoneOf) -> tuple[schedule.Schedule, tzinfo] | None:
    zone, read = zone_of(window.time_zone), schedule.read(window.schedule)
    return None if isinstance(zone, NoZone) or isinstance(read, schedule.BadSchedule) else (read, zone)


def _instants(times: Iterable[datetime], zone: tzinfo) -> Iterator[datetime]:
    """The instant of each local time. They follow one another as their local times do, for each is the first that it can be."""
    return (_instant(local, zone) for local in times)


def _instant(local: datetime, zone: tzinfo) -> datetime:
    early = local.replace(tzinfo=zone).astimezone(UTC)
    if _local(early, zone) == local:
        return early
    return _after_skip(local.replace(tzinfo=zone, fold=1).astimezone(UTC), early, zone)


def _after_skip(before: datetime, after: datetime, zone: tzinfo) -> datetime:
    """The first second with the clock's new offset; it lies between these two."""
    old = before.astimezone(zone).utcoffset()
    while after - before > ONE_SECOND:
        middle = before + timedelta(seconds=(after - before) // ONE_SECOND // 2)
        if middle.astimezone(zone).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after


def _local(instant: datetime, zone: tzinfo) -> datetime:
    return instant.astimezone(zone).replace(tzinfo=None, fold=0)


def _wall(instant: datetime, window: Window, zone_of: ZoneOf) -> str:
    """As the people of that zone read it."""
    zone = zone_of(window.time_zone)
    local = instant if isinstance(zone, NoZone) else instant.astimezone(zone)
    return f"{local:%Y-%m-%d %H:%M} {window.time_zone}"
