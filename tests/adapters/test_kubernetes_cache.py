"""The cache as a whole: when it may be believed, and where its watches point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.adapters.standin import Lines, Numbers, Object, Silence, StandIn, event, eventually, listed, refusal, standing_in
from tests.fakes.runbooks import ROLL_BACK, runbook

from prunella.adapters.kubernetes.cache import Cache
from prunella.adapters.kubernetes.client import connect_plainly
from prunella.adapters.kubernetes.resources import FOREIGN, OWN, THINGS
from prunella.adapters.kubernetes.watch import Tempo

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
QUICK = Tempo(first_pause_seconds=0.01, longest_pause_seconds=0.02)


class Clock:
    """The port Clock, set by the test."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> datetime:
        return self.time


@pytest.fixture
async def server() -> AsyncIterator[StandIn]:
    async with standing_in() as standin:
        for resource in (*FOREIGN, *OWN):
            path = resource.call("list").path
            standin.answers("GET", path, listed())
            standin.answers("WATCH", path, Lines())
        yield standin


@pytest.fixture
def clock() -> Clock:
    return Clock()


@asynccontextmanager
async def running(server: StandIn, clock: Clock) -> AsyncIterator[Cache]:
    async with connect_plainly(server.url, Numbers()) as api:
        cache = Cache(api, clock, Numbers(), tempo=QUICK)
        task = asyncio.create_task(cache.run())
        try:
            yield cache
        finally:
            task.cancel()
            assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


async def test_it_is_whole_only_when_every_kind_was_listed(server: StandIn, clock: Clock):
    runbooks = "/apis/prunella.dev/v1alpha1/runbooks"
    server.answers("GET", runbooks, refusal(403, "Forbidden"))
    async with running(server, clock) as cache:
        await eventually(lambda: server.count("WATCH") == 14)
        await eventually(lambda: cache.silent_kinds(NOON) == ["Runbook"])
        assert not cache.synced()

        server.answers("GET", runbooks, listed())
        await asyncio.wait_for(cache.until_synced(), 10)
        assert cache.synced()
        await eventually(lambda: not cache.silent_kinds(NOON))


async def test_every_kind_is_silent_once_nothing_came_for_90_s(server: StandIn, clock: Clock):
    async with running(server, clock) as cache:
        await eventually(lambda: server.count("WATCH") == 15 and not cache.silent_kinds(NOON))
        assert list(cache.silent_kinds(NOON + timedelta(seconds=90))) == []
        assert len(cache.silent_kinds(NOON + timedelta(seconds=91))) == 15


def owned(name: str, uid: str, kind: str, owner: str, version: str = "1") -> Object:
    owners = [{"apiVersion": "apps/v1", "kind": kind, "name": "x", "uid": owner, "controller": True}]
    return {"metadata": {"namespace": "shop", "name": name, "uid": uid, "resourceVersion": version, "ownerReferences": owners}}


def reported(version: str, started: str, *, ready: str = "True") -> Object:
    """A pod that runs, with what its kubelet said last."""
    pod = owned("web-1-a", "p-1", "ReplicaSet", "rs-1", version)
    running = {"name": "app", "ready": True, "state": {"running": {"startedAt": started}}}
    conditions = [{"type": "Ready", "status": ready, "lastTransitionTime": "2026-11-24T11:00:00Z"}]
    return pod | {"spec": {"nodeName": "node-1"}, "status": {"phase": "Running", "conditions": conditions, "containerStatuses": [running]}}


async def test_a_word_about_a_pod_that_was_well_and_is_well_touches_no_workload(server: StandIn, clock: Clock):
    told: list[tuple[str, ...]] = []
    web = {"metadata": {"namespace": "shop", "name": "web", "uid": "d-1", "resourceVersion": "1"}}
    server.answers("GET", "/apis/apps/v1/deployments", listed(web))
    server.answers("GET", "/apis/apps/v1/replicasets", listed(owned("web-1", "rs-1", "Deployment", "d-1")))
    server.answers("WATCH", "/api/v1/pods", Silence())
    async with running(server, clock) as cache:
        await asyncio.wait_for(cache.until_synced(), 10)
        cache.subscribe(on_change=lambda *key: told.append(key), on_workload_change=lambda *key: told.append(("touched", *key)))
        lines = (
            event("ADDED", reported("101", "2026-11-24T11:00:00Z")),
            event("MODIFIED", reported("102", "2026-11-24T11:30:00Z")),
            event("MODIFIED", reported("103", "2026-11-24T11:30:00Z", ready="False")),
        )
        server.answers("WATCH", "/api/v1/pods", Lines(lines))
        server.release()
        await eventually(lambda: len(told) == 5)
        touched, pod = ("touched", "Deployment", "shop", "web"), ("Pod", "shop", "web-1-a")
        assert told == [touched, pod, pod, touched, pod]
        facts = cache.workload("Deployment", "shop", "web")
        assert facts is not None
        assert [(one.resource_version, one.ready) for one in facts.pods] == [("103", False)], "what is kept is the last word all the same"


