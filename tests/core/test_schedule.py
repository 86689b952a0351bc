"""Schedules: cron's five fields as a CronJob reads them; what can't be read has no meaning at all."""

from __future__ import annotations

from datetime import datetime

import pytest

from prunella.core.healing.notation import schedule
from prunella.core.healing.notation.schedule import BadSchedule, Schedule

ALL_DAYS, ALL_MONTHS, WEEK = frozenset(range(1, 32)), frozenset(range(1, 13)), frozenset(range(7))


def parts(text):
    read = schedule.read(text)
    assert isinstance(read, Schedule), read
    return read.minutes, read.hours, read.days, read.months, read.weekdays


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 18 * * *", ((0,), (18,), ALL_DAYS, ALL_MONTHS, WEEK)),
        ("*/20 * * * *", ((0, 20, 40), tuple(range(24)), ALL_DAYS, ALL_MONTHS, WEEK)),
        ("50/5 0 * * *", ((50, 55), (0,), ALL_DAYS, ALL_MONTHS, WEEK)),
        ("5,1-3 0 * * *", ((1, 2, 3, 5), (0,), ALL_DAYS, ALL_MONTHS, WEEK)),
        ("0 8-17/4 * * *", ((0,), (8, 12, 16), ALL_DAYS, ALL_MONTHS, WEEK)),
        ("0 0 1 jan,DEC *", ((0,), (0,), frozenset({1}), frozenset({1, 12}), WEEK)),
        ("0 0 * * mon-fri", ((0,), (0,), ALL_DAYS, ALL_MONTHS, frozenset(range(1, 6)))),
        ("0 0 * * 5-7", ((0,), (0,), ALL_DAYS, ALL_MONTHS, frozenset({5, 6, 0}))),
        ("0 0 * * 7", ((0,), (0,), ALL_DAYS, ALL_MONTHS, frozenset({0}))),
        ("  0   0 29 2 * ", ((0,), (0,), frozenset({29}), frozenset({2}), WEEK)),
    ],
)
def test_the_five_fields_are_those_of_cron(text, expected):
    assert parts(text) == expected


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "'' has 0 fields; a schedule has five: minute, hour, day of the month, month, day of the week"),
        ("@daily", "'@daily' has 1 fields; a schedule has five: minute, hour, day of the month, month, day of the week"),
        ("0 0 0 * * *", "'0 0 0 * * *' has 6 fields; a schedule has five: minute, hour, day of the month, month, day of the week"),
        ("60 0 * * *", "the minute 60 is not from 0 to 59"),
        ("0 24 * * *", "the hour 24 is not from 0 to 23"),
        ("0 0 0 * *", "the day of the month 0 is not from 1 to 31"),
        ("0 0 * 13 *", "the month 13 is not from 1 to 12"),
        ("0 0 * * 8", "the day of the week 8 is not from 0 to 7"),
        ("0 0 * * fry", "the day of the week 'fry' is no number or one of SUN, MON, TUE, WED, THU, FRI, SAT"),
        ("0 MON * * *", "the hour 'MON' is no number"),
        ("0 22-2 * * *", "the hour '22-2' goes backwards; write it as two ranges with a comma"),
        ("*/0 * * * *", "the minute '*/0' has a step of 0"),
        ("*/ * * * *", "the minute '' is no number"),
        ("1, 0 * * *", "the minute '' is no number"),
        ("-1 0 * * *", "the minute '' is no number"),
        ("1-2-3 0 * * *", "the minute '2-3' is no number"),
        ("1/2/3 0 * * *", "the minute '2/3' is no number"),
        ("\u0663 0 * * *", "the minute '\u0663' is no number"),
        ("0 0 ? * *", "the day of the month '?' is no number"),
        ("0 0 * L *", "the month 'L' is no number or one of JAN, FEB, MAR, APR, MAY, JUN, JUL, AUG, SEP, OCT, NOV, DEC"),
        ("0 0 31 4,6 *", "'0 0 31 4,6 *' never comes: none of its months has such a day"),
        ("0 0 30-31 2 *", "'0 0 30-31 2 *' never comes: none of its months has such a day"),
    ],
)
def test_what_cannot_be_read_says_which_field_and_why(text, why):
    assert schedule.read(text) == BadSchedule(why)


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("0 0 13 * *", [13]),
        ("0 0 * * FRI", [6, 13, 20, 27]),
        ("0 0 13 * MON", [2, 9, 13, 16, 23, 30]),
        ("0 0 */15 * MON", [1, 2, 9, 16, 23, 30, 31]),
        ("0 0 */1 * MON", [2, 9, 16, 23, 30]),
        ("0 0 31 2 MON", []),
    ],
    ids=["by day", "by weekday", "either where both are restricted", "a step restricts", "a step of one does not", "another month"],
)
def test_where_both_fields_for_days_are_restricted_either_is_enough(text, days):
    read = schedule.read(text)
    found = list(read.between(datetime(2026, 3, 1), datetime(2026, 3, 31, 23, 59)))
    assert [one.day for one in found] == days


def test_times_come_in_order_and_backwards_where_the_end_is_the_earlier_one():
    read = schedule.read("0,30 9,17 * * *")
    first, last = datetime(2026, 3, 1, 9, 30), datetime(2026, 3, 2, 17, 0)
    onward = [datetime(2026, 3, *at) for at in ((1, 9, 30), (1, 17, 0), (1, 17, 30), (2, 9, 0), (2, 9, 30), (2, 17, 0))]
    assert list(read.between(first, last)) == onward
    assert list(read.between(last, first)) == onward[::-1]
