"""Measures on what is no workload, on a real API server, with the operator's own account: granted by the command that the refusal names, taken, and
taken back when their time is over by an operator that has just started and finds no record of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.outside import Numbers, deployment, eventually, kubeconfig_of, must, needs_control_plane, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.cache import Cache
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.store import Objects
from prunella.api.common import ObjectRef
from prunella.api.marks import MARKED_LABEL
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.runbook import RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.app.runs.measures import Measures
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch, Settled
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.runs import measures
from prunella.core.healing.steps.step import LiveFacts

pytestmark = needs_control_plane
TTL = timedelta(seconds=60)
INTENT = "5b1e0000-0000-4000-8000-00000000000a"
ADMISSION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


class Later:
    """The port Clock, ahead of the real one."""

    def __init__(self, by: timedelta) -> None:
        self._by = by

    def now(self) -> datetime:
        return SystemClock().now() + self._by


class Shop:
    """A namespace with what is in the way of a Deployment, as the administrator sees it and as the operator changes it."""

    def __init__(self, api: Api, operator: Api, kubectl: Kubectl, namespace: str) -> None:
        self.api, self.operator, self.kubectl, self.namespace = api, operator, kubectl, namespace
        self.effects, self.live = Effects(operator), LiveReads(operator)
        self.preparer = Preparer(self.live, self.effects, SystemClock(), NoPrometheus(), self._polled)
        self.quota = f"/api/v1/namespaces/{namespace}/resourcequotas/team"
        self.budget = f"/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets/web"
        self.hook = f"{ADMISSION}/{namespace}"
        self.hook_name = f"pods.{namespace}.example.com"

    async def _polled(self) -> UnknownT:
        return UNKNOWN

    async def create(self, path: str, **body: Any) -> dict[str, Any]:
        name = path.rpartition("/")[2]
        return await must(self.api, "POST", path.removesuffix(f"/{name}"), {**body, "metadata": {"name": name, **body.pop("metadata", {})}})

    async def pod(self, name: str) -> None:
        """One that is healthy: nothing runs it, so the test says that it is ready."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{name}"
        spec = {"schedulerName": "nobody", "containers": [{"name": "app", "image": "localhost/box:v1"}]}
        await self.create(path, metadata={"labels": {"app": "web"}}, spec=spec)
        status = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
        await must(self.api, "PATCH", f"{path}/status", status, "application/strategic-merge-patch+json")

    async def set_up(self) -> None:
        """Two healthy pods, a budget that demands both, a quota that permits no third, and a webhook that nobody answers for."""
        await self.pod("web-a")
        await self.pod("web-b")
        await self.create(self.budget, spec={"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}})
        await self.create(self.quota, spec={"hard": {"pods": "2", "count/secrets": "9"}})
        rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "Namespaced"}
        webhook = {
            "name": self.hook_name,
            "rules": [rule],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": self.namespace}},
            "clientConfig": {"service": {"namespace": self.namespace, "name": "nowhere"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 1,
        }
        other = {**webhook, "name": f"first.{self.namespace}.example.com", "rules": [{**rule, "resources": ["configmaps"]}]}
        await self.create(self.hook, webhooks=[other, webhook])
        made = deployment("web", "localhost/box:v1", replicas=1)
        await must(self.api, "POST", f"/apis/apps/v1/namespaces/{self.namespace}/deployments", made)

        async def in_the_way() -> bool:
            [budget, quota, stuck] = [await must(self.api, "GET", path) for path in (self.budget, self.quota, self.workload)]
            said = [one["message"] for one in stuck["status"].get("conditions", ()) if one["type"] == "ReplicaFailure"]
            counted = budget.get("status", {}).get("currentHealthy") == 2 and quota["status"].get("used", {}).get("pods") == "2"
            return counted and any(self.hook_name in message for message in said)

        await eventually(in_the_way, seconds=60)

    @property
    def workload(self) -> str:
        return f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"

    async def patch(self, **step: Any) -> Patch:
        """As a run makes it, for an attempt of which nothing is recorded."""
        uid = (await must(self.api, "GET", self.workload))["metadata"]["uid"]
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=self.namespace, name="web", uid=uid)
        facts, raw, now = await self.live.workload(ref), await self.live.raw(ref), SystemClock().now()
        wanted = RunbookStep(name="it", ttl_seconds=60, **step)
        made = await self.preparer.wants(wanted, LiveFacts(now=now, raw=raw, target=facts, intent_time=now), ())
        assert isinstance(made, Patch), made
        return measures.temporary(made, remediation=f"{self.namespace}/web-1", uid="gone", until=now + TTL)

    async def take(self, patch: Patch) -> None:
        """First without the right, then with what the refusal says."""
        refused = await self.effects.apply(patch, INTENT, OURSELVES)
        assert isinstance(refused, NotApplied)
        assert refused.reason == "MissingPermission"
        [command] = re.findall(r"`kubectl (apply [^`]+)`", refused.message)
        self.kubectl(*command.split())

        async def granted() -> bool:
            tried = await self.effects.dry_run(patch, OURSELVES)
            return isinstance(tried, DryRun) and tried.accepted

        await eventually(granted)
        assert isinstance(await self.effects.apply(patch, INTENT, OURSELVES), Applied)
        assert await self.effects.settle(patch.target, INTENT, patch.record, "Patch") is Settled.APPLIED
        assert isinstance(await self.effects.apply(patch, INTENT, OURSELVES), NotApplied), "a second request changes nothing"

    async def new_operator_looks(self, ahead: timedelta) -> None:
        """One that has just started: all that it knows is what it lists."""
        cache = Cache(self.operator, SystemClock(), Numbers(), namespaces=(self.namespace,))
        task = asyncio.create_task(cache.run())
        try:
            async with asyncio.timeout(60):
                await cache.until_synced()
            assert not [one for one in cache.remediations() if one.metadata.namespace == self.namespace]
            await Measures(cache, Objects(self.operator), self.live, self.effects, Later(ahead), "prunella-system").look()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def stands(self) -> tuple[object, object, object, int]:
        """What the budget demands, the quota permits, the webhook does; and how many marks there are."""
        budget, quota, hook = [await must(self.api, "GET", path) for path in (self.budget, self.quota, self.hook)]
        marks = sum(MARK in one["metadata"].get("annotations", {}) for one in (budget, quota, hook))
        return budget["spec"]["minAvailable"], quota["spec"]["hard"]["pods"], hook["webhooks"][1]["failurePolicy"], marks


@pytest.fixture
async def shop(prunella: Kubectl, tmp_path: Path) -> AsyncIterator[Shop]:
    async with (
        session() as api,
        own_namespace(api) as namespace,
        session(await kubeconfig_of(api, "prunella-system", "prunella", tmp_path)) as operator,
    ):
        place = Shop(api, operator, prunella, namespace)
        try:
            await place.set_up()
            yield place
        finally:
            await api.request("DELETE", place.hook)
            prunella("delete", "-k", "manifests/bypass-webhooks", "--ignore-not-found")


@pytest.mark.timeout(240, func_only=True)
async def test_r25_what_is_loosened_for_a_while_is_as_before_though_nobody_remembers_it(shop: Shop):
    assert await shop.stands() == (2, "2", "Fail", 0)
    await shop.take(await shop.patch(relax_disruption_budget={}))
    await shop.take(await shop.patch(raise_quota={"resource": "pods", "percent": 150, "most": "5"}))
    # Reading a configuration needs the same grant as changing it: until it is there the step waits.
    shop.kubectl("apply", "-k", "manifests/bypass-webhooks")
    fields = {"kind": "ValidatingWebhookConfiguration", "configuration": shop.namespace, "webhook": shop.hook_name}

    async def readable() -> bool:
        return await shop.live.may("get", "admissionregistration.k8s.io", "validatingwebhookconfigurations", "") is True

    await eventually(readable)
    patch = await shop.patch(webhook_bypass=fields)
    assert isinstance(await shop.effects.apply(patch, INTENT, OURSELVES), Applied)
    assert await shop.effects.settle(patch.target, INTENT, patch.record, "Patch") is Settled.APPLIED
    assert await shop.stands() == (1, "3", "Ignore", 3)
    assert (await must(shop.api, "GET", shop.hook))["metadata"]["labels"] == {MARKED_LABEL: "true"}

    await shop.new_operator_looks(timedelta())
    assert await shop.stands() == (1, "3", "Ignore", 3), "their time is not over"
    await shop.new_operator_looks(TTL)
    assert await shop.stands() == (2, "2", "Fail", 0)
    assert MARKED_LABEL not in (await must(shop.api, "GET", shop.hook))["metadata"].get("labels", {})
