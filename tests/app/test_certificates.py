"""Certificates in Secrets that the HealingPolicy names: read seldom, by name, and told of where they end soon."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from tests.core.builders import NOON
from tests.core.thing_builders import certificate, tls_secret
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped
from tests.fakes.tenure import Sole

from prunella.api.common import Metadata, ObjectRef
from prunella.api.healing_policy import CertificateSecret
from prunella.api.incident import Incident, IncidentSpec
from prunella.api.names import Cause, Phase, Priority
from prunella.app.certificates import Certificates
from prunella.app.incidents.mailbox import Mailbox
from prunella.app.keys import WorkloadKey
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.things.certificate import Certificate
from prunella.core.things.leaf import Validity
from prunella.core.things.tls_secret import TlsSecret, Unread
from prunella.core.world import GONE, NOT_A_WORKLOAD
from prunella.settings import Settings

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


def told(place: Place) -> list[str]:
    """Kinds of what Incidents are about."""
    return [one.spec.target_ref.kind for one in place.api.all(Incident)]


def renewed(place: Place, **changes) -> Certificate:
    """Its Certificate, which cert-manager is to renew in ten days."""
    made = certificate(renewal_time=place.clock.now() + 10 * DAY, not_after=place.clock.now() + 40 * DAY, **changes)
    place.cluster.put(made)
    return made


async def test_cert_manager_tells_of_its_own():
    place, operator, _ = watching(keeper="web")
    renewed(place)
    await operator.run(7200)
    assert told(place) == []
    await operator.close()


@pytest.mark.parametrize(
    "other",
    [None, {"namespace": "office"}, {"name": "api"}, {"deletion_time": NOON}],
    ids=["it is gone", "one of another namespace", "another one", "it is being deleted"],
)
async def test_one_whose_certificate_is_not_there_is_looked_at_itself(other):
    place, operator, _ = watching(keeper="web")
    if other is not None:
        renewed(place, **other)
    await operator.run(300)
    assert told(place) == ["Secret"]
    await operator.close()


async def test_one_whose_certificate_is_deleted_is_looked_at_from_then_on():
    place, operator, _ = watching(keeper="web")
    renewed(place)
    await operator.run(7200)
    place.cluster.things.pop(("Certificate", "shop", "web"))
    await operator.run(3700)
    assert told(place) == ["Secret"]
    await operator.close()


async def test_a_certificate_that_cannot_be_watched_any_more_keeps_nothing_for_long():
    place, operator, made = watching(keeper="web")
    renewed(place)
    key = WorkloadKey("Secret", "shop", "web-tls")
    await operator.run(60)
    place.view.unseen.add("Certificate")
    for _ in range(9):
        operator.wake(key)
        await operator.run(60)
    assert told(place) == [], "a watch may only blink"
    place.view.unseen.clear()
    operator.wake(key)
    await operator.run(60)
    place.view.unseen.add("Certificate")
    operator.wake(key)
    await operator.run(9 * 60)
    operator.wake(key)
    await operator.run(1)
    assert told(place) == [], "each silence begins anew"
    await operator.run(60)
    operator.wake(key)
    await operator.run(60)
    assert told(place) == ["Secret"]
    assert await operator.things.target(made.ref, live=True) == made
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


def why(operator: Operator) -> str:
    """The message of its one Incident's condition RemediationAllowed."""
    return next(one.message for one in operator.incident.status.conditions if one.type == "RemediationAllowed")


async def judged(operator: Operator, seconds: int) -> int:
    """How often its one Incident is decided in so many seconds."""
    before = operator.served
    await operator.run(seconds)
    return operator.served - before


async def test_one_that_left_the_list_says_so_and_is_left_alone_until_it_is_named_again():
    place, operator, _ = watching()
    await operator.run(400)
    place.policy()
    await operator.run(5)
    assert operator.condition("RemediationAllowed") == ("False", "EvidenceMissing")
    assert why(operator) == (
        "the HealingPolicy does not name Secret 'shop/web-tls' in `spec.certificates` any more: "
        "whether the target is well can't be told, and nothing is done on a guess"
    )
    assert await judged(operator, 600) < 20
    place.policy(certificates=named())
    lasting(place, 90)
    await operator.run(400)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_one_that_may_not_be_read_any_more_says_so_and_is_looked_at_when_it_is_read_again():
    place, operator, _ = watching()
    await operator.run(400)
    place.cluster.tls_secrets[WEB] = Unread.FORBIDDEN
    await operator.run(65)
    assert operator.condition("RemediationAllowed") == ("False", "EvidenceMissing")
    assert why(operator).startswith(
        "Prunella may not `get` Secret 'shop/web-tls' (the HealingPolicy's condition Ready has the commands that grant it): whether"
    )
    assert await judged(operator, 600) < 50
    lasting(place, 90)
    await operator.run(61)
    assert operator.condition("RemediationAllowed") == ("False", "TargetHealthy")
    await operator.run(300)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_one_whose_certificate_cannot_be_read_says_so_until_it_can():
    place, operator, _ = watching()
    await operator.run(400)
    assert operator.condition("RemediationAllowed")[1] != "EvidenceMissing"
    place.cluster.tls_secrets[WEB] = tls_secret(holds=None, unreadable="it has no tls.crt")
    await operator.run(65)
    assert operator.condition("RemediationAllowed") == ("False", "EvidenceMissing")
    assert why(operator).startswith("Secret 'shop/web-tls' can't be judged (it has no tls.crt): whether")
    assert await judged(operator, 600) < 50
    lasting(place, 90)
    await operator.run(361)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_one_that_has_no_answer_says_that_and_nothing_of_a_watch():
    place, operator, made = watching()
    await operator.run(400)
    reads = place.cluster.tls_secret

    async def silent(namespace: str, name: str) -> UnknownT:
        return UNKNOWN

    place.cluster.tls_secret = silent  # type: ignore[method-assign]
    await operator.run(80)
    assert why(operator).startswith("the target could not be read: ")
    await operator.run(370)
    assert operator.things.hidden(operator.incident) == "Secret 'shop/web-tls' can't be read since 2026-11-24 12:07"
    assert why(operator).startswith("Secret 'shop/web-tls' can't be read since 2026-11-24 12:07: whether")
    assert await judged(operator, 600) < 50
    place.cluster.tls_secret = reads  # type: ignore[method-assign]
    await operator.run(61)
    assert operator.condition("RemediationAllowed")[1] != "EvidenceMissing"
    assert await operator.things.target(made.ref) == made
    await operator.close()


