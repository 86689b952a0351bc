"""freezeRollout on a real API server with its controllers: the pause, the accused ReplicaSet at zero, the one before at full strength."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.cluster.outside import deployment, eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch, Settled
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps import freeze_rollout
from prunella.core.healing.steps.freeze_rollout import FreezeRollout
from prunella.core.healing.steps.step import LiveFacts, Next

pytestmark = needs_control_plane
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
GOOD, BAD = "localhost/box:v1", "localhost/box:none"


class Shop:
    """A namespace with a Deployment of two replicas whose second revision is under way: each revision has one pod, made ready by hand or not."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.effects = Effects(api)
        self.done: list[StepStatus] = []

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"

    async def raw(self) -> dict[str, Any]:
        return await must(self.api, "GET", self.path)

    async def ref(self) -> ObjectRef:
        uid = (await self.raw())["metadata"]["uid"]
        return ObjectRef(api_version="apps/v1", kind="Deployment", namespace=self.namespace, name="web", uid=uid)

    async def plan(self) -> Next:
        """As a run makes it; one pod of the first revision counts as serving."""
        live, ref = LiveReads(self.api), await self.ref()
        facts, raw = await live.workload(ref), await live.raw(ref)
        return freeze_rollout.plan(
            FreezeRollout(), LiveFacts(now=NOW, raw=raw, target=facts, accused_hash=self.bad, intent_time=NOW), tuple(self.done)
        )

    async def patch(self) -> Patch:
        async def ready() -> Patch | None:
            found = await self.plan()
            return found if isinstance(found, Patch) else None

        return await eventually(ready)

    def keep(self, patch: Patch, name: str) -> None:
        intent = Intent(id=name, action="Patch", target_ref=patch.target, written_time=NOW, deadline_time=NOW, before=patch.record)
        self.done.append(StepStatus(name=name, action="freezeRollout", state=StepState.APPLIED, intent=intent))

    async def sets(self) -> dict[str, int]:
        found = (await must(self.api, "GET", f"/apis/apps/v1/namespaces/{self.namespace}/replicasets"))["items"]
        return {one["spec"]["template"]["spec"]["containers"][0]["image"]: one["spec"]["replicas"] for one in found}

    async def roll_out(self) -> None:
        made = deployment("web", GOOD, replicas=2)
        made["spec"]["strategy"] = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
        await must(self.api, "POST", self.path.removesuffix("/web"), made)
        await eventually(self._serve)
        change = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": BAD}]
        await must(self.api, "PATCH", self.path, change, "application/json-patch+json")

        async def both() -> bool:
            return await self.sets() == {GOOD: 2, BAD: 1}

        await eventually(both)
        found = (await must(self.api, "GET", f"/apis/apps/v1/namespaces/{self.namespace}/replicasets"))["items"]
        self.bad = next(
            one["metadata"]["labels"]["pod-template-hash"] for one in found if one["spec"]["template"]["spec"]["containers"][0]["image"] == BAD
        )

    async def _serve(self) -> bool:
        """What a kubelet would say of the pods of the first revision, where there is none."""
        pods = (await must(self.api, "GET", f"/api/v1/namespaces/{self.namespace}/pods"))["items"]
        for pod in pods:
            name = pod["metadata"]["name"]
            if not pod["spec"].get("nodeName"):
                binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": {"kind": "Node", "name": "nowhere"}}
                await self.api.request("POST", f"/api/v1/namespaces/{self.namespace}/pods/{name}/binding", {}, binding)
            status = {
                "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T11:00:00Z"}]}
            }
            await must(self.api, "PATCH", f"/api/v1/namespaces/{self.namespace}/pods/{name}/status", status, "application/strategic-merge-patch+json")
        return len(pods) == 2


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with session() as api, own_namespace(api) as namespace:
        place = Shop(api, namespace)
        await place.roll_out()
        yield place


async def test_the_rollout_is_held_and_the_revision_before_keeps_every_replica(shop: Shop):
    pause = await shop.patch()
    assert isinstance(await shop.effects.dry_run(pause, OURSELVES), DryRun)
    assert isinstance(await shop.effects.apply(pause, "freeze", OURSELVES), Applied)
    assert (await shop.raw())["spec"]["paused"] is True
    assert await shop.effects.settle(pause.target, "freeze", pause.record, "Patch") is Settled.APPLIED
    shop.keep(pause, "freeze")

    empty = await shop.patch()
    assert (empty.target.kind, empty.subresource) == ("ReplicaSet", "scale")
    assert (await shop.effects.dry_run(empty, OURSELVES)).accepted
    assert await shop.effects.settle(empty.target, "freeze-1", empty.record, "Patch") is Settled.NOT_APPLIED
    applied = await shop.effects.apply(empty, "freeze-1", OURSELVES)
    assert isinstance(applied, Applied)
    assert await shop.effects.settle(empty.target, "freeze-1", empty.record, "Patch") is Settled.APPLIED

    async def kept() -> bool:
        return await shop.sets() == {GOOD: 2, BAD: 0}

    await eventually(kept)
    back = freeze_rollout.undo(FreezeRollout(), await shop.raw(), shop.done[0])
    assert isinstance(back, Patch)
    assert isinstance(await shop.effects.apply(back, "undo", OURSELVES), Applied)
    assert not (await shop.raw())["spec"].get("paused")

    async def goes_on() -> bool:
        return (await shop.sets())[BAD] == 1

    await eventually(goes_on)


async def test_a_rollout_in_between_is_not_frozen(shop: Shop):
    pause = await shop.patch()
    change = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "localhost/box:v3"}]
    await must(shop.api, "PATCH", shop.path, change, "application/json-patch+json")
    answer = await shop.effects.apply(pause, "freeze", OURSELVES)
    assert isinstance(answer, NotApplied)
    assert answer.reason == "HumanOverride"
    assert not (await shop.raw())["spec"].get("paused")


async def test_a_second_request_changes_nothing(shop: Shop):
    pause = await shop.patch()
    assert isinstance(await shop.effects.apply(pause, "freeze", OURSELVES), Applied)
    assert isinstance(await shop.effects.apply(pause, "freeze", OURSELVES), NotApplied)
