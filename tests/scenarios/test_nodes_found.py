"""Nodes that fail are found, named and left to people: no workload is moved, and nothing is written to a Node.

Where nothing else is said they exist in the API alone, with a taint that keeps every pod away: what their status says is written as a kubelet would.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from tests.harness import etcd, story, to_people, whole, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.installation import kubectl
from tests.harness.instants import now, text
from tests.harness.waiting import holds_for, wait_for

APART = {"key": "example.com/apart", "effect": "NoSchedule"}
GRACE_SECONDS = 180
"""Until a kubelet that says nothing is taken for dead, and the minute after."""


@pytest.fixture
def node(arena: Arena) -> Iterator[str]:
    """A Node that exists in the API alone."""
    name = f"paper-{secrets.token_hex(3)}"
    metadata = {"name": name, "annotations": {whole.FAKE: "paper"}}  # a value that keeps kwok away
    arena.elsewhere({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [APART]}})
    yield name
    assert ours_on(arena, name) == []


def reports(node: str, *, since: timedelta = timedelta(0), **conditions: str) -> None:
    """What a kubelet would write: its conditions, by type and status."""
    when = text(now() - since)
    listed = [
        {
            "type": type_,
            "status": status,
            "reason": "Test",
            "message": "as the scenario says",
            "lastTransitionTime": when,
            "lastHeartbeatTime": text(now()),
        }
        for type_, status in conditions.items()
    ]
    kubectl("patch", "node", node, "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"conditions": listed}}))


def ours_on(arena: Arena, node: str) -> list[Object]:
    """What the operator wrote to the Node, by the API server's word."""
    return [one for one in arena.api.get("Node", node)["metadata"].get("managedFields", []) if one["manager"].startswith("prunella")]


def test_a_node_under_pressure_is_told(arena, node):
    reports(node, since=timedelta(minutes=10), Ready="True", DiskPressure="True")
    incident = to_people.told_of_cluster(arena, node, "NodePressure", name="a node under pressure", seconds=30)
    assert "the node is under DiskPressure" in incident["status"]["summary"]


@pytest.mark.nightly
def test_a_node_whose_kernel_is_at_fault_is_told(arena, node):
    """As node-problem-detector would write it: the kernel of a box is the machine's, and nobody breaks that."""
    reports(node, since=timedelta(minutes=10), Ready="True", KernelDeadlock="True", Else="True")
    incident = to_people.told_of_cluster(arena, node, "NodeFault", name="a kernel at fault", seconds=30)
    assert "the node says KernelDeadlock (Test: as the scenario says)" in incident["status"]["summary"]


def test_a_node_that_comes_and_goes_is_told_once(arena, node):
    for status in ("True", "False", "True", "False", "True"):
        reports(node, Ready=status)
        holds_for(lambda: True, 2, "each turn is seen")
    incident = to_people.told_of_cluster(arena, node, "NodeFlapping", name="a node flaps", seconds=30)
    assert "turned Ready or not Ready" in incident["status"]["summary"]
    assert len(to_people.incidents_of_cluster(arena, node)) == 1


def test_a_node_whose_kubelet_says_that_it_is_not_ready_is_told(arena, node):
    reports(node, since=timedelta(minutes=5), Ready="False")
    incident = to_people.told_of_cluster(arena, node, "NodeNotReady", name="a node is not Ready", seconds=30)
    assert "the node is not Ready (Test: as the scenario says)" in incident["status"]["summary"]


@pytest.mark.nightly
@pytest.mark.timeout(420, func_only=True)
def test_a_node_that_nobody_hears_of_is_told(arena, node):
    reports(node, Ready="True")
    incident = to_people.told_of_cluster(arena, node, "NodeNotReady", name="a node is lost", seconds=GRACE_SECONDS + 120)
    assert "the node is not Ready" in incident["status"]["summary"]


