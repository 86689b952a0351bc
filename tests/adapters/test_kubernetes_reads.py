"""Live reads: what failed is UNKNOWN, what is not there is None, and the two are never mistaken for each other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.adapters.standin import Numbers, Object, Reply, Silence, StandIn, listed, refusal, standing_in

from prunella.adapters.kubernetes.client import Api, connect_plainly
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.core.facts import UNKNOWN, NamespaceFacts, Revision

SHOP = "/apis/apps/v1/namespaces/shop"
REF = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="web", uid="u-1")
REVISION = Revision(namespace="shop", name="web-1", uid="rs-1", owner_uid="u-1", hash="1", number=1)
REVIEW = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

Read = Callable[[LiveReads], Awaitable[Any]]
READS: dict[str, tuple[str, str, Read]] = {
    "an object": ("GET", f"{SHOP}/deployments/web", lambda live: live.raw(REF)),
    "a workload": ("GET", f"{SHOP}/deployments/web", lambda live: live.workload(REF)),
    "a look at a workload": ("GET", f"{SHOP}/deployments/web", lambda live: live.look(REF)),
    "a template": ("GET", f"{SHOP}/replicasets/web-1", lambda live: live.template("Deployment", REVISION)),
    "a namespace": ("GET", "/api/v1/namespaces/shop", lambda live: live.namespace("shop")),
    "a log": ("GET", "/api/v1/namespaces/shop/pods/a/log", lambda live: live.log_tail("shop", "a", "app", previous=True, lines=5)),
    "events": ("GET", "/api/v1/namespaces/shop/events", lambda live: live.events_of("shop", ["u-1"])),
    "a right": ("POST", REVIEW, lambda live: live.may("patch", "apps", "deployments", "shop")),
}


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        yield standin


@pytest.fixture
async def api(server: StandIn) -> AsyncIterator[Api]:
    async with connect_plainly(server.url, Numbers()) as api:
        yield api


@pytest.mark.parametrize("what", READS)
@pytest.mark.parametrize(
    "trouble",
    [refusal(500, "InternalError"), refusal(403, "Forbidden"), refusal(429, "TooManyRequests"), Silence(cut=True)],
    ids=["500", "403", "429", "cut"],
)
async def test_what_could_not_be_read_is_unknown(api: Api, server: StandIn, what: str, trouble: Reply | Silence):
    method, path, read = READS[what]
    server.answers(method, path, trouble)
    assert await read(LiveReads(api)) is UNKNOWN


@pytest.mark.parametrize("what", ["an object", "a workload", "a look at a workload", "a template", "a namespace"])
async def test_what_is_not_there_is_none(api: Api, what: str):
    assert await READS[what][2](LiveReads(api)) is None


@pytest.mark.parametrize("what", ["an object", "a workload", "a look at a workload", "a template", "a namespace"])
async def test_an_answer_of_somebody_else_is_unknown(api: Api, server: StandIn, what: str):
    method, path, read = READS[what]
    server.answers(method, path, Reply("<html>please log in</html>"))
    assert await read(LiveReads(api)) is UNKNOWN


@pytest.mark.parametrize(
    "broken", [refusal(500, "InternalError"), refusal(404, "NotFound"), Reply("<html>"), listed({"metadata": {"name": "p"}, "spec": 7})]
)
async def test_a_workload_whose_pods_cannot_be_read_is_unknown_not_without_pods(api: Api, server: StandIn, broken: Reply):
    server.answers("GET", f"{SHOP}/deployments/web", Reply({"metadata": {"name": "web", "uid": "u-1"}}))
    server.answers("GET", f"{SHOP}/replicasets", listed())
    server.answers("GET", "/api/v1/namespaces/shop/pods", broken)
    assert await LiveReads(api).workload(REF) is UNKNOWN


async def test_only_its_own_revisions_and_pods_belong_to_a_workload(api: Api, server: StandIn):
    def owned(name: str, kind: str, uid: str, **more: Any) -> Object:
        owners = [{"apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": uid, "controller": True}]
        return {"metadata": {"namespace": "shop", "name": name, "uid": f"uid-{name}", "ownerReferences": owners, **more}}

    selector = {"matchLabels": {"app": "web"}}
    server.answers("GET", f"{SHOP}/deployments/web", Reply({"metadata": {"name": "web", "uid": "u-1"}, "spec": {"selector": selector}}))
    number = {"annotations": {"deployment.kubernetes.io/revision": "2"}}
    sets = [owned("web-1", "Deployment", "u-1"), owned("web-2", "Deployment", "u-1", **number), owned("other", "Deployment", "u-2")]
    server.answers("GET", f"{SHOP}/replicasets", listed(*sets))
    pods = [
        owned("b", "ReplicaSet", "uid-web-2"),
        owned("a", "ReplicaSet", "uid-web-1"),
        owned("c", "ReplicaSet", "uid-other"),
        owned("d", "Job", "u-1"),
    ]
    server.answers("GET", "/api/v1/namespaces/shop/pods", listed(*pods))

    facts = await LiveReads(api).workload(REF)

    assert [revision.name for revision in facts.revisions] == ["web-2", "web-1"]
    assert [pod.name for pod in facts.pods] == ["a", "b"]
    assert {asked.query["labelSelector"] for asked in server.asked[1:]} == {"app=web"}


async def test_a_look_is_one_read_of_the_workload_as_facts_and_as_json(api: Api, server: StandIn):
    """Whatever is written between two reads: what is judged and what the effect insists on are the same."""
    first = {"metadata": {"name": "web", "uid": "u-1", "generation": 2}, "spec": {"replicas": 3, "template": {"spec": {"x": "as judged"}}}}
    later = {"metadata": {"name": "web", "uid": "u-1", "generation": 3}, "spec": {"replicas": 3, "template": {"spec": {"x": "a person's"}}}}
    server.answers("GET", f"{SHOP}/deployments/web", Reply(first), Reply(later))
    server.answers("GET", f"{SHOP}/replicasets", listed())
    server.answers("GET", "/api/v1/namespaces/shop/pods", listed())
    look = await LiveReads(api).look(REF)
    assert (look.facts.workload.generation, look.raw) == (2, first)
    assert server.count("GET", f"{SHOP}/deployments/web") == 1
    assert await LiveReads(api).look(REF.model_copy(update={"uid": "u-2"})) is None


@pytest.mark.parametrize(
    ("kind", "plural", "stored"),
    [
        ("Deployment", "replicasets", {"spec": {"template": {"metadata": {"labels": {"app": "web", "pod-template-hash": "1"}}, "spec": {}}}}),
        (
            "StatefulSet",
            "controllerrevisions",
            {"data": {"spec": {"template": {"$patch": "replace", "metadata": {"labels": {"app": "web"}}, "spec": {}}}}},
        ),
    ],
)
async def test_a_template_comes_as_it_stood_in_its_workload(api: Api, server: StandIn, kind: str, plural: str, stored: Object):
    server.answers("GET", f"{SHOP}/{plural}/web-1", Reply({"metadata": {"uid": "rs-1"}, **stored}))
    assert await LiveReads(api).template(kind, REVISION) == {"metadata": {"labels": {"app": "web"}}, "spec": {}}
    server.answers("GET", f"{SHOP}/{plural}/web-1", Reply({"metadata": {"uid": "rs-2"}, **stored}))
    assert await LiveReads(api).template(kind, REVISION) is None


async def test_a_namespaces_labels(api: Api, server: StandIn):
    server.answers("GET", "/api/v1/namespaces/shop", Reply({"metadata": {"name": "shop", "labels": {"prunella.dev/mode": "Auto"}}}))
    assert await LiveReads(api).namespace("shop") == NamespaceFacts(name="shop", labels={"prunella.dev/mode": "Auto"})


@pytest.mark.parametrize(("name", "answer"), [("../../secrets", UNKNOWN), ("UPPER", UNKNOWN)])
async def test_a_name_that_cannot_be_one_is_not_asked_for(api: Api, server: StandIn, name: str, answer: object):
    assert await LiveReads(api).namespace(name) is answer
    assert server.asked == []


async def test_events_come_oldest_first_by_whichever_time_they_bear(api: Api, server: StandIn):
    events = [
        {"reason": "Last", "type": "Warning", "message": "m", "series": {"lastObservedTime": "2026-11-24T12:00:03.000001Z"}},
        {"reason": "Third", "eventTime": "2026-11-24T12:00:02.500000Z", "lastTimestamp": None},
        {"reason": "Second", "lastTimestamp": "2026-11-24T12:00:02Z", "firstTimestamp": "2026-11-24T10:00:00Z"},
        {"reason": "First"},
    ]
    server.answers("GET", "/api/v1/namespaces/shop/events", listed(*events))
    found = await LiveReads(api).events_of("shop", ["u-1"])
    assert [reason for _, _, reason, _ in found] == ["First", "Second", "Third", "Last"]
    assert found[-1] == (datetime(2026, 11, 24, 12, 0, 3, 1, tzinfo=UTC), "Warning", "Last", "m")
    assert server.asked[0].query["fieldSelector"] == "involvedObject.uid=u-1"


@pytest.mark.parametrize(("status", "allowed"), [({"allowed": True}, True), ({"allowed": False}, False), ({}, False)])
async def test_a_right_is_asked_about_in_full(api: Api, server: StandIn, status: Object, allowed: bool):
    server.answers("POST", REVIEW, Reply({"status": status}, 201))
    assert await LiveReads(api).may("get", "", "pods", "shop", subresource="log") is allowed
    assert server.asked[0].body["spec"]["resourceAttributes"] == {"verb": "get", "resource": "pods", "namespace": "shop", "subresource": "log"}


@pytest.mark.parametrize(
    ("answer", "healthy"), [(Reply("ok"), True), (Reply("etcd failed", 500), False), (Silence(cut=True), False)], ids=["ready", "not ready", "cut"]
)
async def test_the_api_servers_health(api: Api, server: StandIn, answer: Reply | Silence, healthy: bool):
    server.answers("GET", "/readyz", answer)
    assert await LiveReads(api).healthy() is healthy
