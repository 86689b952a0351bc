"""Schedules: the five fields of cron, read once, and the local times at which they come.

The rule this module protects: a schedule means here what it means in a CronJob, and what can't be read has no meaning at all. Local times have no
zone: which instants they are is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from itertools import product
from typing import Final, NamedTuple

MONTHS: Final = {name: number for number, name in enumerate(["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"], 1)}
DAYS: Final = {name: number for number, name in enumerate(["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"])}
_LONGEST_MONTHS: Final = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}
_ONE_DAY: Final = timedelta(days=1)


class _Field(NamedTuple):
    name: str
    least: int
    most: int
    words: Mapping[str, int]


_FIELDS: Final = (
    _Field("minute", 0, 59, {}),
    _Field("hour", 0, 23, {}),
    _Field("day of the month", 1, 31, {}),
    _Field("month", 1, 12, MONTHS),
    _Field("day of the week", 0, 7, DAYS),
)


@dataclass(frozen=True, slots=True)
class BadSchedule:
    """Text that is no schedule, and why."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The values of each field. Where both fields for days are restricted, either is enough, as in cron."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Both fields for days are restricted."""

    def comes_on(self, day: date) -> bool:
        """Whether it comes on that day at all."""
        if day.month not in self.months:
            return False
        in_month, in_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return in_month or in_week if self.either_day else in_month and in_week

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """Its local times from `start` to `end`, both included; the latest first where `end` is the earlier one."""
        onward = start <= end
        first, last = (start, end) if onward else (end, start)
        hours, minutes = (self.hours, self.minutes) if onward else (self.hours[::-1], self.minutes[::-1])
        day = start.date()
        for _ in range((last.date() - first.date()).days + 1):
            if self.comes_on(day):
                for hour, minute in product(hours, minutes):
                    local = datetime(day.year, day.month, day.day, hour, minute)  # noqa: DTZ001 - a local time; its zone is the caller's
                    if first <= local <= last:
                        yield local
            day += _ONE_DAY if onward else -_ONE_DAY


class _UnreadableError(Exception):
    """Carries the reason out of the parser; never leaves this module."""


@lru_cache(maxsize=256)
def read(text: str) -> Schedule | BadSchedule:
    """The schedule, or what is wrong with it."""
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return BadSchedule(f"'{text}' has {len(parts)} fields; a schedule has five: minute, hour, day of the month, month, day of the week")
    try:
        minutes, hours, days, months, weekdays = (_values(part, field) for part, field in zip(parts, _FIELDS, strict=True))
    except _UnreadableError as error:
        return BadSchedule(str(error))
    either = not _all_of(parts[2]) and not _all_of(parts[4])
    if not either and not any(day <= _LONGEST_MONTHS.get(month, 31) for day in days for month in months):
        return BadSchedule(f"'{text}' never comes: none of its months has such a day")
    return Schedule(
        minutes=tuple(sorted(minutes)),
        hours=tuple(sorted(hours)),
        days=days,
        months=months,
        weekdays=frozenset(day % 7 for day in weekdays),
        either_day=either,
    )


def _all_of(text: str) -> bool:
    """Whether the field restricts nothing. As in a CronJob, '*/2' does."""
    return any(part in {"*", "*/1"} for part in text.split(","))


def _values(text: str, field: _Field) -> frozenset[int]:
    return frozenset(value for part in text.split(",") for value in _range(part, field))


def _range(part: str, field: _Field) -> range:
    span, slash, step = part.partition("/")
    every = _number(step, field, {}) if slash else 1
    if every < 1:
        raise _UnreadableError(f"the {field.name} '{part}' has a step of {every}")
    if span == "*":
        return range(field.least, field.most + 1, every)
    first, dash, last = span.partition("-")
    start = _within(first, field)
    end = _within(last, field) if dash else field.most if slash else start
    if start > end:
        raise _UnreadableError(f"the {field.name} '{part}' goes backwards; write it as two ranges with a comma")
    return range(start, end + 1, every)


def _within(text: str, field: _Field) -> int:
    value = _number(text, field, field.words)
    if not field.least <= value <= field.most:
        raise _UnreadableError(f"the {field.name} {value} is not from {field.least} to {field.most}")
    return value


def _number(text: str, field: _Field, words: Mapping[str, int]) -> int:
    known = words.get(text.upper())
    if known is not None:
        return known
    if not (text.isascii() and text.isdigit()) or len(text) > 3:  # noqa: PLR2004 -- no field has values of more digits
        words_too = f" or one of {', '.join(words)}" if words else ""
        raise _UnreadableError(f"the {field.name} '{text}' is no number{words_too}")
    return int(text)
