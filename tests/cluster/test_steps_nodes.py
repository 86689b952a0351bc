"""cordon, taint and drain on a real API server: the mark ends the cordon, a taint goes alone, a drain evicts, and a budget holds the next pod."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from tests.cluster.outside import eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.runbook import RunbookStep
from prunella.app.errors import Retryable
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, Look, UnknownT
from prunella.core.healing.effects.effect import Applied, DryRun, Evict, Patch, Settled
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.runs import measures
from prunella.core.healing.steps.step import Failed, LiveFacts, Next
from prunella.core.things.node import Node

pytestmark = needs_control_plane
INTENT = "5b1e0000-0000-4000-8000-000000000005"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
CORDON = RunbookStep(name="cordon", cordon={}, ttl_seconds=600)
UNCORDON = RunbookStep(name="uncordon", uncordon={})
DRAIN = RunbookStep(name="drain", drain={})
TAINT = RunbookStep(name="taint", taint={"key": "prunella.dev/suspect", "value": "disk", "effect": "NoSchedule"}, ttl_seconds=600)
UNTAINT = RunbookStep(name="untaint", untaint={"key": "prunella.dev/suspect", "effect": "NoSchedule"})
OURS = {"key": "prunella.dev/suspect", "value": "disk", "effect": "NoSchedule"}
TWIN = {"key": "prunella.dev/suspect", "effect": "PreferNoSchedule"}
THEIRS = {"key": "example.com/team", "value": "a", "effect": "NoSchedule"}


class Farm:
    """A node that no kubelet serves, and what runs on it by its own word."""

    def __init__(self, api: Api, namespace: str, node: str) -> None:
        self.api = api
        self.namespace = namespace
        self.path = f"/api/v1/nodes/{node}"
        self.ref = ObjectRef(api_version="v1", kind="Node", name=node)
        self.effects = Effects(api)
        self.live = LiveReads(api)
        self.preparer = Preparer(self.live, self.effects, SystemClock(), NoPrometheus(), self._polled)

    async def _polled(self) -> UnknownT:
        return UNKNOWN

    async def look(self) -> Look:
        seen = await self.live.look(self.ref)
        assert isinstance(seen, Look)
        return seen

    async def wants(self, step: RunbookStep) -> Next:
        seen = await self.look()
        return await self.preparer.wants(step, LiveFacts(now=NOW, raw=seen.raw, target=seen.facts, intent_time=NOW), ())

    async def cordon(self) -> None:
        await self.take(CORDON)

    async def taints(self) -> list[dict[str, Any]]:
        """All but what the node controller adds and takes off as it likes."""
        listed = (await self.look()).raw["spec"].get("taints", [])
        return [one for one in listed if not one["key"].startswith("node.kubernetes.io/")]

    async def welcomed(self) -> bool:
        """Each controller of nodes has written on the new one what it will: meanwhile a change may meet another node than was judged."""
        raw = (await self.look()).raw
        own = [one for one in raw["spec"].get("taints", []) if one["key"].startswith("node.kubernetes.io/")]
        return "node.alpha.kubernetes.io/ttl" in raw["metadata"].get("annotations", {}) and not own

    async def tainted(self, *taints: dict[str, Any]) -> None:
        """By somebody else."""
        await must(self.api, "PATCH", self.path, {"spec": {"taints": list(taints)}}, "application/merge-patch+json")

    async def end(self) -> None:
        """What a measure does when its time is over."""
        seen = await self.look()
        assert isinstance(seen.facts, Node)
        mark = seen.facts.annotations[MARK]
        measure = measures.read(mark)
        assert measure is not None
        assert measures.concerns(measure, seen.facts.ref)
        assert isinstance(await self.effects.apply(measures.undo(measure, seen.facts.ref, seen.raw, mark), "", OURSELVES), Applied)
        after = (await self.look()).facts
        assert isinstance(after, Node)
        assert MARK not in after.annotations

    async def take(self, step: RunbookStep) -> None:
        patch = await self.wants(step)
        assert isinstance(patch, Patch), patch
        marked = measures.temporary(patch, remediation=f"{self.namespace}/n-1", until=NOW + timedelta(seconds=600))
        assert isinstance(await self.effects.apply(marked, INTENT, OURSELVES), Applied)
        assert await self.effects.settle(patch.target, INTENT, patch.record, "Patch") is Settled.APPLIED

    async def two_pods(self) -> None:
        """Two pods on the node that say they are ready, of a controller that makes no new ones; one of them must stay."""
        core = f"/api/v1/namespaces/{self.namespace}"
        owner = await must(self.api, "POST", f"{core}/configmaps", {"metadata": {"name": "owner"}})
        budget = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
        await must(
            self.api, "POST", f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets", {"metadata": {"name": "keep"}, "spec": budget}
        )
        by = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"], "controller": True}
        spec = {"nodeName": self.ref.name, "terminationGracePeriodSeconds": 0, "containers": [{"name": "app", "image": "localhost/box:v1"}]}
        ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        for name in ("web-1", "web-2"):
            meta = {"name": name, "labels": {"app": "web"}, "ownerReferences": [by]}
            await must(self.api, "POST", f"{core}/pods", {"metadata": meta, "spec": spec})
            await must(self.api, "PATCH", f"{core}/pods/{name}/status", ready, "application/strategic-merge-patch+json")

        async def room() -> bool:
            found: dict[str, Any] = await must(self.api, "GET", f"/apis/policy/v1/namespaces/{self.namespace}/poddisruptionbudgets/keep")
            return found.get("status", {}).get("disruptionsAllowed") == 1

        await eventually(room)


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with session() as api, own_namespace(api) as namespace:
        node = f"t-{uuid4().hex[:10]}"
        await must(api, "POST", "/api/v1/nodes", {"metadata": {"name": node}})
        status = {"status": {"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-24T11:00:00Z"}]}}
        await must(api, "PATCH", f"/api/v1/nodes/{node}/status", status, "application/strategic-merge-patch+json")
        place = Farm(api, namespace, node)
        await eventually(place.welcomed)
        yield place
        await api.request("DELETE", f"/api/v1/nodes/{node}")


async def test_r22_a_cordon_bears_its_end_and_is_taken_back_with_its_mark(farm: Farm):
    await farm.cordon()
    seen = (await farm.look()).facts
    assert isinstance(seen, Node)
    assert seen.cordoned
    await farm.end()
    after = (await farm.look()).facts
    assert isinstance(after, Node)
    assert not after.cordoned


async def test_a_taint_bears_its_end_and_goes_alone(farm: Farm):
    await farm.tainted(THEIRS)
    await farm.take(TAINT)
    assert await farm.taints() == [THEIRS, OURS]
    await farm.tainted(TWIN, OURS, THEIRS)
    await farm.end()
    assert await farm.taints() == [TWIN, THEIRS]
    await farm.tainted()
    await farm.take(TAINT)
    await farm.end()
    assert await farm.taints() == [], "where it was the only one there is no list left"


async def test_a_taint_that_came_in_between_makes_the_request_fail_and_nothing_is_lost(farm: Farm):
    patch = await farm.wants(TAINT)
    assert isinstance(patch, Patch)
    await farm.tainted(THEIRS)
    with pytest.raises(Retryable, match="came or went after it was judged: nothing was changed"):
        await farm.effects.apply(patch, INTENT, OURSELVES)
    assert await farm.taints() == [THEIRS]


async def test_a_taint_of_that_name_is_never_written_over_and_untaint_is_for_ours_alone(farm: Farm):
    await farm.tainted({**OURS, "value": "theirs"})
    assert isinstance(await farm.wants(TAINT), Failed)
    assert getattr(await farm.wants(UNTAINT), "reason", "") == "HumanOverride"
    await farm.tainted(THEIRS)
    await farm.take(TAINT)
    patch = await farm.wants(UNTAINT)
    assert isinstance(patch, Patch)
    assert isinstance(await farm.effects.apply(patch, INTENT, OURSELVES), Applied)
    after = await farm.look()
    assert isinstance(after.facts, Node)
    assert (await farm.taints(), MARK in after.facts.annotations) == ([THEIRS], False)


async def test_r21_uncordon_is_for_our_cordon_alone(farm: Farm):
    await must(farm.api, "PATCH", farm.path, {"spec": {"unschedulable": True}}, "application/merge-patch+json")
    assert getattr(await farm.wants(UNCORDON), "reason", "") == "HumanOverride"
    await must(farm.api, "PATCH", farm.path, {"spec": {"unschedulable": None}}, "application/merge-patch+json")
    await farm.cordon()
    patch = await farm.wants(UNCORDON)
    assert isinstance(patch, Patch)
    assert isinstance(await farm.effects.apply(patch, INTENT, OURSELVES), Applied)
    after = (await farm.look()).facts
    assert isinstance(after, Node)
    assert (after.cordoned, MARK in after.annotations) == (False, False)


async def test_r23_a_drain_evicts_and_waits_where_a_budget_has_no_room(farm: Farm):
    await farm.two_pods()
    await farm.cordon()
    first = await farm.wants(DRAIN)
    assert isinstance(first, Evict), first
    assert first.target.namespace == farm.namespace
    assert await farm.effects.apply(first, INTENT, OURSELVES) == Applied(after={"pod": "evicted"})

    async def held() -> bool:
        following = await farm.wants(DRAIN)
        tried = await farm.effects.dry_run(following, OURSELVES) if isinstance(following, Evict) else None
        return isinstance(tried, DryRun) and tried.waits

    await eventually(held)