def a_runbook(version: str, *, generation: int = 1, ready: str = "True", observed: int = 1, right: int | None = None) -> Object:
    """A Runbook as the API server tells of it."""
    stamp = {"type": "Ready", "reason": "Accepted", "message": "", "lastTransitionTime": "2026-11-24T11:00:00Z"}
    shadow = {"shadow": {"sha256": "a", "wouldHaveActed": 3, "right": right}} if right is not None else {}
    meta = {"namespace": "prunella-system", "name": "book", "uid": "r-1", "resourceVersion": version, "generation": generation}
    return {
        "metadata": meta,
        "spec": runbook("book", ROLL_BACK).spec.wire(),
        "status": {"observedGeneration": observed, "conditions": [stamp | {"status": ready}], **shadow},
    }


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"right": 2}, 1),
        ({"ready": "False"}, 2),
        ({"observed": 2}, 2),
        ({"generation": 2}, 2),
    ],
    ids=["what it would have done was added up", "it is not used any more", "a newer version was looked at", "somebody changed it"],
)
async def test_that_an_incident_was_added_up_in_a_runbook_is_told_to_nobody(server: StandIn, clock: Clock, changes: dict[str, Any], told: int):
    heard: list[str] = []
    server.answers("WATCH", "/apis/prunella.dev/v1alpha1/runbooks", Silence())
    async with running(server, clock) as cache:
        await asyncio.wait_for(cache.until_synced(), 10)
        cache.subscribe(on_change=lambda *key: heard.append(key[2]))
        lines = (event("ADDED", a_runbook("101", right=1)), event("MODIFIED", a_runbook("102", **({"right": 1} | changes))))
        server.answers("WATCH", "/apis/prunella.dev/v1alpha1/runbooks", Lines(lines))
        server.release()
        await eventually(lambda: [one.metadata.resource_version for one in cache.runbooks()] == ["102"])
        assert heard == ["book"] * told
        [kept] = cache.runbooks()
        assert kept.status.shadow is not None
        assert kept.status.shadow.right == changes.get("right", 1), "what is kept is the last word all the same"


@pytest.mark.parametrize(
    ("changed", "touched"),
    [
        ({"resourceVersion": "102"}, 1),
        ({"resourceVersion": "102", "ownerReferences": []}, 2),
        ({"resourceVersion": "102", "ownerReferences": owned("", "", "ReplicaSet", "rs-2")["metadata"]["ownerReferences"]}, 3),
        ({"resourceVersion": "102", "deletionTimestamp": "2026-11-24T12:00:00Z"}, 2),
        ({"resourceVersion": "102", "labels": {"pod-template-hash": "other"}}, 2),
    ],
    ids=["nothing that counts", "released by its controller", "adopted by another", "deleted", "of another revision"],
)
async def test_a_pod_that_is_well_touches_the_workload_that_it_leaves_or_joins(server: StandIn, clock: Clock, changed: Object, touched: int):
    told: list[tuple[str, ...]] = []
    workloads = (
        {"metadata": {"namespace": "shop", "name": name, "uid": uid, "resourceVersion": "1"}} for name, uid in (("web", "d-1"), ("api", "d-2"))
    )
    server.answers("GET", "/apis/apps/v1/deployments", listed(*workloads))
    sets = (owned("web-1", "rs-1", "Deployment", "d-1"), owned("api-1", "rs-2", "Deployment", "d-2"))
    server.answers("GET", "/apis/apps/v1/replicasets", listed(*sets))
    server.answers("WATCH", "/api/v1/pods", Silence())
    async with running(server, clock) as cache:
        await asyncio.wait_for(cache.until_synced(), 10)
        seen: list[str] = []
        cache.subscribe(on_change=lambda *key: seen.append(key[2]), on_workload_change=lambda *key: told.append(key))
        before = reported("101", "2026-11-24T11:00:00Z")
        after = before | {"metadata": before["metadata"] | changed}
        server.answers("WATCH", "/api/v1/pods", Lines((event("ADDED", before), event("MODIFIED", after))))
        server.release()
        await eventually(lambda: len(seen) == 2)
        assert told == [("Deployment", "shop", "web"), ("Deployment", "shop", "web"), ("Deployment", "shop", "api")][:touched]


