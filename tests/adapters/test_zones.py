"""Time zones: a name of IANA is a zone on every machine, and nothing else is; the nearest name is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from prunella.adapters.zones import zone_of
from prunella.core.world import NoZone


@pytest.mark.parametrize(
    ("name", "hours"),
    [("UTC", 0), ("Europe/Berlin", 1), ("America/New_York", -5), ("Australia/Lord_Howe", 11), ("Etc/GMT+3", -3), ("Asia/Calcutta", 5.5)],
)
def test_a_name_of_iana_is_a_zone(name, hours):
    zone = zone_of(name)
    assert not isinstance(zone, NoZone)
    assert datetime(2026, 1, 1, tzinfo=UTC).astimezone(zone).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("Europe/Berln", "there is no time zone 'Europe/Berln'; did you mean 'Europe/Berlin'?"),
        ("europe/berlin", "there is no time zone 'europe/berlin'; did you mean 'Europe/Berlin'?"),
        ("utc", "there is no time zone 'utc'; did you mean 'UTC'?"),
        ("qqqqqqqq", "there is no time zone 'qqqqqqqq'; it is a name such as 'Europe/Berlin' or 'UTC'"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(name, why):
    assert zone_of(name) == NoZone(why)


@pytest.mark.parametrize(
    "name", ["", "Europe", "localtime", "Factory", "posixrules", "right/UTC", "/etc/localtime", "../zoneinfo/UTC", "UTC\0", "+01:00", "\ud800"]
)
def test_what_lies_beside_the_zones_of_a_machine_is_none(name):
    assert isinstance(zone_of(name), NoZone)
