"""Steps that make Jobs on a real API server: what it takes, what it makes of it, and that the same intent makes one Job."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tests.cluster.outside import deployment, eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, Look, UnknownT
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.effects.effect import Applied, DryRun, NotApplied, Settled
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.steps.step import Failed, LiveFacts, Next, Wait
from prunella.core.things.job import Job

pytestmark = needs_control_plane
INTENT = "5b1e000000000002"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
IMAGE = "registry.example.com/tools@sha256:" + "0" * 64
RUN = RunbookStep(name="run", job={"image": IMAGE, "command": ["true"], "serviceAccountName": "default"})
FROM = RunbookStep(name="run", createJobFrom={"cronJob": "nightly"})
AGAIN = RunbookStep(name="run", rerunJob={"job": "migrate"})
YES = {"prunella.dev/idempotent": "true"}
POD = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "localhost/box:v1", "command": ["false"]}]}


class Shop:
    """A namespace with a Deployment."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.effects = Effects(api)
        self.preparer = Preparer(LiveReads(api), self.effects, SystemClock(), NoPrometheus(), self._polled)

    async def _polled(self) -> UnknownT:
        return UNKNOWN

    @property
    def jobs(self) -> str:
        return f"/apis/batch/v1/namespaces/{self.namespace}/jobs"

    async def wants(self, step: RunbookStep, done: tuple[StepStatus, ...] = ()) -> Next:
        path = f"/apis/apps/v1/namespaces/{self.namespace}/deployments/web"
        uid = (await must(self.api, "GET", path))["metadata"]["uid"]
        ref, live = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=self.namespace, name="web", uid=uid), LiveReads(self.api)
        facts, raw = await live.workload(ref), await live.raw(ref)
        return await self.preparer.wants(step, LiveFacts(now=NOW, raw=raw, target=facts, intent_time=NOW, intent_id=INTENT), done)

    async def planned(self, step: RunbookStep) -> Create:
        wants = await self.wants(step)
        assert isinstance(wants, Create), wants
        return wants

    async def made(self) -> list[dict[str, Any]]:
        found = (await must(self.api, "GET", self.jobs))["items"]
        return [one for one in found if one["metadata"]["name"].startswith("prunella-")]


def record(effect: Create) -> tuple[StepStatus, ...]:
    intent = Intent(id=INTENT, action="Create", target_ref=effect.target, written_time=NOW, deadline_time=NOW)
    return (StepStatus(name="run", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOW)),)


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with session() as api, own_namespace(api) as namespace:
        place = Shop(api, namespace)
        made = deployment("web", "localhost/box:v1")
        made["spec"]["replicas"] = 1
        await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", made)
        yield place


async def test_a_dry_run_is_taken_and_makes_nothing(shop: Shop) -> None:
    assert await shop.effects.dry_run(await shop.planned(RUN), OURSELVES) == DryRun(accepted=True)
    assert await shop.made() == []


async def test_the_same_intent_makes_one_job_and_another_does_not_take_it_for_its_own(shop: Shop) -> None:
    effect = await shop.planned(RUN)
    assert await shop.effects.settle(effect.target, INTENT, {}, "Create") is Settled.NOT_APPLIED
    first = await shop.effects.apply(effect, INTENT, OURSELVES)
    assert isinstance(first, Applied)
    assert await shop.effects.apply(effect, INTENT, OURSELVES) == first, "a name that is taken by the same intent is adopted"
    other = await shop.effects.apply(effect, "0000000000000000", OURSELVES)
    assert isinstance(other, NotApplied)
    assert len(await shop.made()) == 1
    assert await shop.effects.settle(effect.target, INTENT, {}, "Create") is Settled.APPLIED
    assert await shop.effects.settle(effect.target, "0000000000000000", {}, "Create") is Settled.CHANGED


async def test_its_pod_is_let_into_a_namespace_for_restricted_pods_only() -> None:
    async with session() as api, own_namespace(api, **{"pod-security.kubernetes.io/enforce": "restricted"}) as namespace:
        made = deployment("web", "localhost/box:v1")
        made["spec"]["replicas"] = 0
        await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", made)
        template: Any = (await Shop(api, namespace).planned(RUN)).manifest["spec"]
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": template["template"]["spec"]}
        await must(api, "POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All")


