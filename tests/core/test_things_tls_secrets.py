"""TLS Secrets that are named: told of in the last third of their certificate's life, or three weeks before its end."""

from __future__ import annotations

from datetime import timedelta

import pytest

from prunella.api.names import Cause
from prunella.core.things.leaf import Validity

from .builders import NOON, ago, later
from .thing_builders import look, tls_secret

DAY = 86_400


def test_one_that_expires_in_three_days_is_told_since_it_was_due():
    seen = look(tls_secret(begins=ago(87 * DAY), ends=later(3 * DAY)))
    assert seen.finding is not None
    assert seen.finding.cause is Cause.CERTIFICATE_EXPIRING
    assert seen.finding.summary == "web-tls: its certificate expires at 2026-11-27 12:00, and nothing has renewed it"
    assert (seen.finding.subject.kind, seen.finding.subject.name) == ("Secret", "web-tls")
    assert (seen.finding.started_time, seen.finding.open_time, seen.look_again) == (ago(18 * DAY), ago(18 * DAY - 3600), later(3 * DAY))


def test_one_that_has_expired_says_so():
    seen = look(tls_secret(begins=ago(90 * DAY), ends=NOON))
    assert seen.finding is not None
    assert seen.finding.summary == "web-tls: its certificate expired at 2026-11-24 12:00"
    assert seen.look_again is None


def test_it_has_an_hour_from_when_it_is_due():
    seen = look(tls_secret(begins=ago(200), ends=later(100)))
    assert seen.finding is not None
    assert (seen.finding.started_time, seen.finding.open_time, seen.look_again) == (NOON, later(3600), later(100))


@pytest.mark.parametrize(
    ("days", "before"),
    [(1, timedelta(hours=8)), (30, timedelta(days=10)), (63, timedelta(days=21)), (90, timedelta(days=21)), (7300, timedelta(days=21))],
    ids=["a day", "a month", "nine weeks", "three months", "twenty years"],
)
def test_it_is_due_in_the_last_third_and_not_earlier_than_three_weeks_before_its_end(days, before):
    one = tls_secret(begins=ago(0), ends=later(days * DAY))
    assert one.due_time == later(days * DAY) - before
    seen = look(one)
    assert (seen.finding, seen.look_again, seen.settled) == (None, one.due_time, True)


@pytest.mark.parametrize(
    ("changes", "settled"),
    [({"managed": True}, True), ({"holds": None, "unreadable": "its type is not kubernetes.io/tls"}, False), ({"deletion_time": NOON}, True)],
    ids=["cert-manager tells of its own Certificate", "what can't be read is not known to be well", "it is being deleted"],
)
def test_of_any_other_nothing_is_found(changes, settled):
    seen = look(tls_secret(begins=ago(90 * DAY), ends=ago(DAY), **changes))
    assert (seen.finding, seen.look_again, seen.settled) == (None, None, settled)


@pytest.mark.parametrize("changes", [{"managed": True}, {"holds": None}])
def test_and_nothing_is_due(changes):
    assert tls_secret(**changes).due_time is None
    assert tls_secret().holds == Validity(ago(30 * DAY), later(60 * DAY))
