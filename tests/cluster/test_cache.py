"""The cache on a real API server: what it shows is what is there, through bursts, restarts and forgotten histories."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.outside import Numbers, deployment, eventually, kubeconfig_of, must, needs_control_plane, own_namespace, session

from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes import watched
from prunella.adapters.kubernetes.cache import Cache
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.heartbeat import Heartbeat
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.shelf import Change, Seen, Shelf
from prunella.adapters.kubernetes.watch import Reflector, Tempo
from prunella.api.catalog_entry import CatalogEntry

pytestmark = needs_control_plane

GOOD, BAD = "localhost/box:v1", "localhost/box:none"
BOX_DIR = os.environ.get("BOX_DIR", "")
BOX = Path(__file__).resolve().parents[2] / "hack" / "cluster" / "box"
EAGER = Tempo(first_pause_seconds=0.1, longest_pause_seconds=0.5)


@asynccontextmanager
async def running(cache: Cache) -> AsyncIterator[Cache]:
    task = asyncio.create_task(cache.run())
    try:
        async with asyncio.timeout(30):
            await cache.until_synced()
        yield cache
    finally:
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    async with session() as api:
        yield api


@pytest.fixture
async def operator(prunella: Kubectl, api: Api, tmp_path: Path) -> AsyncIterator[Api]:
    """The operator's own account, with the rights that an install gives it."""
    async with session(await kubeconfig_of(api, "prunella-system", "prunella", tmp_path)) as operator:
        yield operator


@pytest.fixture
async def namespace(api: Api) -> AsyncIterator[str]:
    async with own_namespace(api, **{"prunella.dev/mode": "Auto"}) as name:
        yield name


def pods_path(namespace: str) -> str:
    return f"/api/v1/namespaces/{namespace}/pods"


def idle_pod(name: str) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeName": "nowhere", "containers": [{"name": "app", "image": GOOD}]}}


async def create_deployment(api: Api, namespace: str, name: str, image: str = GOOD, *, replicas: int = 1) -> None:
    await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment(name, image, replicas=replicas))


