"""Attempts and the Incident are read beside each other: when such a list may be believed, and which of it are the Incident's."""

from __future__ import annotations

import pytest
from tests.core.incident_builders import remediation, watched

from prunella.api.names import RemediationPhase
from prunella.api.remediation import Remediation
from prunella.app.listing import Listing


@pytest.mark.parametrize(
    ("listed", "incident", "believed"),
    [
        ("100", "99", True),
        ("100", "100", True),
        ("100", "101", False),
        ("1000", "999", True),
        ("999", "1000", False),
        ("", "1", False),
        ("1", "", False),
        ("abc", "abc", False),
        ("-5", "-6", False),
    ],
    ids=["later", "the same", "earlier", "more digits", "fewer digits", "none of the list", "none of the object", "no numbers", "signed"],
)
def test_a_list_from_before_an_objects_last_write_is_not_believed(listed, incident, believed):
    assert Listing((), listed).shows_all_before(incident) is believed


def named(name: str, uid: str = "") -> Remediation:
    one = remediation(RemediationPhase.PENDING)
    ref = one.spec.incident_ref.model_copy(update={"uid": uid or watched().metadata.uid})
    return one.model_copy(
        update={"metadata": one.metadata.model_copy(update={"name": name}), "spec": one.spec.model_copy(update={"incident_ref": ref})}
    )


def test_attempts_of_an_incident_are_those_with_its_uid_in_the_order_of_their_numbers():
    names = ("checkout-7f3kq-10", "checkout-7f3kq-2", "checkout-7f3kq-x", "checkout-7f3kq-1")
    listing = Listing((*map(named, names), named("checkout-7f3kq-3", "of-an-earlier-incident")), "7")
    assert [one.metadata.name for one in listing.of(watched())] == ["checkout-7f3kq-x", "checkout-7f3kq-1", "checkout-7f3kq-2", "checkout-7f3kq-10"]