async def test_a_person_may_report_a_secret_that_the_policy_does_not_name():
    place = shop(certificates=named())
    lasting(place, 60)
    operator = Operator(place)
    ref = ObjectRef(api_version="v1", kind="Secret", namespace="shop", name="passwords")
    place.api.apply(Incident(metadata=Metadata(name="leaked", namespace="shop"), spec=IncidentSpec(target_ref=ref, title="the password leaked")))
    await operator.run(30)
    assert operator.condition("RemediationAllowed") == ("False", "NoRunbookMatches")
    assert await judged(operator, 600) < 30
    assert set(place.cluster.secrets_read) == {WEB}
    world = await operator.gatherer.world(operator.incident, Mailbox())
    assert (world.target, world.finding, world.hidden) == (NOT_A_WORKLOAD, None, "")
    place.policy(certificates=named("passwords"))
    world = await operator.gatherer.world(operator.incident, Mailbox())
    assert world.target is UNKNOWN, "once it is named, it is one of ours to see"
    await operator.close()


def problems(operator: Operator) -> list[str] | None:
    found = operator.things.certificates.problems("prunella-system")
    return None if found is None else [one.message for one in found]


async def test_what_was_known_of_one_stands_through_a_read_without_an_answer_and_one_that_lasts_is_told():
    place = shop(certificates=named())
    place.cluster.tls_secrets[WEB] = Unread.FORBIDDEN
    operator = Operator(place)
    await operator.run(5)
    missing = problems(operator)
    assert missing is not None
    assert missing[0].startswith("Prunella may not `get` Secret 'shop/web-tls'")
    place.cluster.unreadable = True
    await operator.run(240)
    assert (problems(operator), len(place.cluster.secrets_read)) == (missing, 5)
    await operator.run(180)
    said = (
        "Secret 'shop/web-tls' of `spec.certificates` can't be read since 2026-11-24 12:01: "
        "the API server gives no answer, or one that is no Secret; it is tried again each minute"
    )
    assert problems(operator) == [said]
    place.cluster.unreadable = False
    await operator.run(60)
    assert problems(operator) == missing
    lasting(place, 60)
    await operator.run(60)
    assert problems(operator) == []
    await operator.close()


async def test_one_that_never_had_an_answer_is_not_taken_to_be_well():
    place = shop(certificates=named())
    place.cluster.unreadable = True
    operator = Operator(place)
    await operator.run(290)
    assert problems(operator) is None
    await operator.run(20)
    found = operator.things.certificates.problems("prunella-system")
    assert [one.reason for one in found or ()] == ["CertificateUnreadable"]
    await operator.close()


async def test_one_in_a_namespace_that_is_not_watched_is_refused_and_never_read():
    place = shop(certificates=(*named(), CertificateSecret(namespace="office", secret_name="door")))
    lasting(place, 60)
    certificates = Certificates(place.view, place.cluster, place.clock, Sole(), ("shop", "prunella-system"))
    for key in (WorkloadKey("Secret", "shop", "web-tls"), WorkloadKey("Secret", "office", "door")):
        await certificates.look(key)
    assert place.cluster.secrets_read == [WEB]
    assert certificates.known() == [WorkloadKey("Secret", "shop", "web-tls")]
    assert [(one.reason, one.message) for one in certificates.problems("prunella-system") or ()] == [
        (
            "UnknownReference",
            (
                "Secret 'office/door' of `spec.certificates` is in a namespace that is not watched, where nobody would see an Incident about it: "
                "add 'office' to the operator's `--watch-namespaces`, or take it out of the list"
            ),
        )
    ]


def test_the_namespaces_whose_incidents_are_watched_are_those_of_the_flag_and_our_own():
    assert Settings().incident_namespaces == ()
    assert Settings(watch_namespaces=("shop",)).incident_namespaces == ("shop", "prunella-system")


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
