"""Rows of a story for a terminal: a label, an instant, what happened, and why. Times are in UTC, as in logs and in `kubectl get -o yaml`.

The rule it protects: what and why stand side by side where they fit, and below each other where they don't; nothing is cut off.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prunella.api.base import micro_time

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

    def data(self) -> dict[str, str]:
        """The row for programs: what is empty is left out."""
        told = {"label": self.label, "time": micro_time(self.time) if self.time else "", "what": self.what, "why": self.why}
        return {key: text for key, text in told.items() if text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tale:
    """A headline and its rows: for a terminal by `lines`, for programs by `data`."""

    head: str
    rows: tuple[Row, ...]

    def lines(self) -> list[str]:
        """The whole, as a person reads it."""
        return [self.head, *render(self.rows)]

    def but_not(self, unread: Iterable[str]) -> Tale:
        """The same, with sentences about what could not be read."""
        return Tale(head=self.head, rows=(*self.rows, *(Row(label="not read", what=sentence) for sentence in unread)))

    def data(self) -> dict[str, object]:
        """The whole, as JSON."""
        return {"head": self.head, "rows": [row.data() for row in self.rows]}


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
    column = min(WHAT_WIDTH, _ROOM - len(why) - 2)
    if why and len(what) <= column:
        yield f"{head}{what:<{column}}  {why}"
        return
    for number, line in enumerate(textwrap.wrap(what, _ROOM, break_on_hyphens=False) or [""]):
        yield ((_INDENT if number else head) + line).rstrip()
    yield from (_INDENT + "  " + line for line in textwrap.wrap(why, _ROOM - 2, break_on_hyphens=False))
