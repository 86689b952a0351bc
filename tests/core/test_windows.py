"""Windows: what is open is told backwards from now, DST neither loses nor doubles one, and what can't be understood holds everything back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prunella.adapters.zones import zone_of
from prunella.api.windows import Window, Windows
from prunella.core.healing.notation import windows
from prunella.core.healing.refusal import Refusal

from .healing_builders import ill


def window(schedule: str, hours: float, zone: str = "UTC", name: str = "w") -> Window:
    return Window(name=name, schedule=schedule, duration_seconds=round(hours * 3600), time_zone=zone, reason=f"because of {name}")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def openings(one: Window, first: str, last: str) -> list[tuple[str, str]]:
    """Every opening of that stretch, with its end, in UTC."""
    found, now = [], utc(first) - timedelta(seconds=1)
    while (start := windows.next_start(one, now, zone_of)) is not None and start <= utc(last):
        until = windows.open_until(one, start, zone_of)
        assert until is not None
        found.append((f"{start:%m-%d %H:%M}", f"{until:%m-%d %H:%M}"))
        now = start
    return found


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-11-27 17:59:59", None),
        ("2026-11-27 18:00:00", "2026-11-30 06:00:00"),
        ("2026-11-28 12:00:00", "2026-11-30 06:00:00"),
        ("2026-11-30 05:59:59.999999", "2026-11-30 06:00:00"),
        ("2026-11-30 06:00:00", None),
    ],
    ids=["a second before", "from its first instant", "the day after", "its last instant", "at its end"],
)
def test_a_window_over_a_weekend_is_open_from_its_start_until_its_end(at, until):
    one = window("0 18 * * FRI", 60)
    assert windows.open_until(one, utc(at), zone_of) == (utc(until) if until else None)


@pytest.mark.parametrize(
    ("schedule", "hours", "at", "until"),
    [
        ("0 22 * * *", 8, "2026-11-24 03:00:00", "2026-11-24 06:00:00"),
        ("0 22 * * *", 8, "2026-11-24 21:00:00", None),
        ("0 22 31 12 *", 8, "2027-01-01 03:00:00", "2027-01-01 06:00:00"),
        ("0 0 20 12 *", 24 * 14, "2027-01-02 12:00:00", "2027-01-03 00:00:00"),
        ("0 0 29 2 *", 24, "2028-02-29 12:00:00", "2028-03-01 00:00:00"),
        ("0 * * * *", 1, "2026-11-24 12:30:00", "2026-11-24 13:00:00"),
        ("0 * * * *", 3, "2026-11-24 12:30:00", "2026-11-24 15:00:00"),
        ("*/15 * * * *", 1 / 60, "2026-11-24 12:31:00", None),
        ("* * * * *", 24 * 30, "2026-11-24 12:31:30", "2026-12-24 12:31:00"),
    ],
    ids=[
        "over midnight",
        "before it begins again",
        "over new year",
        "two weeks around new year",
        "a leap day",
        "one follows the other",
        "the latest of several",
        "a minute that is over",
        "the longest and the most frequent",
    ],
)
def test_open_is_told_backwards_from_now(schedule, hours, at, until):
    assert windows.open_until(window(schedule, hours), utc(at), zone_of) == (utc(until) if until else None)


BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"


@pytest.mark.parametrize(
    ("zone", "schedule", "hours", "first", "last", "expected"),
    [
        # Berlin, 29 March 2026: 02:00 CET is 03:00 CEST. 25 October 2026: 03:00 CEST is 02:00 CET.
        (BERLIN, "30 2 * * *", 1, "2026-03-28 12:00", "2026-03-30 12:00", [("03-29 01:00", "03-29 02:00"), ("03-30 00:30", "03-30 01:30")]),
        (BERLIN, "0 2 * * *", 1, "2026-03-28 12:00", "2026-03-29 12:00", [("03-29 01:00", "03-29 02:00")]),
        (BERLIN, "0 3 * * *", 1, "2026-03-28 12:00", "2026-03-29 12:00", [("03-29 01:00", "03-29 02:00")]),
        (BERLIN, "0 22 * * *", 8, "2026-03-28 12:00", "2026-03-29 12:00", [("03-28 21:00", "03-29 05:00")]),
        (BERLIN, "30 2 * * *", 1, "2026-10-24 12:00", "2026-10-26 12:00", [("10-25 00:30", "10-25 01:30"), ("10-26 01:30", "10-26 02:30")]),
        (BERLIN, "0 22 * * *", 8, "2026-10-24 12:00", "2026-10-25 12:00", [("10-24 20:00", "10-25 04:00")]),
        # New York, 8 March 2026: 02:00 EST is 03:00 EDT. 1 November 2026: 02:00 EDT is 01:00 EST.
        (NEW_YORK, "15 2 * * *", 1, "2026-03-07 12:00", "2026-03-09 12:00", [("03-08 07:00", "03-08 08:00"), ("03-09 06:15", "03-09 07:15")]),
        (NEW_YORK, "30 1 * * *", 1, "2026-10-31 12:00", "2026-11-02 12:00", [("11-01 05:30", "11-01 06:30"), ("11-02 06:30", "11-02 07:30")]),
        # Lord Howe shifts by half an hour. 5 April 2026: 02:00 (+11) is 01:30 (+10:30). 4 October 2026: 02:00 (+10:30) is 02:30 (+11).
        (LORD_HOWE, "45 1 * * *", 1, "2026-04-04 02:00", "2026-04-05 20:00", [("04-04 14:45", "04-04 15:45"), ("04-05 15:15", "04-05 16:15")]),
        (LORD_HOWE, "10 2 * * *", 1, "2026-10-03 02:00", "2026-10-04 20:00", [("10-03 15:30", "10-03 16:30"), ("10-04 15:10", "10-04 16:10")]),
        ("UTC", "30 2 * * *", 1, "2026-03-29 00:00", "2026-03-30 00:00", [("03-29 02:30", "03-29 03:30")]),
    ],
    ids=[
        "Berlin, in the hour that is skipped",
        "Berlin, at its beginning",
        "Berlin, at its end",
        "Berlin, eight real hours over a short night",
        "Berlin, once in the hour that comes twice",
        "Berlin, eight real hours over a long night",
        "New York, in the hour that is skipped",
        "New York, once in the hour that comes twice",
        "Lord Howe, once in the half hour that comes twice",
        "Lord Howe, in the half hour that is skipped",
        "UTC has no such hours",
    ],
)
def test_dst_neither_loses_a_window_nor_opens_it_twice(zone, schedule, hours, first, last, expected):
    assert openings(window(schedule, hours, zone), first, last) == expected


@pytest.mark.parametrize("schedule", ["30 2 * * *", "0 * * * *", "*/20 0-3 * * *", "10 23,1 * * SAT,SUN"])
@pytest.mark.parametrize(
    ("zone", "day"),
    [
        (BERLIN, "2026-03-28"),
        (BERLIN, "2026-10-24"),
        (NEW_YORK, "2026-03-07"),
        (NEW_YORK, "2026-10-31"),
        (LORD_HOWE, "2026-04-04"),
        (LORD_HOWE, "2026-10-03"),
        ("America/Havana", "2026-03-07"),
        ("America/Havana", "2026-10-31"),
    ],
)
def test_looking_back_and_looking_ahead_agree_on_every_quarter_of_an_hour(schedule, zone, day):
    """Havana turns its clocks at midnight, so that a day begins at 1 o'clock, or its first hour comes twice."""
    one, begins = window(schedule, 0.6, zone), utc(f"{day} 00:00:00")
    starts = [begins - timedelta(days=1)]
    while starts[-1] < begins + timedelta(days=3):
        following = windows.next_start(one, starts[-1], zone_of)
        assert following is not None
        starts.append(following)
    for quarter in range(2 * 24 * 4):
        now = begins + timedelta(minutes=15 * quarter)
        ends = [start + timedelta(hours=0.6) for start in starts[1:] if start <= now < start + timedelta(hours=0.6)]
        assert windows.open_until(one, now, zone_of) == max(ends, default=None), now