def really(arena: Arena) -> list[str]:
    """The nodes that a kubelet serves."""
    return sorted(one["metadata"]["name"] for one in whole.real_nodes(arena.api))


def is_true(arena: Arena, node: str, condition: str) -> bool:
    """Whether the Node says so of itself."""
    return any(one["type"] == condition and one["status"] == "True" for one in arena.api.get("Node", node)["status"]["conditions"])


@contextmanager
def short_of_memory(arena: Arena, node: str) -> Iterator[None]:
    """While this lasts the node's kubelet calls less than all of its memory too little. Softly, so that it evicts nobody for an hour."""
    file = arena.installation.state / node / "kubelet.yaml"
    before = file.read_text()
    threshold = {"evictionSoft": {"memory.available": "99%"}, "evictionSoftGracePeriod": {"memory.available": "1h"}}
    file.write_text(json.dumps({**json.loads(before), **threshold}))
    arena.installation.box("restart", node.replace("node", "kubelet"))
    try:
        yield
    finally:
        file.write_text(before)
        arena.installation.box("restart", node.replace("node", "kubelet"))


@pytest.mark.alone
@pytest.mark.nightly
@pytest.mark.timeout(420, func_only=True)
def test_a_node_whose_kubelet_says_that_its_memory_is_short_is_told(arena):
    """A real one. That it has been so for long is made; the kubelet keeps to it, for nothing has changed since."""
    made = workloads.changed(workloads.deployment("stays", arena.namespace, replicas=4), resources={"requests": {"cpu": "5m"}})
    arena.start(made)  # what requests nothing is not let in again by a kubelet that starts under pressure
    before = {pod["metadata"]["uid"] for pod in arena.pods("stays")}
    node = really(arena)[0]
    with short_of_memory(arena, node):
        wait_for(lambda: is_true(arena, node, "MemoryPressure"), 60, "the kubelet says that memory is short")
        wait_for(lambda: [one for one in arena.api.get("Node", node)["spec"].get("taints", []) if "memory-pressure" in one["key"]], 30, "its taint")
        etcd.age(arena.api, "Node", node, None, etcd.LASTED)
        incident = to_people.told_of_cluster(arena, node, "NodePressure", name="a node is really under pressure", seconds=60)
        assert "the node is under MemoryPressure (KubeletHasInsufficientMemory" in incident["status"]["summary"]
        assert is_true(arena, node, "Ready")
        assert ours_on(arena, node) == []
        assert {pod["metadata"]["uid"] for pod in arena.pods("stays")} == before, "no pod is moved"
        assert arena.foreign_writes() == []
    wait_for(lambda: is_true(arena, node, "Ready") and not is_true(arena, node, "MemoryPressure"), 90, f"{node} is well again")


@pytest.mark.alone
@pytest.mark.nightly
@pytest.mark.timeout(600, func_only=True)
def test_a_bad_rollout_heals_while_a_node_is_lost_and_the_node_is_told_apart(arena):
    """Two faults that have nothing to do with each other: the one does not hold up the other."""
    lost = really(arena)[-1]
    elsewhere = [{"key": "kubernetes.io/hostname", "operator": "NotIn", "values": [lost]}]
    away = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": elsewhere}]}}}
    made = workloads.with_pod_spec(workloads.deployment("survivor", arena.namespace), affinity=away)
    good = arena.start(made)
    arena.installation.box("link", lost, "down")
    try:
        to_people.told_of_cluster(arena, lost, "NodeNotReady", name="a node is lost, and a rollout breaks: the node", seconds=GRACE_SECONDS + 120)
        instant = arena.roll_out(workloads.changed(made, command=workloads.CRASH))
        story.healed(arena, good, instant, "RolloutCrashLoop", name="a node is lost, and a rollout breaks: the rollout")
        assert ours_on(arena, lost) == []
    finally:
        arena.installation.box("link", lost, "up")

    wait_for(lambda: is_true(arena, lost, "Ready"), 90, f"{lost} is back")
