"""Objects that are no workloads, on a real control plane: each fault opens one Incident about the object, pages, and ends when it is over.

The controllers make the faults themselves, as they do in any cluster; only a Node without a kubelet speaks through the test.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from tests.harness import workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition
from tests.harness.fixtures import arena, box_lock, installed, make_arena
from tests.harness.installation import SYSTEM, Installation, escalation_policy
from tests.harness.waiting import wait_for

__all__ = ["arena", "box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.nightly, pytest.mark.timeout(240, func_only=True)]
AT_ONCE = ("VolumeClaimPending", "AutoscalerBlind", "DisruptionBudgetDeadlock", "ServiceWithoutEndpoints", "NodeNotReady")
FAILS = {"restartPolicy": "Never", "containers": [workloads.container(command=workloads.CRASH, readinessProbe=None)]}


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    for made in installed():
        made.set_policy(detectors=[{"cause": cause, "openAfterSeconds": 2} for cause in AT_ONCE])
        yield made
        made.api.patch("HealingPolicy", "default", {"spec": {"detectors": None}})
        made.forget_policy()


@pytest.fixture
def shop(arena: Arena) -> Arena:
    """A namespace whose first page is due at once."""
    steps = [{"name": "primary", "afterSeconds": 0, "waitWhileRemediatingSeconds": 0, "notify": [{"contactRef": {"name": "primary"}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps))
    return arena


def named(kind: str, version: str, name: str, namespace: str, **body: object) -> Object:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **body}


def serving(shop: Arena) -> None:
    shop.kubectl_apply(workloads.deployment("web", shop.namespace, replicas=1))
    wait_for(lambda: shop.witness.spell("Deployment", "web", shop.began).first, 60, "web is healthy", seen=lambda: shop.pods_in_words("web"))


def break_job(shop: Arena) -> None:
    shop.kubectl_apply(named("Job", "batch/v1", "it", shop.namespace, spec={"backoffLimit": 0, "template": {"spec": FAILS}}))


def break_cron_job(shop: Arena) -> None:
    spec = {"schedule": "0 0 1 1 *", "failedJobsHistoryLimit": 3, "jobTemplate": {"spec": {"template": {"spec": FAILS}}}}
    shop.kubectl_apply(named("CronJob", "batch/v1", "it", shop.namespace, spec=spec))
    uid = shop.api.get("CronJob", "it", shop.namespace)["metadata"]["uid"]
    for number in range(3):
        job = named("Job", "batch/v1", f"it-{number}", shop.namespace, spec={"backoffLimit": 0, "template": {"spec": FAILS}})
        job["metadata"]["ownerReferences"] = [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "it", "uid": uid, "controller": True}]
        shop.api.create(job)


def mend_cron_job(shop: Arena) -> None:
    shop.api.patch("CronJob", "it", {"spec": {"suspend": True}}, shop.namespace)


def break_claim(shop: Arena) -> None:
    spec = {"storageClassName": "not-there", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    shop.kubectl_apply(named("PersistentVolumeClaim", "v1", "it", shop.namespace, spec=spec))


def mend_claim(shop: Arena) -> None:
    storage = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "not-there", "hostPath": {"path": "/tmp"}}
    claim = {"namespace": shop.namespace, "name": "it"}
    spec = {**storage, "persistentVolumeReclaimPolicy": "Retain", "claimRef": claim}
    shop.elsewhere({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": shop.namespace}, "spec": spec})


def break_autoscaler(shop: Arena) -> None:
    serving(shop)
    metric = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 1, "maxReplicas": 3, "metrics": [metric]}
    shop.kubectl_apply(named("HorizontalPodAutoscaler", "autoscaling/v2", "it", shop.namespace, spec=spec))


def break_budget(shop: Arena) -> None:
    serving(shop)
    shop.kubectl_apply(budget(shop, 1))


def mend_budget(shop: Arena) -> None:
    shop.kubectl_apply(budget(shop, 0))


def budget(shop: Arena, least: int) -> Object:
    spec = {"minAvailable": least, "selector": {"matchLabels": {"app": "web"}}}
    return named("PodDisruptionBudget", "policy/v1", "it", shop.namespace, spec=spec)


def service(shop: Arena, label: str) -> Object:
    return named("Service", "v1", "it", shop.namespace, spec={"selector": {"app": label}, "ports": [{"port": 80, "targetPort": 8080}]})


def break_service(shop: Arena) -> None:
    serving(shop)
    shop.kubectl_apply(service(shop, "web"))

    def ready() -> bool:
        slices = shop.api.list("EndpointSlice", shop.namespace, "kubernetes.io/service-name=it")
        return any(one["conditions"].get("ready") for part in slices for one in part.get("endpoints") or ())

    wait_for(ready, 30, "the Service serves")
    shop.kubectl_apply(service(shop, "wbe"))


def mend_service(shop: Arena) -> None:
    shop.kubectl_apply(service(shop, "web"))


@dataclass(frozen=True)
class Fault:
    """One kind's, how it comes, and how it goes: by a change where there is one, at last by a deletion."""

    kind: str
    cause: str
    breaks: Callable[[Arena], None]
    mends: Callable[[Arena], None] | None = None
    spoken_of: bool = True
    """Whether Kubernetes makes Events about it: else its summary is all there is."""


