"""adjustAutoscaler on a real API server: the maximum goes up with its mark, and the mark alone brings it back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.cluster.outside import deployment, must, needs_control_plane, own_namespace, session

from prunella.adapters.absent import NoPrometheus
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.api.marks import TEMPORARY_ANNOTATION as MARK
from prunella.api.runbook import RunbookStep
from prunella.app.incidents.prepare import Preparer
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.effects.effect import Applied, NotApplied, Patch
from prunella.core.healing.runbooks.identity import OURSELVES
from prunella.core.healing.runs import measures
from prunella.core.healing.steps.step import Done, LiveFacts

pytestmark = needs_control_plane
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HIGHER = RunbookStep(name="higher", adjust_autoscaler={"most": 9}, ttl_seconds=600)


async def polled() -> UnknownT:
    return UNKNOWN


async def test_the_maximum_goes_up_for_a_while_and_comes_back_by_its_mark():
    async with session() as api, own_namespace(api) as namespace:
        effects, live = Effects(api), LiveReads(api)
        preparer = Preparer(live, effects, SystemClock(), NoPrometheus(), polled)
        path = f"/apis/autoscaling/v2/namespaces/{namespace}/horizontalpodautoscalers"
        made = await must(api, "POST", f"/apis/apps/v1/namespaces/{namespace}/deployments", deployment("web", "localhost/box:v1"))
        spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 1, "maxReplicas": 4}
        await must(api, "POST", path, {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec})
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid=made["metadata"]["uid"])

        async def plan() -> object:
            facts, raw = await live.workload(ref), await live.raw(ref)
            return await preparer.wants(HIGHER, LiveFacts(now=NOW, raw=raw, target=facts, intent_time=NOW), ())

        assert isinstance(await plan(), Done), "it is not at its maximum"
        status = {"status": {"currentReplicas": 4, "desiredReplicas": 4}}
        patch = None
        for _ in range(50):  # the autoscaler's own controller writes its status too
            await must(api, "PATCH", f"{path}/web/status", status, "application/merge-patch+json")
            patch = await plan()
            if isinstance(patch, Patch):
                break
        assert isinstance(patch, Patch)
        patch = measures.temporary(patch, remediation=f"{namespace}/web-1", until=NOW + timedelta(seconds=600))
        assert isinstance(await effects.apply(patch, "higher", OURSELVES), Applied)
        assert isinstance(await effects.apply(patch, "higher", OURSELVES), NotApplied), "a second request changes nothing"
        stored = await must(api, "GET", f"{path}/web")
        assert stored["spec"]["maxReplicas"] == 6
        mark = stored["metadata"]["annotations"][MARK]
        measure = measures.read(mark)
        assert measure is not None
        assert isinstance(await effects.apply(measures.undo(measure, patch.target, stored, mark), "", OURSELVES), Applied)
        after = await must(api, "GET", f"{path}/web")
        assert (after["spec"]["maxReplicas"], MARK in after["metadata"]["annotations"]) == (4, False)
