"""What is remembered of alerts that ended before they were known."""

from __future__ import annotations

import pytest

from prunella.core.incident import tombstones
from prunella.core.incident.tombstones import Tombstones

from .builders import later
from .incident_builders import Story, alert, watched


@pytest.mark.parametrize(
    ("starts", "now", "stale"),
    [(-60, 20, True), (10, 20, True), (11, 20, False), (-60, 10 + 86_400, True), (-60, 11 + 86_400, False)],
    ids=["older", "at its end", "newer", "a day later", "forgotten after a day"],
)
def test_c06_c07_a_firing_that_began_before_its_resolve_is_stale(starts, now, stale):
    known = Tombstones()
    known.resolved(alert(state="resolved", at=10))
    assert known.stale(alert(at=20, starts=starts), later(now)) is stale


def test_an_alert_that_nobody_resolved_is_not_stale():
    assert not Tombstones().stale(alert(), later(0))


def test_an_older_resolve_takes_nothing_back():
    known = Tombstones()
    known.resolved(alert(state="resolved", at=100))
    known.resolved(alert(state="resolved", at=50))
    assert known.stale(alert(starts=80), later(120))


def test_what_is_stored_on_incidents_is_known_again_after_a_restart():
    story = Story(watched())
    story.at(10, alerts=(alert(state="resolved", at=10),))
    known = Tombstones([story.incident])
    assert len(known) == 1
    assert known.stale(alert(starts=-5), later(20))


def test_the_memory_is_bounded_and_forgets_the_oldest():
    known = Tombstones()
    for number in range(tombstones.CAP + 5):
        known.resolved(alert(f"{number:016x}", state="resolved", at=10))
    assert len(known) == tombstones.CAP
    assert not known.stale(alert(f"{0:016x}", starts=-5), later(20))
    assert known.stale(alert(f"{tombstones.CAP:016x}", starts=-5), later(20))