FAULTS = (
    Fault("Job", "JobFailed", break_job),
    Fault("CronJob", "CronJobFailing", break_cron_job, mend_cron_job),
    Fault("PersistentVolumeClaim", "VolumeClaimPending", break_claim, mend_claim),
    Fault("HorizontalPodAutoscaler", "AutoscalerBlind", break_autoscaler),
    Fault("PodDisruptionBudget", "DisruptionBudgetDeadlock", break_budget, mend_budget, spoken_of=False),
    Fault("Service", "ServiceWithoutEndpoints", break_service, mend_service, spoken_of=False),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda one: one.kind)
def test_a_fault_is_one_incident_that_names_the_object_pages_and_ends(shop: Arena, fault: Fault):
    fault.breaks(shop)
    incident = shop.incident("it", seconds=90)
    incident = shop.when(incident, lambda one: one["status"].get("cause") == fault.cause, f"is {fault.cause}", seconds=60)
    live = shop.api.get(fault.kind, "it", shop.namespace)
    ref = incident["spec"]["targetRef"]
    assert (ref["kind"], ref["name"], ref["uid"]) == (fault.kind, "it", live["metadata"]["uid"])
    if fault.spoken_of:
        shop.when(incident, lambda one: one["status"].get("evidence"), "has evidence", seconds=20)
    wait_for(lambda: shop.inbox.posts("primary"), 30, "a page")
    assert shop.foreign_writes() == []
    if fault.mends is not None:
        fault.mends(shop)
        incident = shop.when(incident, lambda one: "healthy since" in condition(one, "Resolved")["message"], "is seen to be over", seconds=60)
    shop.api.delete(fault.kind, "it", shop.namespace)
    incident = shop.when(incident, lambda one: one["status"]["phase"] == "Resolved", "ends", seconds=60)
    assert condition(incident, "Resolved")["reason"] == "SignalsCleared"
    assert len(shop.incidents("it")) == 1


def test_a_failed_job_brings_the_end_of_its_log(shop: Arena):
    break_job(shop)
    incident = shop.incident("it", seconds=60)
    incident = shop.when(incident, lambda one: one["status"].get("evidence"), "has evidence", seconds=20)
    texts = {one["name"]: one["text"] for one in incident["status"]["evidence"]}
    assert "FATAL: unknown flag --cache-size" in texts["logs"]


def test_a_node_that_is_not_ready_is_one_incident_of_the_operators_namespace(shop: Arena):
    name = f"node-{secrets.token_hex(3)}"
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    shop.elsewhere({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": {"unschedulable": True}})

    def says(status: str) -> None:
        one = {"type": "Ready", "status": status, "reason": "Tested", "message": "so it is", "lastTransitionTime": stamp, "lastHeartbeatTime": stamp}
        shop.api.patch("Node", name, {"status": {"conditions": [one]}}, how="strategic", subresource="status")

    def incidents() -> list[Object]:
        return [one for one in shop.api.list("Incident", SYSTEM) if one["spec"]["targetRef"]["name"] == name and one.get("status", {}).get("phase")]

    says("False")
    [incident] = wait_for(incidents, 60, "an Incident of the node")
    assert incident["spec"]["targetRef"]["kind"] == "Node"
    assert "namespace" not in incident["spec"]["targetRef"]
    assert incident["status"]["cause"] == "NodeNotReady"
    says("True")
    wait_for(lambda: incidents()[0]["status"]["signals"][0]["state"] == "Resolved", 30, "the signal is over")
    shop.api.delete("Node", name)
    wait_for(lambda: incidents()[0]["status"]["phase"] == "Resolved", 60, "it ends")
    assert len(incidents()) == 1
