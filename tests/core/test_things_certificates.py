"""Certificates of cert-manager that are not renewed in time."""

from __future__ import annotations

import pytest

from prunella.api.names import Cause

from .builders import NOON, ago, later
from .thing_builders import certificate, look, said


def test_one_that_was_to_be_renewed_an_hour_ago_is_told_with_what_the_last_try_said():
    failed = said("Issuing", "False", "Failed", message="The certificate request has failed: acme: rate limited")
    seen = look(certificate(issuing=failed))
    assert seen.finding is not None
    assert seen.finding.cause is Cause.CERTIFICATE_EXPIRING
    assert seen.finding.summary == (
        "web: it expires at 2026-12-04 12:00 and was to be renewed at 2026-11-24 10:00; the last try failed (Failed: The certificate request has "
        "failed: acme: rate limited)"
    )
    assert (seen.finding.started_time, seen.finding.open_time, seen.look_again) == (ago(7200), ago(3600), later(10 * 86_400))


@pytest.mark.parametrize(
    ("conditions", "why"),
    [
        ({"issuing": said("Issuing", "True", "Renewing", message="Renewing certificate")}, "it is being renewed (Renewing: Renewing certificate)"),
        ({"unready": said("Ready", "False", "Expired", message="Certificate expired")}, "Expired: Certificate expired"),
        ({}, "no try is told of"),
    ],
    ids=["a renewal hangs", "it is not ready", "nobody tries"],
)
def test_why_is_in_its_controllers_words(conditions, why):
    finding = look(certificate(**conditions)).finding
    assert finding is not None
    assert finding.summary.endswith(f"; {why}")


def test_one_that_has_expired_says_so():
    finding = look(certificate(not_after=ago(60))).finding
    assert finding is not None
    assert "web: it expired at 2026-11-24 11:59" in finding.summary
    unplanned = look(certificate(not_after=ago(4000), renewal_time=None))
    assert unplanned.finding is not None
    assert (unplanned.finding.started_time, unplanned.finding.open_time) == (ago(4000), ago(400))


def test_a_renewal_has_an_hour():
    seen = look(certificate(renewal_time=ago(600)))
    assert seen.finding is not None
    assert (seen.finding.open_time, seen.look_again) == (later(3000), later(3000))


@pytest.mark.parametrize(
    ("one", "again"),
    [
        (certificate(renewal_time=later(60)), later(60)),
        (certificate(renewal_time=None), later(10 * 86_400)),
        (certificate(not_after=None, renewal_time=None, unready=said("Ready", "False", "DoesNotExist")), None),
        (certificate(deletion_time=NOON), None),
    ],
    ids=["its time has not come", "nothing says when it is to be renewed", "it was never issued", "it is being deleted"],
)
def test_any_other_is_well_and_says_when_it_is_due(one, again):
    seen = look(one)
    assert (seen.finding, seen.look_again) == (None, again)
