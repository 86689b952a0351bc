"""expandVolume on a real API server: class and claim are read, the request is taken, and the step waits for a volume that can't grow."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.cluster.outside import deployment, eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.app.prepare import Preparer
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects import Applied, NotApplied, Patch
from prunella.core.healing.identity import OURSELVES
from prunella.core.healing.steps.step import LiveFacts, Wait

pytestmark = needs_control_plane
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GROW = RunbookStep(name="grow", expand_volume={"claim": "data", "most": "4Gi"})


async def polled() -> UnknownT:
    return UNKNOWN


async def test_a_bound_claim_asks_for_more_once_and_its_volume_is_waited_for():
    async with session() as api, own_namespace(api) as namespace:
        effects, live = Effects(api), LiveReads(api)
        preparer = Preparer(live, effects, SystemClock(), NoPrometheus(), polled)
        classes, volumes = "/apis/storage.k8s.io/v1/storageclasses", "/api/v1/persistentvolumes"
        claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
        grows = {"metadata": {"name": namespace}, "provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": True}
        await must(api, "POST", classes, grows)
        storage = {"accessModes": ["ReadWriteOnce"], "storageClassName": namespace}
        ours = {"claimRef": {"namespace": namespace, "name": "data"}, "hostPath": {"path": "/tmp"}, "persistentVolumeReclaimPolicy": "Retain"}
        await must(api, "POST", volumes, {"metadata": {"name": namespace}, "spec": {**storage, **ours, "capacity": {"storage": "1Gi"}}})
        asks = {**storage, "volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}}
        await must(api, "POST", claims, {"metadata": {"name": "data"}, "spec": asks})
        body = deployment("web", "localhost/box:v1")
        body["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        made = await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid=made["metadata"]["uid"])
        try:

            async def bound() -> bool:
                return (await must(api, "GET", f"{claims}/data"))["status"].get("phase") == "Bound"

            await eventually(bound)

            async def plan(*done: StepStatus) -> Any:
                facts, raw = await live.workload(ref), await live.raw(ref)
                return await preparer.wants(GROW, LiveFacts(now=NOW, raw=raw, target=facts, intent_time=NOW), done)

            patch = await plan()
            assert isinstance(patch, Patch)
            assert isinstance(await effects.apply(patch, "grow", OURSELVES), Applied)
            assert isinstance(await effects.apply(patch, "grow", OURSELVES), NotApplied), "a second request changes nothing"
            assert (await must(api, "GET", f"{claims}/data"))["spec"]["resources"]["requests"]["storage"] == "2Gi"
            intent = Intent(id="grow", action="Patch", target_ref=patch.target, written_time=NOW, deadline_time=NOW, before=patch.record)
            assert isinstance(await plan(StepStatus(name="grow", state="Applied", intent=intent)), Wait), "nothing expands a volume of the host"
        finally:
            for path in (f"{volumes}/{namespace}", f"{classes}/{namespace}"):
                await api.request("DELETE", path)
