"""Nodes that fail are found, named and left to people: no workload is moved, and nothing is written to a Node.

Three of them exist in the API alone, with a taint that keeps every pod away: what their status says is written as a kubelet would. One is real.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import timedelta

import pytest
from tests.harness import story, to_people, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.installation import kubectl
from tests.harness.instants import now, text
from tests.harness.waiting import holds_for, wait_for

APART = {"key": "example.com/apart", "effect": "NoSchedule"}
FAKE = "kwok.x-k8s.io/node"
"""The annotation by which every scenario knows a node that is none. Its value keeps kwok away."""
GRACE_SECONDS = 180
"""Until a kubelet that says nothing is taken for dead, and the minute after."""


@pytest.fixture
def node(arena: Arena) -> Iterator[str]:
    """A Node that exists in the API alone."""
    name = f"paper-{secrets.token_hex(3)}"
    metadata = {"name": name, "annotations": {FAKE: "paper"}}
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


@pytest.mark.alone
@pytest.mark.nightly
@pytest.mark.timeout(600, func_only=True)
def test_a_bad_rollout_heals_while_a_node_is_lost_and_the_node_is_told_apart(arena):
    """Two faults that have nothing to do with each other: the one does not hold up the other."""
    real = sorted(one["metadata"]["name"] for one in arena.api.list("Node") if FAKE not in one["metadata"].get("annotations", {}))
    lost = real[-1]
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

    def back() -> bool:
        conditions = arena.api.get("Node", lost)["status"]["conditions"]
        return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

    wait_for(back, 90, f"{lost} is back")
