"""Our own kinds where the API server fails: a write that may have been done is read again, an object that can't be read is said."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.adapters.standin import Numbers, Object, Reply, Silence, StandIn, listed, refusal, standing_in

from prunella.adapters.kubernetes.client import connect_plainly
from prunella.adapters.kubernetes.store import Objects
from prunella.api.common import Metadata, ObjectRef
from prunella.api.incident import Incident, IncidentSpec
from prunella.app.errors import Permanent, Retryable
from prunella.core.facts import UNKNOWN

OURS = "/apis/prunella.dev/v1alpha1"
SHOP = f"{OURS}/namespaces/shop"
TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="web", uid="u-1")
INCIDENT = Incident(
    metadata=Metadata(name="web-7f3kq", namespace="shop", uid="i-1", resource_version="7"), spec=IncidentSpec(title="broken", target_ref=TARGET)
)
Write = Callable[[Objects], Awaitable[Any]]
WRITES: dict[str, tuple[str, str, Write]] = {
    "a create": ("POST", f"{SHOP}/incidents", lambda store: store.create_incident(INCIDENT)),
    "a status": ("PUT", f"{SHOP}/incidents/web-7f3kq/status", lambda store: store.put_incident_status(INCIDENT)),
    "a storm": ("PATCH", f"{OURS}/healingpolicies/default/status", lambda store: store.put_storm(None, None, None)),
}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
async def store(server: StandIn) -> AsyncIterator[Objects]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield Objects(api)


@pytest.mark.parametrize("what", WRITES)
@pytest.mark.parametrize("trouble", [refusal(500, "InternalError"), refusal(504, "Timeout"), Silence(cut=True)], ids=["500", "504", "cut"])
async def test_a_write_that_may_have_been_done_is_looked_at_again(store: Objects, server: StandIn, what: str, trouble: Reply | Silence):
    method, path, write = WRITES[what]
    server.answers(method, path, trouble)
    with pytest.raises(Retryable, match="whether it was done must be seen on the object"):
        await write(store)
    assert server.count(method) == 1


async def test_a_create_sends_what_a_person_would_send(store: Objects, server: StandIn):
    server.answers("POST", f"{SHOP}/incidents", Reply(stored_incident(), 201))
    created = await store.create_incident(INCIDENT)
    assert created.metadata.uid == "i-2"
    body = server.asked[0].body
    assert sorted(body) == ["apiVersion", "kind", "metadata", "spec"]
    assert body["metadata"] == {"name": "web-7f3kq", "namespace": "shop"}


async def test_a_status_names_the_version_it_was_made_for(store: Objects, server: StandIn):
    server.answers("PUT", f"{SHOP}/incidents/web-7f3kq/status", Reply(stored_incident()))
    await store.put_incident_status(INCIDENT)
    body = server.asked[0].body
    assert (body["metadata"]["resourceVersion"], body["metadata"]["uid"]) == ("7", "i-1")
    assert "status" in body


def stored_incident(**spec: Any) -> Object:
    meta = {"name": "web-7f3kq", "namespace": "shop", "uid": "i-2", "resourceVersion": "8", "managedFields": []}
    return {
        "apiVersion": "prunella.dev/v1alpha1",
        "kind": "Incident",
        "metadata": meta,
        "spec": {"title": "broken", "targetRef": TARGET.wire(), **spec},
    }


async def test_an_object_that_cannot_be_read_is_said_with_its_name(store: Objects, server: StandIn):
    server.answers("GET", f"{SHOP}/incidents/web-7f3kq", Reply(stored_incident(title="")))
    with pytest.raises(Permanent, match="Incident shop/web-7f3kq can't be read: String should have at least 1 character"):
        await store.incident("shop", "web-7f3kq")


async def test_an_attempt_that_cannot_be_read_may_hold_the_target_so_the_list_fails(store: Objects, server: StandIn):
    server.answers("GET", f"{SHOP}/remediations", listed({"metadata": {"name": "web-7f3kq-1", "namespace": "shop"}, "spec": {}}))
    with pytest.raises(Permanent, match="Remediation shop/web-7f3kq-1 can't be read"):
        await store.remediations_of(INCIDENT)


async def test_attempts_are_listed_page_by_page(store: Objects, server: StandIn):
    def attempt(number: int) -> Object:
        spec = {
            "incidentRef": {"name": "web-7f3kq", "uid": "i-1"},
            "targetRef": TARGET.wire(),
            "runbookRef": {"namespace": "prunella-system", "name": "x"},
            "attempt": 1,
            "mode": "Auto",
            "requestedBy": "prunella",
            "planHash": "a",
        }
        return {"metadata": {"name": f"web-7f3kq-{number}", "namespace": "shop"}, "spec": spec}

    pages = (listed(attempt(2), token="next", version="70"), listed(attempt(1), version="71"))
    server.answers("GET", f"{SHOP}/remediations", *pages)
    assert [one.metadata.name for one in await store.remediations_of(INCIDENT)] == ["web-7f3kq-1", "web-7f3kq-2"]
    server.answers("GET", f"{SHOP}/remediations", *pages)
    listing = await store.remediations_in("shop")
    assert (len(listing.attempts), listing.version) == (2, "70"), "it promises no more than its first page"


async def test_kinds_that_are_not_installed_are_no_empty_list(store: Objects):
    with pytest.raises(Permanent, match="are the CRDs installed"):
        await store.remediations_in("shop")


@pytest.mark.parametrize(
    "answer",
    [refusal(500, "InternalError"), refusal(403, "Forbidden"), Reply("<html>"), Reply({"metadata": {"name": "default"}, "spec": {"mode": "Maybe"}})],
    ids=["500", "403", "not JSON", "a value of another version"],
)
async def test_a_kill_switch_that_cannot_be_read_is_unknown(store: Objects, server: StandIn, answer: Reply):
    server.answers("GET", f"{OURS}/healingpolicies/default", answer)
    assert await store.healing_policy() is UNKNOWN


async def test_without_a_policy_there_is_none(store: Objects):
    assert await store.healing_policy() is None


@pytest.mark.parametrize(
    ("trouble", "level"),
    [
        (refusal(403, "Forbidden", "unable to create new content in namespace shop because it is being terminated"), "DEBUG"),
        (refusal(403, "Forbidden", "events is forbidden: User cannot create resource"), "WARNING"),
        (refusal(500, "InternalError"), "WARNING"),
        (Silence(cut=True), "WARNING"),
    ],
    ids=["the namespace goes", "403", "500", "cut"],
)
async def test_an_event_that_fails_stops_nothing_and_is_no_warning_where_the_namespace_goes(
    store: Objects, server: StandIn, caplog: pytest.LogCaptureFixture, trouble: Reply | Silence, level: str
):
    caplog.set_level("DEBUG", "prunella.adapters.kubernetes.events")
    server.answers("POST", "/api/v1/namespaces/shop/events", trouble)
    noon = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    await store.emit_event(regarding=TARGET, name="web.1", reason="RolledBack", message="m", warning=False, time=noon)
    told = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == "prunella.adapters.kubernetes.events"]
    assert told == [(level, "An Event could not be written")]
