"""A lost zone by its case's id, on the running operator and a real API server: nodes that exist in the API alone, and say what a kubelet would.

What the first of them serves by its own word is a Deployment of which an alert tells.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import pytest
from tests.harness import prometheus, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition
from tests.harness.fixtures import arena, box_lock, installed, make_arena
from tests.harness.installation import ONCALL, SYSTEM, Installation, escalation_policy
from tests.harness.instants import now, text
from tests.harness.receiver import Inbox
from tests.harness.waiting import holds_for, wait_for

__all__ = ["arena", "box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240, func_only=True)]
LOST, NODES = 10, 12
PAGE_AFTER = 30
APART = {"key": "example.com/apart", "effect": "NoSchedule"}


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    """The storm brake as it is shipped, a node opens its Incident at once, and the first page is due a little later."""
    for made in installed():
        steps = [{"name": "primary", "afterSeconds": PAGE_AFTER, "waitWhileRemediatingSeconds": 0, "notify": [{"contactRef": {"name": "primary"}}]}]
        made.api.apply(escalation_policy("zones", ONCALL, steps=steps))
        detectors = [{"cause": "NodeNotReady", "openAfterSeconds": 2}]
        made.set_policy(storm=None, detectors=detectors, defaultEscalationPolicyRef={"namespace": ONCALL, "name": "zones"})
        yield made
        made.api.patch("HealingPolicy", "default", {"spec": {"detectors": None}})
        made.forget_policy()


@dataclass
class Zone:
    """A zone of paper nodes."""

    arena: Arena
    name: str

    def node(self, number: int) -> str:
        return f"{self.name}-{number}"

    def build(self) -> None:
        labels = {"topology.kubernetes.io/zone": self.name}
        for number in range(NODES):
            self.arena.elsewhere(
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.node(number), "labels": labels}, "spec": {"taints": [APART]}}
            )
            self.says(number, "True", now())

    def says(self, number: int, status: str, since: datetime) -> None:
        """What a kubelet would write, or what is written where it is silent."""
        when = text(since)
        one = {"type": "Ready", "status": status, "reason": "Tested", "message": "so it is", "lastTransitionTime": when, "lastHeartbeatTime": when}
        self.arena.api.patch("Node", self.node(number), {"status": {"conditions": [one]}}, how="strategic", subresource="status")

    def incidents(self, kind: str) -> list[Object]:
        """Those of the zone, or of its nodes."""
        known = [one for one in self.arena.api.list("Incident", SYSTEM) if one.get("status", {}).get("phase")]
        return [one for one in known if (ref := one["spec"]["targetRef"])["kind"] == kind and ref["name"].startswith(self.name)]

    def parent(self) -> Object | None:
        """The zone's Incident once its nodes are linked to it. On a slow machine well ones are taken for dead meanwhile: no kubelet serves them."""
        found = self.incidents("Zone")
        return found[0] if found and found[0]["status"].get("childCount", 0) >= LOST else None

    def let_go(self, number: int) -> bool:
        return not any(one["status"].get("parentRef") for one in self.incidents("Node") if one["spec"]["targetRef"]["name"] == self.node(number))

    def written_by_us(self) -> list[str]:
        nodes = [self.arena.api.get("Node", self.node(number)) for number in range(NODES)]
        managers = [manager["manager"] for node in nodes for manager in node["metadata"].get("managedFields", [])]
        return [one for one in managers if one.startswith("prunella")]


def serve(arena: Arena, *, ready: bool) -> None:
    """Let the pods of checkout say so."""
    state = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": text(now())}
    for pod in arena.pods("checkout"):
        name = pod["metadata"]["name"]
        arena.api.patch("Pod", name, {"status": {"phase": "Running", "conditions": [state]}}, arena.namespace, how="strategic", subresource="status")


@pytest.mark.nightly
def test_c55_ten_nodes_of_one_zone_are_one_parent_p1_and_what_runs_on_them_is_left_alone(arena: Arena):
    zone = Zone(arena, f"z{secrets.token_hex(3)}")
    zone.build()
    verify = {"checks": [{"name": "healthy", "workloadHealthy": {}}]}
    match = {"causes": ["Alert"], "dwellSeconds": 1}
    arena.runbook("restarts", match=match, steps=[{"name": "restart", "restart": {}}], verify=verify)
    arena.kubectl_apply(workloads.with_pod_spec(workloads.deployment("checkout", arena.namespace), nodeName=zone.node(0)))
    wait_for(lambda: len(arena.pods("checkout")) == 2, 30, "checkout has its pods")
    serve(arena, ready=True)
    lost = now()
    for number in range(LOST):
        zone.says(number, "False", lost)
    serve(arena, ready=False)
    parent: Object = wait_for(zone.parent, 60, "one parent for ten nodes", seen=lambda: zone.incidents("Zone"))
    status = parent["status"]
    assert (parent["spec"]["targetRef"]["name"], status["cause"], status["priority"]) == (zone.name, "MassFailure", "P1")
    assert f" of its {NODES} nodes are not Ready" in status["summary"]
    assert "disaster recovery" in status["summary"]
    nodes = zone.incidents("Node")
    linked = [one for one in nodes if one["status"].get("parentRef", {}).get("name") == parent["metadata"]["name"]]
    assert {zone.node(number) for number in range(LOST)} <= {one["spec"]["targetRef"]["name"] for one in linked}
    labels = {"alertname": "Replicas", "severity": "critical", "namespace": arena.namespace, "deployment": "checkout"}
    assert prometheus.webhook(prometheus.body(prometheus.alert(labels)), arena.installation.token) == 200
    child = arena.incident("checkout")
    child = arena.when(child, lambda one: one["status"].get("parentRef"), "is a child", seconds=20)
    assert child["status"]["parentRef"]["name"] in {one["metadata"]["name"] for one in nodes}
    arena.when(child, lambda one: condition(one, "RemediationAllowed").get("reason") == "StormActive", "is held back", seconds=20)
    inbox = Inbox(arena.installation.inbox, zone.name)
    wait_for(lambda: inbox.posts("primary"), PAGE_AFTER + 30, "somebody is paged")
    holds_for(lambda: len(inbox.posts("primary")) == 1 and not arena.inbox.posts("primary"), 15, "nobody else is", interval=1)
    assert "disaster recovery" in str(inbox.posts("primary")[0].body)
    assert arena.remediations() == []
    assert arena.foreign_writes() == []
    assert zone.written_by_us() == []
    assert len(zone.incidents("Zone")) == 1
    zone.says(1, "True", now())
    wait_for(lambda: zone.let_go(1), 60, "a node that is back is let go")
