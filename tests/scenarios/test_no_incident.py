"""What is normal in a cluster is no Incident: slow starters, scaling to zero, updates, restarts, drains."""

from __future__ import annotations

import pytest
from tests.harness import table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.installation import kubectl
from tests.harness.waiting import wait_for

QUIET_SECONDS = 12


def quiet(arena: Arena, name: str) -> None:
    """No Incident came, and none comes afterwards."""
    arena.nothing_happens(QUIET_SECONDS)
    table.add(arena.installation.folder, table.Row(scenario=name, expected="no Incident", seen="no Incident"))


@pytest.mark.timeout(420, func_only=True)
def test_a_starter_that_needs_90_s_in_both_revisions_is_given_its_time(arena):
    start = workloads.shell("sleep 90; httpd -f -p 8080 -h /www")
    made = workloads.deployment("slow", arena.namespace, replicas=1, command=start)
    arena.start(made, seconds=130)
    instant = arena.roll_out(workloads.respun(made, "2"))
    wait_for(
        lambda: arena.witness.spell("Deployment", "slow", instant).first,
        140,
        "the second revision is ready",
        seen=lambda: arena.pods_in_words("slow"),
    )
    quiet(arena, "a starter that needs 90 s")


def test_scaling_to_zero_and_back_is_no_fault(arena):
    made = workloads.deployment("sleepy", arena.namespace)
    arena.start(made)
    kubectl("scale", "deployment/sleepy", "--replicas=0", "-n", arena.namespace)
    wait_for(lambda: not arena.pods("sleepy"), 30, "all pods are gone")
    arena.nothing_happens(QUIET_SECONDS)
    kubectl("scale", "deployment/sleepy", "--replicas=2", "-n", arena.namespace)
    wait_for(lambda: arena.api.get("Deployment", "sleepy", arena.namespace)["status"].get("readyReplicas") == 2, 30, "it is back")
    quiet(arena, "scaled to zero")


KINDS: dict[str, dict[str, object]] = {"Deployment": {}, "StatefulSet": {}, "DaemonSet": {}}


def made_of(kind: str, namespace: str) -> Object:
    probe = workloads.answers(initialDelaySeconds=2)
    return workloads.workload(kind, "normal", namespace, workloads.template("normal", workloads.container(readinessProbe=probe)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_normal_rolling_update_is_no_fault(arena, kind):
    made = made_of(kind, arena.namespace)
    arena.start(made)
    instant = arena.roll_out(workloads.changed(made, image="localhost/box:v2"))
    wait_for(lambda: arena.witness.spell(kind, "normal", instant).first, 60, "the update is through", seen=lambda: arena.pods_in_words("normal"))
    quiet(arena, f"rolling update, {kind}")


def test_a_restart_is_no_fault(arena):
    made = made_of("Deployment", arena.namespace)
    arena.start(made)
    kubectl("rollout", "restart", "deployment/normal", "-n", arena.namespace)
    kubectl("rollout", "status", "deployment/normal", "-n", arena.namespace, "--timeout=60s")
    quiet(arena, "rollout restart")


def test_a_drained_node_is_no_fault(arena):
    made = made_of("Deployment", arena.namespace)
    made["spec"]["replicas"] = 3
    made["spec"]["template"]["metadata"]["labels"]["scenario"] = arena.namespace
    arena.start(made)
    node = arena.pods("normal")[0]["spec"]["nodeName"]
    mine = f"--pod-selector=scenario={arena.namespace}"
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s", mine)
        kubectl("rollout", "status", "deployment/normal", "-n", arena.namespace, "--timeout=60s")
        assert node not in {pod["spec"]["nodeName"] for pod in arena.pods("normal") if "deletionTimestamp" not in pod["metadata"]}
        quiet(arena, "drain")
    finally:
        kubectl("uncordon", node)
