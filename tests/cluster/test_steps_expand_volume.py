"""expandVolume on a real API server: class and claim are read, the request is taken, and the step waits for a volume that can't grow."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from tests.cluster.outside import deployment, eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, Look, UnknownT
from prunella.core.healing.effects.effect import Applied, NotApplied, Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps.step import LiveFacts, Wait
from prunella.core.things.claim import Claim

pytestmark = needs_control_plane
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GROW = RunbookStep(name="grow", expand_volume={"claim": "data", "most": "4Gi"})
SELF = RunbookStep(name="grow", expand_volume={"most": "4Gi"})


async def polled() -> UnknownT:
    return UNKNOWN


@asynccontextmanager
async def bound(api: Api, namespace: str) -> AsyncIterator[ObjectRef]:
    """A claim of 1Gi whose class lets it grow; its volume is a folder of the host, which nothing expands."""
    classes, volumes = "/apis/storage.k8s.io/v1/storageclasses", "/api/v1/persistentvolumes"
    claims = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims"
    grows = {"metadata": {"name": namespace}, "provisioner": "kubernetes.io/no-provisioner", "allowVolumeExpansion": True}
    await must(api, "POST", classes, grows)
    storage = {"accessModes": ["ReadWriteOnce"], "storageClassName": namespace}
    ours = {"claimRef": {"namespace": namespace, "name": "data"}, "hostPath": {"path": "/tmp"}, "persistentVolumeReclaimPolicy": "Retain"}
    await must(api, "POST", volumes, {"metadata": {"name": namespace}, "spec": {**storage, **ours, "capacity": {"storage": "1Gi"}}})
    asks = {**storage, "volumeName": namespace, "resources": {"requests": {"storage": "1Gi"}}}
    made = await must(api, "POST", claims, {"metadata": {"name": "data"}, "spec": asks})
    try:

        async def is_bound() -> bool:
            return (await must(api, "GET", f"{claims}/data"))["status"].get("phase") == "Bound"

        await eventually(is_bound)
        yield ObjectRef(api_version="v1", kind="PersistentVolumeClaim", namespace=namespace, name="data", uid=made["metadata"]["uid"])
    finally:
        for path in (f"{volumes}/{namespace}", f"{classes}/{namespace}"):
            await api.request("DELETE", path)


async def wanted(api: Api, step: RunbookStep, ref: ObjectRef, *done: StepStatus) -> Any:
    """What the step wants of a target as the API server shows it now."""
    live = LiveReads(api)
    preparer = Preparer(live, Effects(api), SystemClock(), NoPrometheus(), polled)
    seen = await live.look(ref)
    assert isinstance(seen, Look)
    return await preparer.wants(step, LiveFacts(now=NOW, raw=seen.raw, target=seen.facts, intent_time=NOW), done)


async def size(api: Api, namespace: str) -> str:
    claim = await must(api, "GET", f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/data")
    return str(claim["spec"]["resources"]["requests"]["storage"])


def record(patch: Patch) -> StepStatus:
    intent = Intent(id="grow", action="Patch", target_ref=patch.target, written_time=NOW, deadline_time=NOW, before=patch.record)
    return StepStatus(name="grow", state="Applied", intent=intent)


async def test_a_claim_that_a_workload_uses_asks_for_more_once_and_its_volume_is_waited_for():
    async with session() as api, own_namespace(api) as namespace, bound(api, namespace):
        effects = Effects(api)
        body = deployment("web", "localhost/box:v1")
        body["spec"]["template"]["spec"]["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
        made = await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", body)
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid=made["metadata"]["uid"])
        patch = await wanted(api, GROW, ref)
        assert isinstance(patch, Patch)
        assert isinstance(await effects.apply(patch, "grow", OURSELVES), Applied)
        assert isinstance(await effects.apply(patch, "grow", OURSELVES), NotApplied), "a second request changes nothing"
        assert await size(api, namespace) == "2Gi"
        assert isinstance(await wanted(api, GROW, ref, record(patch)), Wait), "nothing expands a volume of the host"


async def test_a_claim_that_is_the_target_asks_for_more_and_is_not_well_before_it_has_it():
    async with session() as api, own_namespace(api) as namespace, bound(api, namespace) as ref:
        patch = await wanted(api, SELF, ref)
        assert isinstance(patch, Patch)
        assert isinstance(await Effects(api).apply(patch, "grow", OURSELVES), Applied)
        assert await size(api, namespace) == "2Gi"
        seen = await LiveReads(api).look(ref)
        assert isinstance(seen, Look)
        assert isinstance(seen.facts, Claim)
        assert (seen.facts.wants, seen.facts.has, seen.facts.served) == ("2Gi", "1Gi", False)
        assert isinstance(await wanted(api, SELF, ref, record(patch)), Wait)


async def test_r30_a_claim_at_its_cap_is_refused_with_the_reason_and_does_not_grow():
    async with session() as api, own_namespace(api) as namespace, bound(api, namespace) as ref:
        refusal = await wanted(api, RunbookStep(name="grow", expand_volume={"most": "1Gi"}), ref)
        why = "claim data has 1Gi and may have no more than 1Gi: a person has to make room"
        assert refusal == Refusal(reason="PreconditionFalse", message=why)
        assert await size(api, namespace) == "1Gi"
