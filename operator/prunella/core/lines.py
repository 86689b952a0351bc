"""Rows of a story for a terminal: a label, an instant, what happened, and why. Times are in UTC, as in logs and in `kubectl get -o yaml`.

The rule it protects: what and why stand side by side where they fit, and below each other where they don't; nothing is cut off.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

LABEL_WIDTH: Final = 12
TIME_WIDTH: Final = 12
WHAT_WIDTH: Final = 44
WIDTH: Final = 140
"""Columns of the whole; whoever has a narrower terminal reads wrapped lines."""
BEFORE_WHAT: Final = 2 + LABEL_WIDTH + TIME_WIDTH
_INDENT: Final = " " * BEFORE_WHAT
_ROOM: Final = WIDTH - BEFORE_WHAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of a story."""

    label: str
    what: str
    time: datetime | None = None
    why: str = ""


def clock(time: datetime) -> str:
    """An instant of the day with tenths of a second: 10:02:11.4."""
    time = time.astimezone(UTC)
    return f"{time:%H:%M:%S}.{time.microsecond // 100_000}"


def span(seconds: float) -> str:
    """A length of time as kubectl writes it: 13s, 4m10s, 2h5m, 3d4h."""
    whole = max(int(seconds), 0)
    days, hours, minutes = whole // 86_400, whole % 86_400 // 3600, whole % 3600 // 60
    parts = ((days, "d", hours, "h"), (hours, "h", minutes, "m"), (minutes, "m", whole % 60, "s"))
    large = next((part for part in parts if part[0]), None)
    if large is None:
        return f"{whole}s"
    return f"{large[0]}{large[1]}" + (f"{large[2]}{large[3]}" if large[2] else "")


def render(rows: Iterable[Row]) -> list[str]:
    """The rows as lines. A label that repeats is written once, unless an instant stands beside it."""
    lines: list[str] = []
    before = ""
    for row in rows:
        label = "" if row.label == before and row.time is None else row.label
        before = row.label
        lines += _lines(row, f"  {label:<{LABEL_WIDTH}}{clock(row.time) if row.time else '':<{TIME_WIDTH}}")
    return lines


def _lines(row: Row, head: str) -> Iterator[str]:
    what = " ".join(row.what.split())
    why = " ".join(row.why.split())
    beside = f"{what:<{WHAT_WIDTH}}  {why}"
    if not why or (len(what) <= WHAT_WIDTH and len(beside) <= _ROOM):
        first, *rest = textwrap.wrap(beside if why else what, _ROOM, break_on_hyphens=False, drop_whitespace=True) or [""]
        if why:
            first, rest = beside, []
        yield (head + first).rstrip()
        yield from (_INDENT + line for line in rest)
        return
    for number, line in enumerate(textwrap.wrap(what, _ROOM, break_on_hyphens=False)):
        yield (head if not number else _INDENT) + line
    yield from (_INDENT + "  " + line for line in textwrap.wrap(why, _ROOM - 2, break_on_hyphens=False))
