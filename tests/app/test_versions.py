"""An event is passed over only where a decision that knew its version is carried out to its end."""

from __future__ import annotations

import pytest

from prunella.app.incidents.versions import Versions
from prunella.app.keys import IncidentKey

KEY = IncidentKey("shop", "checkout")
OTHER = IncidentKey("shop", "cart")


def begun(*told: str, read: str = "", wrote: str = "") -> Versions:
    """A decision under way that read and wrote these, and of which these events came meanwhile."""
    versions = Versions()
    versions.begin(KEY)
    for version in told:
        assert versions.known(KEY, version), "it is judged at the end"
    if read:
        versions.read(KEY, read)
    if wrote:
        versions.wrote(KEY, wrote)
    return versions


@pytest.mark.parametrize(
    ("versions", "again"),
    [
        (begun(read="1"), False),
        (begun("1", read="1"), False),
        (begun("1", "2", read="1", wrote="2"), False),
        (begun("2", read="1"), True),
        (begun("1", "3", read="1", wrote="2"), True),
        (begun("1", read="2"), True),
        (begun("1"), True),
    ],
    ids=["nothing came", "what was read", "what was written", "a later one", "a later one than ours", "an older one", "it was never read"],
)
def test_what_was_told_while_it_was_decided_is_looked_at_unless_the_decision_knew_it(versions, again):
    assert versions.end(KEY) is again
    assert not versions.end(KEY), "once"


@pytest.mark.parametrize(
    ("versions", "again"),
    [(begun(read="1"), False), (begun("1", read="1"), True), (begun(read="1", wrote="2"), True)],
    ids=["nothing to know", "an event was passed over", "its own event may have been"],
)
def test_a_decision_that_fails_owes_another_look_only_where_an_event_may_be_lost(versions, again):
    assert versions.fail(KEY) is again
    assert not versions.known(KEY, "1")
    assert not versions.known(KEY, "2")


def test_our_own_last_word_is_known_until_the_incident_is_gone():
    versions = begun(read="1", wrote="2")
    versions.end(KEY)
    assert (versions.known(KEY, "2"), versions.known(KEY, "1"), versions.known(KEY, "3")) == (True, False, False)
    assert not versions.known(OTHER, "2")
    versions.forget(KEY)
    assert not versions.known(KEY, "2")


def test_an_event_without_a_version_is_always_looked_at():
    assert not begun(read="1").known(KEY, "")
