"""Certificates in Secrets that the HealingPolicy names: read seldom, by name, and told of where they end soon."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.thing_builders import tls_secret
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped
from tests.fakes.tenure import Sole

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import CertificateSecret
from prunella.api.incident import Incident
from prunella.api.names import Cause, Phase, Priority
from prunella.core.facts import UNKNOWN
from prunella.core.things.leaf import Validity
from prunella.core.things.tls_secret import TlsSecret, Unread
from prunella.core.world import GONE

DAY = timedelta(days=1)
WEB = ("shop", "web-tls")


def named(*names: str) -> tuple[CertificateSecret, ...]:
    return tuple(CertificateSecret(namespace="shop", secret_name=one) for one in names or ("web-tls",))


def lasting(place: Place, days: float, **changes) -> TlsSecret:
    """web-tls holds for so many days from now on, of ninety."""
    end = place.clock.now() + days * DAY
    made = tls_secret(begins=end - 90 * DAY, ends=end, **changes)
    place.cluster.tls_secrets[WEB] = made
    return made


def watching(*runbooks, days: float = 3, **changes) -> tuple[Place, Operator, TlsSecret]:
    place = shop(*runbooks, certificates=named())
    made = lasting(place, days, **changes)
    return place, Operator(place), made


async def test_one_that_ends_in_three_days_opens_one_incident_about_the_secret_which_only_tells():
    place, operator, made = watching(shipped())
    await operator.run(300)
    incident = operator.incident
    assert (incident.metadata.namespace, incident.spec.target_ref) == ("shop", made.ref)
    assert incident.spec.title == "web-tls: its certificate expires at 2026-11-27 12:00, and nothing has renewed it"
    assert (incident.status.cause, incident.status.target, incident.status.priority) == (Cause.CERTIFICATE_EXPIRING, "secret/web-tls", Priority.P3)
    assert operator.condition("RemediationAllowed") == ("False", "NoRunbookMatches")
    assert [one.receiver for one in incident.status.escalation.messages] != []
    assert (place.cluster.effects, operator.remediations) == ([], [])
    await operator.close()


async def test_a_renewal_is_seen_within_a_minute_and_ends_it():
    place, operator, made = watching()
    await operator.run(60)
    assert operator.incident.status.phase is Phase.TRIGGERED
    assert made.holds is not None
    place.cluster.tls_secrets[WEB] = replace(made, holds=Validity(place.clock.now(), made.holds.not_after + 90 * DAY))
    await operator.run(61)
    read = len(place.cluster.secrets_read)
    assert operator.incident.status.phase is not Phase.RESOLVED
    await operator.run(300)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    assert len(place.cluster.secrets_read) == read, "it is well: an hour is early enough"
    await operator.close()


async def test_one_that_is_not_due_is_read_once_an_hour_and_any_other_never():
    place, operator, _ = watching(days=60)
    place.cluster.tls_secrets["shop", "passwords"] = tls_secret(name="passwords", ends=place.clock.now())
    await operator.run(12 * 3600)
    assert set(place.cluster.secrets_read) == {WEB}
    assert 11 <= len(place.cluster.secrets_read) <= 13
    assert place.api.all(Incident) == []
    await operator.close()


async def test_not_all_are_read_at_the_same_time():
    names = tuple(f"tls-{number}" for number in range(20))
    place = shop(certificates=named(*names))
    place.cluster.tls_secrets = {("shop", one): tls_secret(name=one) for one in names}
    operator = Operator(place)
    await operator.run(3600)
    assert len(place.cluster.secrets_read) == 20
    await operator.run(360)
    assert len(place.cluster.secrets_read) == 40
    times = {await operator.things.certificates.look(key) for key in operator.things.certificates.named()}
    assert len(times) == 20
    await operator.close()


async def test_when_it_becomes_due_it_is_read_again_before_it_is_told():
    place, operator, made = watching(days=21.02)
    await operator.run(1600)
    assert place.cluster.secrets_read == [WEB]
    assert made.holds is not None
    place.cluster.tls_secrets[WEB] = replace(made, holds=replace(made.holds, not_after=made.holds.not_after + 90 * DAY))
    await operator.run(7200)
    assert (place.api.all(Incident), len(place.cluster.secrets_read)) == ([], 3)
    await operator.close()


async def test_a_change_of_the_policy_reads_them_at_once():
    place, operator, _ = watching(days=60)
    await operator.run(5)
    place.policy(certificates=named("web-tls", "api-tls"))
    await operator.run(5)
    assert place.cluster.secrets_read == [WEB, WEB, ("shop", "api-tls")]
    await operator.close()


async def test_cert_manager_tells_of_its_own():
    place, operator, _ = watching(managed=True)
    await operator.run(7200)
    assert place.api.all(Incident) == []
    await operator.close()


@pytest.mark.parametrize(
    "unread",
    [Unread.FORBIDDEN, tls_secret(holds=None, unreadable="it has no tls.crt"), UNKNOWN],
    ids=["the right is missing", "there is no certificate in it", "there is no answer"],
)
async def test_what_cannot_be_read_opens_nothing_and_ends_nothing(unread):
    place, operator, made = watching(days=-1)

    def hide() -> None:
        place.cluster.unreadable = unread is UNKNOWN
        place.cluster.tls_secrets[WEB] = made if unread is UNKNOWN else unread

    hide()
    await operator.run(600)
    assert place.api.all(Incident) == []
    place.cluster.unreadable = False
    place.cluster.tls_secrets[WEB] = made
    await operator.run(60)
    assert operator.incident.status.phase is Phase.TRIGGERED, "within a minute of the right's return"
    hide()
    await operator.run(7200)
    assert operator.incident.status.times.resolved_time is None
    place.cluster.unreadable = False
    lasting(place, 90)
    await operator.run(400)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_a_secret_that_is_deleted_or_made_anew_ends_it():
    place, operator, made = watching()
    await operator.run(60)
    del place.cluster.tls_secrets[WEB]
    await operator.run(65)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    place.cluster.tls_secrets[WEB] = replace(made, uid="another")
    await operator.run(65)
    assert sorted(one.status.phase for one in place.api.all(Incident)) == [Phase.RESOLVED, Phase.TRIGGERED]
    await operator.close()


async def test_one_that_is_not_named_any_more_is_not_read_again_and_not_taken_to_be_well():
    place, operator, _ = watching()
    await operator.run(60)
    place.policy()
    await operator.run(1)
    place.cluster.secrets_read.clear()
    await operator.run(7200)
    assert place.cluster.secrets_read == []
    assert operator.incident.status.times.resolved_time is None
    assert operator.things.certificates.known() == []
    await operator.close()


async def test_a_restart_finds_it_again_and_opens_no_second():
    place, operator, _ = watching()
    await operator.run(60)
    await operator.close()
    again = Operator(place)
    await again.run(400)
    assert again.incident.status.phase is Phase.TRIGGERED
    await again.close()


async def test_a_standby_reads_nothing():
    place = shop(certificates=named())
    lasting(place, 3)
    operator = Operator(place, Sole(leads=False))
    await operator.run(7200)
    assert (place.cluster.secrets_read, place.api.all(Incident)) == ([], [])
    await operator.close()


async def test_a_target_is_read_live_where_that_is_asked_for_and_only_if_it_is_named():
    place, operator, made = watching(days=60)
    target, ref = operator.things.target, made.ref
    assert await target(ref) is UNKNOWN, "nothing was read yet"
    await operator.run(1)
    assert await target(ref) == made
    assert await target(ref.model_copy(update={"uid": "another"})) is GONE
    newer = lasting(place, 90)
    assert (await target(ref), await target(ref, live=True)) == (made, newer)
    place.cluster.tls_secrets[WEB] = Unread.FORBIDDEN
    assert await target(ref, live=True) is UNKNOWN
    del place.cluster.tls_secrets[WEB]
    assert await target(ref, live=True) is GONE
    read = len(place.cluster.secrets_read)
    assert await target(ObjectRef(api_version="v1", kind="Secret", namespace="shop", name="passwords"), live=True) is UNKNOWN
    assert len(place.cluster.secrets_read) == read
    place.api.delete("HealingPolicy", "", "default")
    assert await target(ref, live=True) is UNKNOWN
    await operator.close()