@pytest.mark.parametrize(
    ("at", "opened"),
    [("00:29", False), ("00:30", True), ("01:29", True), ("01:30", False), ("01:45", False)],
    ids=["before", "the first 02:30", "its last minute", "the second 02:30", "a quarter after that"],
)
def test_in_the_hour_that_comes_twice_a_window_is_open_for_its_real_duration_once(at, opened):
    one = window("30 2 * * *", 1, BERLIN)
    assert (windows.open_until(one, utc(f"2026-10-25 {at}:00"), zone_of) is not None) == opened


def test_the_next_opening_is_looked_for_more_than_a_year_ahead_and_not_for_ever():
    assert windows.next_start(window("0 0 24 11 *", 1), utc("2026-11-24 00:00:00"), zone_of) == utc("2027-11-24 00:00:00")
    assert windows.next_start(window("0 0 29 2 *", 1), utc("2026-11-24 00:00:00"), zone_of) is None


NOON = utc("2026-11-24 12:00:00")
OPEN, LONGER, NIGHT, MORNING = (
    window("0 11 * * *", 2, name="open"),
    window("0 10 * * *", 5, "Europe/Berlin", name="longer"),
    window("0 22 * * *", 8, "Europe/Berlin", name="night"),
    window("0 8 * * *", 1, name="morning"),
)


