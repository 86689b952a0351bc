"""A zone that is lost is one fault: its nodes are not treated, nor what runs on them, and people hear of the zone alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from tests.app.test_intake import alert
from tests.core.thing_builders import node
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook

from prunella.api.common import NamespacedRef
from prunella.api.incident import Incident
from prunella.api.names import Cause, MessageKind, Priority
from prunella.api.remediation import Remediation
from prunella.api.runbook import Match, RunbookStep
from prunella.core.healing.steps.restart import Restart
from prunella.core.things.node import Node

NODES = runbook(
    "nodes",
    RunbookStep(name="cordon", cordon={}, ttl_seconds=600),
    match=Match(causes=(Cause.NODE_NOT_READY,), dwell_seconds=1),
)
PODS = runbook("pods", RunbookStep(name="restart", restart=Restart()), match=Match(causes=(Cause.ALERT, Cause.CRASH_LOOP), dwell_seconds=1))
"""Runbooks that would act on the victims."""
ZONE = "topology.kubernetes.io/zone"


def farm(*zones: str, lost: int, each: int = 12) -> tuple[Place, Operator, list[Node]]:
    """Zones of so many nodes; the first has lost so many of them. checkout's pods stand on two of those."""
    place = shop(NODES, PODS)
    place.cluster.namespaces["prunella-system"] = {"prunella.dev/mode": "Auto"}
    checkout = place.cluster.create("checkout")
    for number, pod in enumerate(checkout.pods):
        pod.node = f"{zones[0]}-{number % 2}"
    made = [
        node(name=f"{zone}-{number}", uid=f"uid-{zone}-{number}", labels={ZONE: zone} if zone else {}) for zone in zones for number in range(each)
    ]
    for one in made:
        place.cluster.put(one)
    operator = Operator(place)
    gone = made[:lost]
    for one in gone:
        place.cluster.put(replace(one, ready=False, ready_since=place.clock.now()))
    place.cluster.lost_nodes = {one.name for one in gone}
    place.cluster.touch(checkout)
    return place, operator, gone


async def lives(operator: Operator, seconds: int) -> None:
    for _ in range(seconds):
        await operator.run(1)
        await operator.commons.look()


def of(place: Place, kind: str) -> list[Incident]:
    return [one for one in place.api.all(Incident) if one.spec.target_ref.kind == kind]


def paged(place: Place) -> Counter[str]:
    return Counter(one.incident.spec.target_ref.kind for one in place.deliver.sent if one.kind is MessageKind.PAGE)


def refusals(incidents: list[Incident]) -> set[str]:
    return {one.reason for incident in incidents for one in incident.status.conditions if one.type == "RemediationAllowed"}


async def test_c55_ten_nodes_of_one_zone_are_one_parent_p1_and_nothing_is_done():
    place, operator, _ = farm("a", "b", lost=10)
    await lives(operator, 200)
    (parent,) = of(place, "Zone")
    status = parent.status
    assert (parent.metadata.namespace, parent.spec.target_ref.name, status.cause) == ("prunella-system", "a", "MassFailure")
    assert (status.priority, status.child_count) == (Priority.P1, 10)
    assert (status.summary or "").startswith("zone a: 10 of its 12 nodes are not Ready: a-0, a-1, a-2 and 7 more; if they do not come back,")
    assert "disaster recovery" in (status.summary or "")
    here = NamespacedRef(namespace="prunella-system", name=parent.metadata.name)
    assert {one.status.parent_ref for one in of(place, "Node")} == {here}
    assert refusals(of(place, "Node")) == {"StormActive"}
    assert place.api.all(Remediation) == []
    assert place.cluster.effects == []
    assert paged(place) == {"Zone": 1}
    assert "disaster recovery" in next(one.text for one in place.deliver.sent if one.kind is MessageKind.PAGE)
    await operator.close()


async def test_c55_what_runs_on_the_lost_nodes_is_not_restarted():
    place, operator, _ = farm("a", lost=10)
    await lives(operator, 120)
    await operator.take(alert("KubeDeploymentReplicasMismatch", labels={"namespace": "shop", "deployment": "checkout"}, starts=115))
    await lives(operator, 60)
    [child] = of(place, "Deployment")
    assert child.status.parent_ref in {NamespacedRef(namespace="prunella-system", name=one.metadata.name) for one in of(place, "Node")}
    assert refusals([child]) == {"StormActive"}
    assert place.api.all(Remediation) == []
    assert paged(place) == {"Zone": 1}
    await operator.close()


async def test_when_the_zone_is_back_the_nodes_resolve_and_then_the_zone():
    place, operator, gone = farm("a", lost=10)
    await lives(operator, 200)
    place.cluster.lost_nodes = set()
    for one in gone:
        place.cluster.put(one)
    await lives(operator, 1500)
    assert {one.status.phase for one in of(place, "Node")} == {"Resolved"}
    assert [one.status.phase for one in of(place, "Zone")] == ["Resolved"]
    assert {one.status.parent_ref for one in of(place, "Node")} == {None}
    assert paged(place) == {"Zone": 1}
    await operator.close()


async def test_once_so_few_are_lost_that_the_zone_is_not_each_of_them_is_told_of_at_once():
    place, operator, gone = farm("a", lost=3, each=10)
    await lives(operator, 200)
    assert paged(place) == {"Zone": 1}
    place.cluster.lost_nodes = {one.name for one in gone[1:]}
    place.cluster.put(gone[0])
    await lives(operator, 60)
    back, *lost = sorted(of(place, "Node"), key=lambda one: one.spec.target_ref.name)
    assert {one.status.parent_ref for one in lost} == {None}
    assert {one.incident.spec.target_ref.name for one in place.deliver.sent if one.kind is MessageKind.PAGE} == {"a", "a-1", "a-2"}
    assert back.metadata.name not in {one.incident.metadata.name for one in place.deliver.sent if one.kind is MessageKind.PAGE}
    assert [one.status.phase for one in of(place, "Zone")] != ["Resolved"], "and not only once the zone's Incident is over"
    await operator.close()


async def test_a_restart_in_between_finds_the_same_zone():
    place, operator, _ = farm("a", lost=10)
    await lives(operator, 150)
    (before,) = of(place, "Zone")
    await operator.close()
    operator = Operator(place)
    await lives(operator, 150)
    (after,) = of(place, "Zone")
    assert (after.metadata.uid, after.status.child_count, after.status.episode) == (before.metadata.uid, 10, 1)
    assert paged(place) == {"Zone": 1}
    await operator.close()


async def test_two_nodes_or_nodes_without_a_zone_fail_each_for_itself():
    for zones, lost in ((("a",), 2), (("",), 10)):
        place, operator, _ = farm(*zones, lost=lost)
        await lives(operator, 150)
        assert of(place, "Zone") == []
        assert {one.status.parent_ref for one in of(place, "Node")} == {None}
        assert "StormActive" not in refusals(of(place, "Node"))
        assert set(paged(place)) == {"Node"}
        await operator.close()
