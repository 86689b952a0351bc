"""Eviction on a real API server: a budget with room, one without, two that contradict each other, and a pod that is another one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.cluster.outside import eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.api.common import ObjectRef
from prunella.app.errors import Retryable
from prunella.core.healing.effects.effect import Applied, DryRun, Evict, NotApplied, Settled
from prunella.core.healing.runbooks.identity import OURSELVES

pytestmark = needs_control_plane
INTENT = "5b1e0000-0000-4000-8000-000000000003"


class Shop:
    """A namespace with a pod that no kubelet touches and that says of itself that it is Ready."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.effects = Effects(api)

    async def pod(self, name: str = "web") -> Evict:
        pods = f"/api/v1/namespaces/{self.namespace}/pods"
        spec = {"nodeName": "nowhere", "terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": "localhost/box:v1"}]}
        stored = await must(self.api, "POST", pods, {"metadata": {"name": name, "labels": {"app": "web"}}, "spec": spec})
        status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        await must(self.api, "PATCH", f"{pods}/{name}/status", status, "application/strategic-merge-patch+json")
        ref = ObjectRef(api_version="v1", kind="Pod", namespace=self.namespace, name=name, uid=stored["metadata"]["uid"])
        return Evict(target=ref, does="")

    async def budget(self, name: str, least: int) -> None:
        path = f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets"
        spec = {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}}
        await must(self.api, "POST", path, {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": name}, "spec": spec})

        async def seen() -> bool:
            status: dict[str, Any] = (await must(self.api, "GET", f"{path}/{name}")).get("status", {})
            return status.get("observedGeneration") == 1

        await eventually(seen)

    async def there(self, name: str = "web") -> bool:
        status, stored = await self.api.request("GET", f"/api/v1/namespaces/{self.namespace}/pods/{name}")
        return status == 200 and stored["metadata"].get("deletionTimestamp") is None


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with session() as api, own_namespace(api) as namespace:
        yield Shop(api, namespace)


async def test_without_a_budget_it_goes_once(shop: Shop):
    effect = await shop.pod()
    assert await shop.effects.dry_run(effect, OURSELVES) == DryRun(accepted=True)
    assert await shop.there(), "a dry run evicts nobody"
    assert await shop.effects.settle(effect.target, INTENT, {}, "Evict") is Settled.NOT_APPLIED
    assert await shop.effects.apply(effect, INTENT, OURSELVES) == Applied(after={"pod": "evicted"})
    assert await shop.effects.settle(effect.target, INTENT, {}, "Evict") is Settled.APPLIED
    assert not await shop.there()


async def test_a_budget_without_room_turns_it_away_and_it_is_never_deleted_instead(shop: Shop):
    effect = await shop.pod()
    await shop.budget("keep", 1)
    with pytest.raises(Retryable, match="can't be evicted now"):
        await shop.effects.apply(effect, INTENT, OURSELVES)
    tried = await shop.effects.dry_run(effect, OURSELVES)
    assert isinstance(tried, DryRun)
    assert (tried.accepted, tried.waits) == (True, True), "room is waited for"
    assert await shop.there()


async def test_two_budgets_for_one_pod_are_said_and_nothing_is_done(shop: Shop):
    effect = await shop.pod()
    await shop.budget("keep", 0)
    await shop.budget("keep-too", 0)
    answer = await shop.effects.apply(effect, INTENT, OURSELVES)
    assert isinstance(answer, NotApplied)
    assert answer.reason == "PDBBlocked"
    assert await shop.there()


async def test_another_pod_of_that_name_is_left_alone(shop: Shop):
    effect = await shop.pod()
    assert isinstance(await shop.effects.apply(effect, INTENT, OURSELVES), Applied)

    async def gone() -> bool:
        return (await shop.api.request("GET", f"/api/v1/namespaces/{shop.namespace}/pods/web"))[0] == 404

    await eventually(gone)
    assert await shop.effects.apply(effect, INTENT, OURSELVES) == Applied(after={"pod": "gone"})
    await shop.pod()
    answer = await shop.effects.apply(effect, INTENT, OURSELVES)
    assert isinstance(answer, NotApplied)
    assert answer.reason == "TargetChanged"
    assert await shop.there()