@pytest.mark.parametrize(
    ("given", "message", "again"),
    [
        (Windows(), None, None),
        (Windows(deny=(NIGHT,)), None, None),
        (Windows(deny=(OPEN,)), "X, window 'open': because of open; nothing is begun until 2026-11-24 13:00 UTC", "2026-11-24 13:00:00"),
        (
            Windows(deny=(OPEN, LONGER)),
            "X, window 'longer': because of longer; nothing is begun until 2026-11-24 15:00 Europe/Berlin",
            "2026-11-24 14:00:00",
        ),
        (Windows(allow=(OPEN, NIGHT)), None, None),
        (
            Windows(allow=(OPEN,), deny=(OPEN,)),
            "X, window 'open': because of open; nothing is begun until 2026-11-24 13:00 UTC",
            "2026-11-24 13:00:00",
        ),
        (
            Windows(allow=(MORNING, NIGHT)),
            "X: no window that allows it is open; the next is 'night' (because of night) at 2026-11-24 22:00 Europe/Berlin",
            "2026-11-24 21:00:00",
        ),
        (Windows(allow=(window("0 0 29 2 *", 1),)), "X: none of its windows that allow it opens within 400 days", "2027-12-29 12:00:00"),
    ],
    ids=["none", "not now", "denied", "the last to end", "allowed", "denied whatever is allowed", "allowed later", "allowed in years"],
)
def test_a_refusal_says_which_window_why_and_until_when_in_its_own_time(given, message, again):
    expected = None if message is None else Refusal(reason="InWindow", message=message, look_again_time=utc(again))
    assert windows.refused("X", given, NOON, zone_of) == expected


NOWHERE, UNREADABLE = window("0 22 * * *", 1, "Europe/Berln", name="nowhere"), window("0 25 * * *", 1, name="unreadable")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            Windows(deny=(NOWHERE,)),
            "X, deny window 'nowhere': there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?; until that is mended nothing is begun",
        ),
        (
            Windows(allow=(OPEN, NOWHERE)),
            "X, allow window 'nowhere': there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?; until that is mended nothing is begun",
        ),
        (
            Windows(deny=(UNREADABLE,)),
            "X, deny window 'unreadable': the hour 25 is not from 0 to 23; until that is mended nothing is begun",
        ),
    ],
    ids=["an unknown zone", "another is open", "a schedule that can't be read"],
)
def test_what_cannot_be_understood_holds_everything_back(given, message):
    assert windows.refused("X", given, NOON, zone_of) == Refusal(reason="InWindow", message=message)


@pytest.mark.parametrize("one", [NOWHERE, UNREADABLE])
def test_a_window_that_cannot_be_understood_is_never_open_and_never_opens(one):
    assert windows.open_until(one, NOON, zone_of) is None
    assert windows.next_start(one, NOON, zone_of) is None


def test_without_a_database_of_zones_every_window_holds_back():
    refusal = windows.refused("X", Windows(allow=(OPEN,)), NOON, ill().zone_of)
    assert (refusal.reason, "'UTC' is not known here" in refusal.message) == ("InWindow", True)