async def test_while_it_is_at_work_the_step_waits_and_once_it_is_gone_nothing_is_claimed(shop: Shop) -> None:
    effect = await shop.planned(RUN)
    await shop.effects.apply(effect, INTENT, OURSELVES)
    assert isinstance(await shop.wants(RUN, record(effect)), Wait)
    await must(shop.api, "DELETE", f"{shop.jobs}/{effect.target.name}", {"propagationPolicy": "Background"})

    async def gone() -> bool:
        return await shop.made() == []

    await eventually(gone)
    wants = await shop.wants(RUN, record(effect))
    assert isinstance(wants, Failed)
    assert "is gone: whether it did its work can't be told" in wants.message


async def test_a_cron_jobs_job_is_made_and_the_cron_job_does_not_own_it(shop: Shop) -> None:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"backoffLimit": 4, "template": {"spec": POD}}}
    cron = {"metadata": {"name": "nightly", "annotations": YES}, "spec": {"schedule": "0 3 1 1 *", "jobTemplate": template}}
    await must(shop.api, "POST", f"/apis/batch/v1/namespaces/{shop.namespace}/cronjobs", cron)
    assert isinstance(await shop.effects.apply(await shop.planned(FROM), INTENT, OURSELVES), Applied)
    [job] = await shop.made()
    assert job["metadata"].get("ownerReferences") is None
    assert (job["spec"]["backoffLimit"], job["spec"]["activeDeadlineSeconds"], job["spec"]["ttlSecondsAfterFinished"]) == (0, 300, 86400)
    assert job["metadata"]["labels"]["a"] == "b"


async def test_a_job_that_failed_runs_again_and_a_failure_is_seen_as_one(shop: Shop) -> None:
    spec = {"activeDeadlineSeconds": 1, "backoffLimit": 0, "template": {"spec": POD}}
    await must(shop.api, "POST", shop.jobs, {"metadata": {"name": "migrate", "annotations": YES}, "spec": spec})

    async def failed() -> bool:
        return isinstance(await shop.wants(AGAIN), Create)

    await eventually(failed, seconds=60)
    effect = await shop.planned(AGAIN)
    assert isinstance(await shop.effects.apply(effect, INTENT, OURSELVES), Applied)
    [job] = await shop.made()
    assert job["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] == job["metadata"]["uid"]

    async def ended() -> bool:
        return isinstance(await shop.wants(AGAIN, record(effect)), Failed)

    await eventually(ended, seconds=60)
    wants = await shop.wants(AGAIN, record(effect))
    assert isinstance(wants, Failed)
    assert wants.message.startswith(f"Job {effect.target.name} failed: ")


async def test_a_failed_job_that_is_the_target_runs_again_and_the_record_says_whose_run_it_is(shop: Shop) -> None:
    spec = {"activeDeadlineSeconds": 1, "backoffLimit": 0, "template": {"spec": POD}}
    stored = await must(shop.api, "POST", shop.jobs, {"metadata": {"name": "migrate", "annotations": YES}, "spec": spec})
    ref = ObjectRef(api_version="batch/v1", kind="Job", namespace=shop.namespace, name="migrate", uid=stored["metadata"]["uid"])
    live = LiveReads(shop.api)

    async def wants() -> Next:
        seen = await live.look(ref)
        assert isinstance(seen, Look)
        step = RunbookStep(name="run", rerunJob={})
        return await shop.preparer.wants(step, LiveFacts(now=NOW, raw=seen.raw, target=seen.facts, intent_time=NOW, intent_id=INTENT), ())

    async def failed() -> bool:
        return isinstance(await wants(), Create)

    await eventually(failed, seconds=60)
    effect = await wants()
    assert isinstance(effect, Create)
    assert effect.record == {"runsAgain": ref.uid}
    assert await shop.effects.dry_run(effect, OURSELVES) == DryRun(accepted=True)
    assert isinstance(await shop.effects.apply(effect, INTENT, OURSELVES), Applied)
    ours = await live.look(effect.target)
    assert isinstance(ours, Look)
    assert isinstance(ours.facts, Job)
    assert ours.facts.intent == INTENT, "what becomes of it is no Incident of its own"


async def test_what_the_api_server_refuses_is_told_and_makes_nothing(shop: Shop) -> None:
    effect = await shop.planned(RUN)
    wrong = replace(effect, manifest={**effect.manifest, "spec": {"template": {}}})
    refused = await shop.effects.apply(wrong, INTENT, OURSELVES)
    assert isinstance(refused, NotApplied)
    assert refused.reason == ""
    assert await shop.made() == []
