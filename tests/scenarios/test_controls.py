"""What looks like a fault for a moment and is none: somebody's wish, something that has ended well, something that was never meant to run."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from tests.harness import table, whole, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.installation import SYSTEM, kubectl
from tests.harness.waiting import wait_for

SHORT, DWELL = 15, 80
"""Seconds without an Incident: of what would open one at once, and of what must hold for a minute."""


def job(name: str, namespace: str, command: list[str]) -> Object:
    """A Job of one pod."""
    pod = workloads.template(name, workloads.container(command=command, readinessProbe=None), restartPolicy="Never")
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"backoffLimit": 0, "template": pod}}


def completed(arena: Arena) -> None:
    arena.api.apply(job("done", arena.namespace, ["sh", "-c", "exit 0"]))
    wait_for(lambda: arena.api.get("Job", "done", arena.namespace)["status"].get("succeeded") == 1, 40, "the Job is complete")


def suspended(arena: Arena) -> None:
    failing = job("x", arena.namespace, ["sh", "-c", "exit 1"])["spec"]
    spec = {"schedule": "* * * * *", "suspend": True, "jobTemplate": {"spec": failing}}
    arena.api.apply({"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "off", "namespace": arena.namespace}, "spec": spec})


def never_served(arena: Arena) -> None:
    spec = {"selector": {"app": "not-yet-deployed"}, "ports": [{"port": 80}]}
    arena.api.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "soon", "namespace": arena.namespace}, "spec": spec})


def claim_that_waits(arena: Arena) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}
    arena.api.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "later", "namespace": arena.namespace}, "spec": spec})


def pod_deleted(arena: Arena) -> None:
    arena.start(workloads.deployment("deleted", arena.namespace))
    kubectl("delete", "pod", arena.pods("deleted")[0]["metadata"]["name"], "-n", arena.namespace)
    kubectl("rollout", "status", "deployment/deleted", "-n", arena.namespace, "--timeout=60s")


def scaled_up(arena: Arena) -> None:
    arena.start(workloads.deployment("grown", arena.namespace))
    kubectl("scale", "deployment/grown", "--replicas=4", "-n", arena.namespace)
    kubectl("rollout", "status", "deployment/grown", "-n", arena.namespace, "--timeout=60s")


def paused(arena: Arena) -> None:
    made = workloads.deployment("paused", arena.namespace)
    arena.start(made)
    kubectl("rollout", "pause", "deployment/paused", "-n", arena.namespace)
    arena.kubectl_apply(
        {**made, "spec": {**made["spec"], "paused": True, "template": workloads.changed(made, command=workloads.CRASH)["spec"]["template"]}}
    )


def rolled_back_by_hand(arena: Arena) -> None:
    made = workloads.deployment("careful", arena.namespace)
    arena.start(made)
    instant = arena.roll_out(workloads.respun(made, "2"))
    wait_for(lambda: arena.witness.spell("Deployment", "careful", instant).first, 60, "the update is through")
    kubectl("rollout", "undo", "deployment/careful", "-n", arena.namespace)
    kubectl("rollout", "status", "deployment/careful", "-n", arena.namespace, "--timeout=60s")


CONTROLS: dict[str, tuple[Callable[[Arena], None], float]] = {
    "a Job that is complete": (completed, SHORT),
    "a CronJob that is suspended": (suspended, DWELL),
    "a Service that never served": (never_served, DWELL),
    "a claim that waits": (claim_that_waits, DWELL),
    "a pod that somebody deletes": (pod_deleted, SHORT),
    "more replicas": (scaled_up, SHORT),
    "a bad version of a paused Deployment": (paused, SHORT),
    "a rollback by hand": (rolled_back_by_hand, SHORT),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_what_is_no_fault_opens_nothing(arena: Arena, name):
    happens, seconds = CONTROLS[name]
    happens(arena)
    arena.nothing_happens(seconds)
    assert arena.remediations() == []
    table.add(arena.installation.folder, table.Row(scenario=name, expected="no Incident", seen="no Incident"))


def test_a_node_that_a_person_cordons_is_nobodys_fault(arena: Arena):
    name = f"paper-{secrets.token_hex(3)}"
    metadata = {"name": name, "annotations": {whole.FAKE: "paper"}}
    taint = {"key": "example.com/apart", "effect": "NoSchedule"}
    arena.elsewhere({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint], "unschedulable": True}})
    ready = '{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Test","message":"as the scenario says"}]}}'
    kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", ready)
    arena.nothing_happens(SHORT)
    assert [one for one in arena.api.list("Incident", SYSTEM) if one["spec"]["targetRef"]["name"] == name] == []
    assert arena.api.get("Node", name)["spec"]["unschedulable"] is True, "it stays cordoned"
    table.add(arena.installation.folder, table.Row(scenario="a cordon of a person's", expected="no Incident", seen="no Incident"))
