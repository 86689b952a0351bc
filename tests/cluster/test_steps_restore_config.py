"""restoreConfig on a real API server: versions by metadata alone, a copy owned by its record, content over one version, and the way back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import Kubectl
from tests.cluster.outside import deployment, eventually, kubeconfig_of, must, needs_control_plane, numbered, own_namespace, session
from tests.core.builders import container, pod

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.config_maps import KeptConfigMaps
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.store import Objects
from prunella.api.common import Metadata, ObjectRef
from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.api.workload_record import WorkloadRecord
from prunella.app.around.configs import Configs
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, UnknownT, WorkloadFacts
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Patch, Settled
from prunella.core.healing.known import record
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps import hand_back
from prunella.core.healing.steps.step import LiveFacts, Next

pytestmark = needs_control_plane
SECRET = "hunter2"
STEP = RunbookStep(name="restore", restore_config={})
SOON = timedelta(minutes=10)


class Shop:
    """A namespace with a Deployment that takes its environment from ConfigMap `settings`."""

    def __init__(self, people: Api, operator: Api, namespace: str) -> None:
        self.api, self.namespace = people, namespace
        self.maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self.effects, self.live, self.store = Effects(operator), LiveReads(operator), Objects(operator)
        self.configs = Configs(KeptConfigMaps(operator, operator))
        self.preparer = Preparer(self.live, self.effects, SystemClock(), NoPrometheus(), self._polled)

    async def _polled(self) -> UnknownT:
        return UNKNOWN

    async def put(self, verb: str, **data: str) -> None:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": data}
        await must(self.api, verb, self.maps if verb == "POST" else f"{self.maps}/settings", body)

    async def data(self, name: str = "settings") -> dict[str, str]:
        return (await must(self.api, "GET", f"{self.maps}/{name}"))["data"]

    async def deployed(self) -> WorkloadFacts:
        """The Deployment as it would be once its pod runs: no kubelet is needed to know what its template reads."""
        made: dict[str, Any] = deployment("web", "localhost/box:v1")
        made["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments"
        await must(self.api, "POST", path, made)
        uid = (await numbered(self.api, f"{path}/web", 1))["metadata"]["uid"]
        facts = await self.live.workload(ObjectRef(api_version="apps/v1", kind="Deployment", namespace=self.namespace, name="web", uid=uid))
        assert isinstance(facts, WorkloadFacts)
        newest = replace(facts.revisions[0], replicas=1)
        workload = replace(facts.workload, desired=1, updated=1, ready=1, available=1, observed_generation=facts.workload.generation)
        began = datetime.now(UTC) + timedelta(seconds=2)
        runs = pod("web-a", newest.hash, container(running_since=began), ready_since=began)
        return replace(facts, workload=workload, revisions=(newest,), pods=(runs,))

    async def remembered(self, facts: WorkloadFacts) -> WorkloadRecord:
        """What is written once it has been healthy for a while."""
        name = record.record_name("Deployment", "web")
        meta = Metadata(name=name, namespace=self.namespace)
        stored = await self.store.put_record(WorkloadRecord(metadata=meta, spec=record.standing(None, facts.workload.ref)))
        now = datetime.now(UTC) + SOON
        due = await self.configs.proved(facts, stored, HealingPolicySpec(), now)
        assert list(due) == ["settings"]
        kept = await self.configs.keep(facts, stored, due, now)
        spec = stored.spec.model_copy(update={"config_maps": kept})
        after = await self.store.put_record(stored.model_copy(update={"spec": spec}))
        assert await self.configs.proved(facts, after, HealingPolicySpec(), now) == {}, "it is remembered"
        return after

    async def plan(self, facts: WorkloadFacts, *done: StepStatus) -> Next:
        live = LiveFacts(now=datetime.now(UTC), raw={}, target=facts, intent_time=datetime.now(UTC), intent_id="5b1e0123")
        return await self.preparer.wants(STEP, live, done)

    async def do(self, effect: Create | Patch, name: str) -> StepStatus:
        tried = await self.effects.dry_run(effect, OURSELVES)
        assert isinstance(tried, DryRun)
        assert tried.accepted, tried.message
        assert SECRET not in tried.diff
        assert "fast" not in tried.diff
        answer = await self.effects.apply(effect, name, OURSELVES)
        assert isinstance(answer, Applied), answer
        assert await self.effects.settle(effect.target, name, effect.record, effect.action) is Settled.APPLIED
        now = datetime.now(UTC)
        intent = Intent(id=name, action=effect.action, target_ref=effect.target, written_time=now, deadline_time=now, before=effect.record)
        return StepStatus(name=name, state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=now, after=dict(answer.after)))


@pytest.fixture
async def shop(prunella: Kubectl, tmp_path: Path) -> AsyncIterator[Shop]:
    """The operator's own account, with the rights that the namespace grants it for this."""
    async with session() as people, own_namespace(people) as namespace:
        prunella("apply", "-n", namespace, "-k", "manifests/restore-config")
        async with session(await kubeconfig_of(people, "prunella-system", "prunella", tmp_path)) as operator:
            place = Shop(people, operator, namespace)

            async def granted() -> bool:
                return await place.live.may("patch", "", "configmaps", namespace) is True

            await eventually(granted)
            yield place