async def set_image(api: Api, namespace: str, plural: str, name: str, image: str) -> None:
    change = {"spec": {"template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}
    path = f"/apis/apps/v1/namespaces/{namespace}/{plural}/{name}"
    await must(api, "PATCH", path, change, "application/strategic-merge-patch+json")


async def test_a_deployment_comes_with_its_revisions_newest_first_and_its_pods(api: Api, operator: Api, namespace: str):
    async with running(Cache(operator, SystemClock(), Numbers())) as cache:
        touched: Counter[tuple[str, str, str]] = Counter()
        cache.subscribe(on_workload_change=lambda *key: touched.update([key]))
        await create_deployment(api, namespace, "web")
        await eventually(lambda: (found := cache.workload("Deployment", namespace, "web")) and found.workload.available == 1)
        await set_image(api, namespace, "deployments", "web", BAD)
        await eventually(lambda: len(cache.workload("Deployment", namespace, "web").pods) == 2)

        facts = cache.workload("Deployment", namespace, "web")
        newest, oldest = facts.revisions
        assert (newest.number, newest.images, newest.replicas) == (2, (BAD,), 1)
        assert (oldest.number, oldest.images, oldest.replicas) == (1, (GOOD,), 1)
        assert [pod.ready for pod in facts.pods_of(oldest.hash)] == [True]
        assert [pod.ready for pod in facts.pods_of(newest.hash)] == [False]
        assert touched["Deployment", namespace, "web"] >= 6, "its ReplicaSets and pods tell of it too"
        bad = facts.pods_of(newest.hash)[0]
        assert cache.workload_of_pod(bad).workload == facts.workload
        assert cache.owner_of_pod(namespace, bad.name) == ("Deployment", "web")
        assert cache.namespace(namespace).labels["prunella.dev/mode"] == "Auto"


@pytest.mark.parametrize(
    ("kind", "plural", "extra"),
    [
        ("StatefulSet", "statefulsets", {"serviceName": "db"}),
        ("DaemonSet", "daemonsets", {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}}),
    ],
)
async def test_revisions_of_other_workloads_bear_the_hash_that_their_pods_bear(
    api: Api, operator: Api, namespace: str, kind: str, plural: str, extra: dict[str, Any]
):
    made = deployment("db", GOOD, replicas=1)
    made |= {"kind": kind, "spec": {**made["spec"], **extra}}
    if kind == "DaemonSet":
        del made["spec"]["replicas"]
    async with running(Cache(operator, SystemClock(), Numbers())) as cache:
        await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/{plural}", made)
        await eventually(lambda: (found := cache.workload(kind, namespace, "db")) and found.workload.ready == found.workload.desired > 0)
        await set_image(api, namespace, plural, "db", BAD)
        await eventually(
            lambda: (
                [one.number for one in cache.workload(kind, namespace, "db").revisions] == [2, 1]
                and cache.workload(kind, namespace, "db").pods_of(cache.workload(kind, namespace, "db").newest.hash)
            )
        )

        facts = cache.workload(kind, namespace, "db")
        assert [one.images for one in facts.revisions] == [(BAD,), (GOOD,)]
        assert {pod.revision for pod in facts.pods} <= {one.hash for one in facts.revisions}
        assert facts.workload.strategy == "RollingUpdate"
        if kind == "StatefulSet":
            assert facts.workload.update_revision == facts.newest.hash == facts.newest.name
        else:
            assert facts.newest.name == f"db-{facts.newest.hash}"


async def test_the_cache_and_a_live_read_agree(api: Api, operator: Api, namespace: str):
    await create_deployment(api, namespace, "web")
    async with running(Cache(operator, SystemClock(), Numbers())) as cache:
        await eventually(lambda: (found := cache.workload("Deployment", namespace, "web")) and found.workload.available == 1)
        live = LiveReads(operator)

        async def agree() -> bool:
            cached = cache.workload("Deployment", namespace, "web")
            return await live.workload(cached.workload.ref) == cached

        assert await eventually(agree)


async def test_after_a_burst_of_creates_and_deletes_exactly_what_is_left_is_there(api: Api, operator: Api, namespace: str):
    numbers = Numbers()
    async with running(Cache(operator, SystemClock(), numbers)) as cache:
        gone: set[str] = set()
        cache.subscribe(on_change=lambda kind, space, name: gone.add(name) if kind == "Pod" and space == namespace else None)
        pods = pods_path(namespace)
        await asyncio.gather(*(must(api, "POST", pods, idle_pod(f"p{n}")) for n in range(60)))
        await asyncio.gather(*(must(api, "DELETE", f"{pods}/p{n}?gracePeriodSeconds=0") for n in range(0, 60, 2)))
        await asyncio.gather(*(must(api, "POST", pods, idle_pod(f"p{n}")) for n in range(0, 60, 4)))

        stored = {one["metadata"]["name"]: one["metadata"]["uid"] for one in (await must(api, "GET", pods))["items"]}

        def same() -> bool:
            return {name: uid for (space, name), uid in cache._pods.uids(namespace).items()} == stored

        assert await eventually(same)
        assert len(stored) == 45
        assert gone == {f"p{n}" for n in range(60)}
        assert numbers.total("watch_reconnects_total") == 0


async def test_a_pod_that_is_gone_is_still_known_by_its_workload(api: Api, operator: Api, namespace: str):
    async with running(Cache(operator, SystemClock(), Numbers())) as cache:
        await create_deployment(api, namespace, "web")
        await eventually(lambda: (found := cache.workload("Deployment", namespace, "web")) and found.pods)
        pod = cache.workload("Deployment", namespace, "web").pods[0].name
        await must(api, "DELETE", f"{pods_path(namespace)}/{pod}?gracePeriodSeconds=0")
        await eventually(lambda: pod not in {one.name for one in cache.workload("Deployment", namespace, "web").pods})

        assert cache.owner_of_pod(namespace, pod) == ("Deployment", "web")
        assert cache.owner_of_pod(namespace, "never-there") is None


async def test_a_history_that_the_api_server_forgot_is_listed_anew_with_the_deletions_made_up_for(api: Api, operator: Api, namespace: str):
    numbers, changes = Numbers(), []
    await must(api, "POST", f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/catalogentries", entry())
    shelf: Shelf[CatalogEntry] = Shelf(changes.append)
    kind = watched.CATALOG_ENTRIES
    reflector = Reflector(operator, kind, shelf, namespace=None, clock=SystemClock(), telemetry=numbers, tempo=EAGER)
    ghost = Seen(("shop", "ghost"), "uid-of-the-ghost", "1", CatalogEntry.read({**entry(), "metadata": {"name": "ghost", "namespace": "shop"}}))
    shelf.put(ghost, listed=True)
    # As if this process had slept since before our kinds were served: the API server's history of them does not reach back to version 1.
    reflector._version, reflector._resync_at = "1", asyncio.get_running_loop().time() + 600

    task = asyncio.create_task(reflector.run())
    try:
        await asyncio.wait_for(reflector.listed.wait(), 20)
    finally:
        task.cancel()
        assert isinstance((await asyncio.gather(task, return_exceptions=True))[0], asyncio.CancelledError)

    assert shelf.get(("shop", "ghost")) is None
    assert changes[-1] == Change(("shop", "ghost"), ghost.value, None)
    assert shelf.get((namespace, "web")) is not None
    assert numbers.total("watch_reconnects_total", kind="CatalogEntry") == 1


async def test_only_the_named_namespaces_are_watched_and_ours_for_our_kinds(api: Api, operator: Api, namespace: str):
    async with own_namespace(api) as other, own_namespace(api) as ours:
        await create_deployment(api, namespace, "web", replicas=0)
        await create_deployment(api, other, "web", replicas=0)
        for space in (namespace, other, ours):
            await must(api, "POST", f"/apis/prunella.dev/v1alpha1/namespaces/{space}/catalogentries", entry())
        async with running(Cache(operator, SystemClock(), Numbers(), namespaces=(namespace,), operator_namespace=ours)) as cache:
            assert [facts.workload.namespace for facts in cache.workloads()] == [namespace]
            assert cache.workload("Deployment", other, "web") is None
            assert [len(cache.entries(space)) for space in (namespace, other, ours)] == [1, 0, 1]
            assert cache.namespace(other) is not None


def entry() -> dict[str, Any]:
    spec = {"selector": {"matchLabels": {"app": "web"}}, "team": "shop", "tier": 1}
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": "CatalogEntry", "metadata": {"name": "web"}, "spec": spec}


async def test_our_own_kinds_are_read_as_models_and_follow_their_changes(api: Api, operator: Api, namespace: str):
    path = f"/apis/prunella.dev/v1alpha1/namespaces/{namespace}/catalogentries"
    async with running(Cache(operator, SystemClock(), Numbers())) as cache:
        await must(api, "POST", path, entry())
        await eventually(lambda: [found.spec.tier for found in cache.entries(namespace)] == [1])
        await must(api, "PATCH", f"{path}/web", {"spec": {"tier": 3}}, "application/merge-patch+json")
        await eventually(lambda: [found.spec.tier for found in cache.entries(namespace)] == [3])
        await must(api, "DELETE", f"{path}/web")
        await eventually(lambda: list(cache.entries(namespace)) == [])


async def test_the_heartbeat_comes_back_through_the_watch(api: Api, operator: Api):
    numbers = Numbers()
    heart = Heartbeat(operator, SystemClock(), numbers, every_seconds=0.2, longest_lag_seconds=5)
    task = asyncio.create_task(heart.run())
    try:
        await eventually(lambda: heart.lag_seconds() > 0)
        stored = await must(api, "GET", "/api/v1/namespaces/prunella-system/configmaps/prunella-heartbeat")
        assert "beatTime" in stored["data"]
        assert not heart.lagging()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def box(*arguments: str) -> None:
    argv = [sys.executable, str(BOX.with_suffix(".py")), arguments[0], Path(BOX_DIR).name, *arguments[1:]]
    done = await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not BOX_DIR, reason="kills the API server: only in a box")
async def test_a_killed_api_server_is_noticed_and_caught_up_with_once_it_is_back(api: Api, operator: Api, namespace: str):
    clock, numbers = SystemClock(), Numbers()
    await create_deployment(api, namespace, "before", replicas=0)
    async with running(Cache(operator, clock, numbers, tempo=EAGER)) as cache:
        assert await eventually(lambda: not cache.silent_kinds(clock.now()))
        await box("stop", "apiserver")
        try:
            assert await eventually(lambda: len(cache.silent_kinds(clock.now())) == 15)
            assert cache.workload("Deployment", namespace, "before") is not None, "what was known is still shown"
        finally:
            await box("start", "apiserver")
        await create_deployment(api, namespace, "after", replicas=0)
        await must(api, "DELETE", f"/apis/apps/v1/namespaces/{namespace}/deployments/before")

        assert await eventually(lambda: cache.workload("Deployment", namespace, "after"))
        assert await eventually(lambda: cache.workload("Deployment", namespace, "before") is None)
        assert await eventually(lambda: not cache.silent_kinds(clock.now()))
        assert numbers.total("watch_reconnects_total", kind="Deployment") >= 1
