"""What only a real API server shows of objects: who wrote the number of replicas, and what a pod looks like that does not go."""

from __future__ import annotations

from tests.cluster.outside import deployment, eventually, must, needs_control_plane, own_namespace, session

from prunella.adapters.kubernetes.client import Api
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.api.common import ObjectRef
from prunella.core.facts import Pod, WorkloadFacts

pytestmark = needs_control_plane
MERGE = "application/merge-patch+json"


async def facts_of(api: Api, ref: ObjectRef) -> WorkloadFacts:
    facts = await LiveReads(api).workload(ref)
    assert isinstance(facts, WorkloadFacts)
    return facts


async def test_who_scaled_a_workload_to_zero_and_what_its_last_pod_waits_for():
    async with session() as api, own_namespace(api) as namespace:
        path, pods = f"/apis/apps/v1/namespaces/{namespace}/deployments", f"/api/v1/namespaces/{namespace}/pods"
        made = await must(api, "POST", path, deployment("web", "localhost/box:v1", replicas=1), fieldManager="helm")
        ref = ObjectRef(api_version="apps/v1", kind="Deployment", namespace=namespace, name="web", uid=made["metadata"]["uid"])

        async def started() -> str:
            return next((pod.name for pod in (await facts_of(api, ref)).pods), "")

        name = await eventually(started)
        await must(api, "PATCH", f"{pods}/{name}", {"metadata": {"finalizers": ["example.com/hold"]}}, MERGE)
        try:
            await must(api, "PATCH", f"{path}/web/scale", {"spec": {"replicas": 0}}, MERGE, fieldManager="kubectl")
            zero = (await facts_of(api, ref)).workload
            assert (zero.desired, zero.zeroed_by) == (0, ""), "a zero that goes through the subresource leaves no name"
            for replicas in (1, 0):
                await must(api, "PATCH", f"{path}/web", {"spec": {"replicas": replicas}}, MERGE, fieldManager="kubectl-edit")
            zero = (await facts_of(api, ref)).workload
            assert (zero.desired, zero.zeroed_by) == (0, "kubectl-edit")
            assert zero.zeroed_time is not None

            async def leaving() -> Pod | None:
                return next((pod for pod in (await facts_of(api, ref)).pods if pod.deletion_time is not None), None)

            held = await eventually(leaving)
            assert held is not None
            assert (held.name, held.deleting, held.finalizers) == (name, True, ("example.com/hold",))
        finally:
            await api.request("PATCH", f"{pods}/{name}", {}, {"metadata": {"finalizers": None}}, MERGE)