async def test_a_pod_is_told_as_its_workload_and_remembered_after_it_went(server: StandIn, clock: Clock):
    told: list[tuple[str, ...]] = []
    web = {"metadata": {"namespace": "shop", "name": "web", "uid": "d-1", "resourceVersion": "1"}}
    server.answers("GET", "/apis/apps/v1/deployments", listed(web))
    server.answers("GET", "/apis/apps/v1/replicasets", listed(owned("web-1", "rs-1", "Deployment", "d-1")))
    server.answers("WATCH", "/api/v1/pods", Silence())
    async with running(server, clock) as cache:
        await asyncio.wait_for(cache.until_synced(), 10)
        cache.subscribe(on_change=lambda *key: told.append(key), on_workload_change=lambda *key: told.append(("touched", *key)))
        lines = (
            event("ADDED", owned("web-1-a", "p-1", "ReplicaSet", "rs-1", "101")),
            event("DELETED", owned("web-1-a", "p-1", "ReplicaSet", "rs-1", "102")),
        )
        server.answers("WATCH", "/api/v1/pods", Lines(lines))
        server.release()
        await eventually(lambda: len(told) == 4)
        assert told == [("touched", "Deployment", "shop", "web"), ("Pod", "shop", "web-1-a")] * 2
        assert cache.owner_of_pod("shop", "web-1-a") == ("Deployment", "web")
        clock.time += timedelta(minutes=16)
        assert cache.owner_of_pod("shop", "web-1-a") is None


async def test_it_knows_every_workload_and_autoscaler_that_bears_the_mark_of_a_measure(server: StandIn, clock: Clock):
    def marked(name: str, uid: str, **annotations: str) -> Object:
        return {"metadata": {"namespace": "shop", "name": name, "uid": uid, "resourceVersion": "1", "annotations": annotations}}

    mark = {"prunella.dev/temporary": "{}"}
    server.answers("GET", "/apis/apps/v1/deployments", listed(marked("web", "d-1", **mark), marked("plain", "d-2", team="shop")))
    server.answers("GET", "/apis/autoscaling/v2/horizontalpodautoscalers", listed(marked("web", "h-1", **mark), marked("plain", "h-2")))
    async with running(server, clock) as cache:
        await asyncio.wait_for(cache.until_synced(), 10)
        found = [(ref.api_version, ref.kind, ref.namespace, ref.name, ref.uid, said) for ref, said in cache.marked()]
    assert found == [
        ("apps/v1", "Deployment", "shop", "web", "d-1", "{}"),
        ("autoscaling/v2", "HorizontalPodAutoscaler", "shop", "web", "h-1", "{}"),
    ]


async def test_it_knows_a_quota_and_a_disruption_budget_that_bear_one_too(server: StandIn, clock: Clock):
    for resource in THINGS:
        server.answers("GET", resource.call("list").path, listed())
        server.answers("WATCH", resource.call("list").path, Lines())
    meta = {"namespace": "shop", "resourceVersion": "1", "annotations": {"prunella.dev/temporary": "{}"}}
    server.answers("GET", "/api/v1/resourcequotas", listed({"metadata": {**meta, "name": "team", "uid": "q-1"}}))
    server.answers("GET", "/apis/policy/v1/poddisruptionbudgets", listed({"metadata": {**meta, "name": "web", "uid": "b-1"}}))
    async with running(server, clock) as cache:
        await asyncio.wait_for(cache.until_synced(), 10)
        found = {(ref.api_version, ref.kind, ref.namespace, ref.name, ref.uid) for ref, _ in cache.marked()}
    assert found == {("v1", "ResourceQuota", "shop", "team", "q-1"), ("policy/v1", "PodDisruptionBudget", "shop", "web", "b-1")}


async def test_the_workloads_of_a_namespace_are_of_every_kind(server: StandIn, clock: Clock):
    def named(name: str, namespace: str) -> Object:
        return {"metadata": {"namespace": namespace, "name": name, "uid": f"u-{name}", "resourceVersion": "1"}}

    server.answers("GET", "/apis/apps/v1/deployments", listed(named("web", "shop"), named("ledger", "pay")))
    server.answers("GET", "/apis/apps/v1/statefulsets", listed(named("db", "shop")))
    async with running(server, clock) as cache:
        await asyncio.wait_for(cache.until_synced(), 10)
        assert sorted(one.name for one in cache.workloads_in("shop")) == ["db", "web"]
        assert list(cache.workloads_in("empty")) == []
