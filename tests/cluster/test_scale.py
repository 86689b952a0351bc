"""scale and its temporary measure on a real API server: the number, the autoscaler that owns it, the mark, and the end of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.cluster.outside import deployment, must, needs_control_plane, numbered, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch, Settled
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.runs import measures
from prunella.core.healing.steps.step import LiveFacts, Skip

pytestmark = needs_control_plane
INTENT = "5b1e0000-0000-4000-8000-000000000002"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
MORE = RunbookStep(name="more", scale={"by": 2, "most": 9})


class Shop:
    """A namespace with a Deployment of one replica."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.effects = Effects(api)
        self.preparer = Preparer(LiveReads(api), self.effects, SystemClock(), NoPrometheus(), self._polled)

    async def _polled(self) -> UnknownT:
        return UNKNOWN

    async def get(self, path: str) -> dict[str, Any]:
        return await must(self.api, "GET", path)

    @property
    def path(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"

    async def ref(self) -> ObjectRef:
        uid = (await self.get(self.path))["metadata"]["uid"]
        return ObjectRef(api_version="apps/v1", kind="Deployment", namespace=self.namespace, name="web", uid=uid)

    async def plan(self) -> Patch:
        """As a run makes it: from what was read live, with the mark of a temporary measure."""
        live, ref = LiveReads(self.api), await self.ref()
        facts, raw = await live.workload(ref), await live.raw(ref)
        patch = await self.preparer.wants(MORE, LiveFacts(now=NOW, raw=raw, target=facts, intent_time=NOW), ())
        assert isinstance(patch, Patch)
        return measures.temporary(patch, remediation=f"{self.namespace}/web-1", until=NOW + timedelta(seconds=600))

    def record(self, patch: Patch) -> StepStatus:
        intent = Intent(id=INTENT, action="Patch", target_ref=patch.target, written_time=NOW, deadline_time=NOW, before=patch.record)
        return StepStatus(name="more", action="scale", state=StepState.APPLIED, intent=intent)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with session() as api, own_namespace(api) as namespace:
        place = Shop(api, namespace)
        made = deployment("web", "localhost/box:v1")
        made["spec"]["replicas"] = 1
        await must(api, "POST", place.path.removesuffix("/web"), made, fieldManager="kubectl-create")
        await numbered(api, place.path, 1)
        yield place


async def test_it_writes_the_number_with_its_mark_and_gives_it_back(shop: Shop):
    before = (await shop.get(shop.path))["spec"]["replicas"]
    patch = await shop.plan()
    assert isinstance(await shop.effects.dry_run(patch, OURSELVES), DryRun)

    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), Applied)

    stored = await shop.get(shop.path)
    assert stored["spec"]["replicas"] == before + 2
    assert stored["metadata"]["annotations"]["prunella.dev/intent-id"] == INTENT
    assert await shop.effects.settle(patch.target, INTENT, patch.record, "Patch") is Settled.APPLIED
    assert await shop.effects.settle(patch.target, "another", patch.record, "Patch") is Settled.CHANGED
    back = await shop.preparer.undo(MORE, shop.record(patch))
    assert isinstance(back, Patch)
    assert isinstance(await shop.effects.apply(back, "another", OURSELVES), Applied)
    stored = await shop.get(shop.path)
    assert stored["spec"]["replicas"] == before
    assert MARK not in stored["metadata"]["annotations"]
    assert isinstance(await shop.preparer.undo(MORE, shop.record(patch)), Skip), "it is not ours any more"


async def test_a_second_request_changes_nothing(shop: Shop):
    patch = await shop.plan()
    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), Applied)
    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), NotApplied)


async def test_r25_the_mark_alone_ends_it_once(shop: Shop):
    before = (await shop.get(shop.path))["spec"]["replicas"]
    assert isinstance(await shop.effects.apply(await shop.plan(), INTENT, OURSELVES), Applied)
    stored = await shop.get(shop.path)
    mark = stored["metadata"]["annotations"][MARK]
    measure = measures.read(mark)
    assert measure is not None
    end = measures.undo(measure, await shop.ref(), stored, mark)
    assert isinstance(await shop.effects.apply(end, "", OURSELVES), Applied)
    after = await shop.get(shop.path)
    assert after["spec"]["replicas"] == before
    assert MARK not in after["metadata"]["annotations"]
    assert isinstance(await shop.effects.apply(end, "", OURSELVES), NotApplied), "it insists on the mark"


async def test_where_an_autoscaler_owns_the_number_its_minimum_is_raised(shop: Shop):
    path = f"/apis/autoscaling/v2/namespaces/{shop.namespace}/horizontalpodautoscalers"
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 2, "maxReplicas": 3}
    await must(shop.api, "POST", path, {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec})
    replicas = (await shop.get(shop.path))["spec"]["replicas"]

    patch = await shop.plan()
    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), Applied)

    scaler = await shop.get(f"{path}/web")
    assert scaler["spec"]["minReplicas"] == 3, "not beyond its maximum"
    assert MARK in scaler["metadata"]["annotations"]
    assert (await shop.get(shop.path))["spec"]["replicas"] == replicas
    back = await shop.preparer.undo(MORE, shop.record(patch))
    assert isinstance(back, Patch)
    assert isinstance(await shop.effects.apply(back, "another", OURSELVES), Applied)
    assert (await shop.get(f"{path}/web"))["spec"]["minReplicas"] == 2