async def test_what_it_was_healthy_with_is_kept_and_comes_back_over_the_version_that_was_judged(shop: Shop):
    await shop.put("POST", mode="fast", same="x")
    facts = await shop.deployed()
    stored = await shop.remembered(facts)
    [known] = stored.spec.config_maps
    copy = await must(shop.api, "GET", f"{shop.maps}/{known.copy_name}")
    assert (copy["data"], copy["metadata"]["resourceVersion"]) == ({"mode": "fast", "same": "x"}, known.copy_version)
    assert [one["uid"] for one in copy["metadata"]["ownerReferences"]] == [stored.metadata.uid]

    await shop.put("PUT", mode=SECRET, same="x")
    crashed = replace(facts, pods=(replace(facts.pods[0], ready=False),))
    await shop.configs.look(crashed, stored, datetime.now(UTC) + 2 * SOON)
    [change] = shop.configs.changes(facts.workload.uid)
    assert (change.name, change.keys) == ("settings", ("mode",))

    keep = await shop.plan(facts)
    assert isinstance(keep, Create)
    kept = await shop.do(keep, "5b1e0123")
    patch = await shop.plan(facts, kept)
    assert isinstance(patch, Patch)
    restored = await shop.do(patch, "5b1e0124")
    assert await shop.data() == {"mode": "fast", "same": "x"}
    assert await shop.data(keep.target.name) == {"mode": SECRET, "same": "x"}
    assert isinstance(await shop.effects.apply(patch, "5b1e0124", OURSELVES), NotApplied), "a second request changes nothing"

    back = await shop.preparer.undo(STEP, restored)
    assert isinstance(back, Patch)
    await shop.do(back, "5b1e0125")
    assert await shop.data() == {"mode": SECRET, "same": "x"}
    raw = await shop.live.raw(back.target)
    assert isinstance(raw, dict)
    owned = hand_back.hand_back(raw)
    assert owned is not None
    assert isinstance(await shop.effects.apply(owned, "", OURSELVES), Applied), "the owner's next apply conflicts with nobody"


async def test_what_somebody_changes_in_between_is_not_written_over(shop: Shop):
    await shop.put("POST", mode="fast")
    facts = await shop.deployed()
    await shop.remembered(facts)
    await shop.put("PUT", mode=SECRET)
    keep = await shop.plan(facts)
    assert isinstance(keep, Create)
    patch = await shop.plan(facts, await shop.do(keep, "5b1e0123"))
    await shop.put("PUT", mode="mended")
    assert isinstance(patch, Patch)
    assert isinstance(await shop.effects.apply(patch, "5b1e0124", OURSELVES), NotApplied)
    assert await shop.data() == {"mode": "mended"}
