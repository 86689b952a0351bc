"""Windows: times at which automation may begin, or may not, by the clock on the wall of a place.

The rule this module protects: a time of day means nothing without its zone, so there is no default for it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import ShortName, WireModel, items

WindowSeconds = Annotated[int, Field(ge=1, le=2_592_000)]


class Window(WireModel):
    """A time that comes again and again: it opens by a schedule and lasts so long."""

    name: ShortName
    """Unique in its list; refusals name it."""
    schedule: Annotated[str, Field(min_length=1, max_length=256)]
    """When it opens, in the five fields of cron, as in a CronJob: '0 18 * * FRI'. An opening that DST skips happens right after the skip."""
    duration_seconds: WindowSeconds
    """How long it stays open, in real seconds: an hour that DST skips or repeats changes nothing."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)]
    """Zone of the schedule by its IANA name, for example 'Europe/Berlin' or 'UTC'. One that is not known holds everything back."""
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    """Why, for whoever wonders at 3 a.m."""


class Windows(WireModel):
    """When an attempt may begin. What was begun goes on."""

    allow: Annotated[tuple[Window, ...], items(50, "name")] = ()
    """Where there are any, attempts begin only while one of them is open."""
    deny: Annotated[tuple[Window, ...], items(50, "name")] = ()
    """While one of them is open, no attempt begins, whatever is allowed."""
