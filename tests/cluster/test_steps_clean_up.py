"""cleanUp on a real API server: failed pods go, the oldest first, and one that is another pod by now stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cluster.outside import deployment, eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.core.healing.effects.effect import Applied, DeletePod, DryRun
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps import clean_up
from prunella.core.healing.steps.clean_up import CleanUp
from prunella.core.healing.steps.step import Done, LiveFacts

pytestmark = needs_control_plane


async def test_failed_pods_go_until_three_are_left():
    async with session() as api, own_namespace(api) as namespace:
        effects, live = Effects(api), LiveReads(api)
        pods = f"/api/v1/namespaces/{namespace}/pods"
        path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        made = await must(api, "POST", path, deployment("web", "localhost/box:v1"))
        sets = f"/apis/apps/v1/namespaces/{namespace}/replicasets"

        async def replica_set() -> dict[str, Any] | None:
            return next(iter((await must(api, "GET", sets))["items"]), None)

        owner = await eventually(replica_set)
        meta = owner["metadata"]
        ours = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": meta["name"], "uid": meta["uid"], "controller": True}
        for number in range(5):
            spec = {"nodeName": "nowhere", "terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": "localhost/box:v1"}]}
            labels = owner["spec"]["template"]["metadata"]["labels"]
            await must(api, "POST", pods, {"metadata": {"name": f"f{number}", "labels": labels, "ownerReferences": [ours]}, "spec": spec})
            failed = {"status": {"phase": "Failed", "reason": "Evicted"}}
            await api.request("PATCH", f"{pods}/f{number}/status", {}, failed, "application/strategic-merge-patch+json")

        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid=made["metadata"]["uid"])
        later = datetime.now(UTC) + timedelta(hours=2)

        async def plan() -> object:
            facts = await live.workload(ref)
            return clean_up.plan(CleanUp(), LiveFacts(now=later, raw={}, target=facts, intent_time=later), ())

        there = len([one for one in (await must(api, "GET", pods))["items"] if one["status"].get("phase") == "Failed"])
        gone = 0
        while isinstance(effect := await plan(), DeletePod):
            tried = await effects.dry_run(effect, OURSELVES)
            assert isinstance(tried, DryRun)
            assert tried.accepted
            assert isinstance(await effects.apply(effect, "tidy", OURSELVES), Applied)
            gone += 1
            assert gone <= 5
        assert isinstance(effect, Done)
        assert gone == max(there - 3, 0)
