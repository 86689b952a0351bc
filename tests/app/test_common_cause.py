"""Common cause first: many workloads that fail for one thing are one fault.

One Incident tells people, its children are not treated, and after it each is judged anew; a restart in between changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from tests.app.test_intake import alert
from tests.core.builders import ago
from tests.core.incident_builders import entry
from tests.core.thing_builders import node, quota, refusal
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import runbook, shipped

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import NamespacedRef
from prunella.api.incident import Incident
from prunella.api.names import Cause, MessageKind
from prunella.api.remediation import Remediation
from prunella.api.runbook import Match, Runbook, RunbookStep
from prunella.app.errors import Retryable
from prunella.core.facts import WorkloadCondition
from prunella.core.healing.steps.restart import Restart

HOST = "registry.example.com"
REFUSED = f'failed to pull: Get "https://{HOST}/v2/": dial tcp 10.0.0.1:443: connect: connection refused'
HASTY = runbook(
    "hasty", RunbookStep(name="restart", restart=Restart()), match=Match(causes=(Cause.REGISTRY_UNREACHABLE, Cause.CRASH_LOOP), dwell_seconds=120)
)
"""A Runbook that would act on the victims."""


def outage(count: int, *, hosts: tuple[str, ...] = (HOST,), healthy: int = 0, **policy) -> tuple[Place, list[FakeWorkload], Operator]:
    """So many workloads, and others that are well."""
    place = shop(HASTY, shipped(), **policy)
    made = [place.cluster.create(f"w{index:02}", image=f"{hosts[index % len(hosts)]}/app:1") for index in range(count)]
    for index in range(healthy):
        place.cluster.create(f"h{index:03}")
    for host in hosts:
        place.cluster.registries[host] = REFUSED
    return place, made, Operator(place)


async def broken(count: int, seconds: float = 100, **given) -> tuple[Place, list[FakeWorkload], Operator]:
    place, made, operator = outage(count, **given)
    await operator.run(30)
    for one in made:
        host = one.template["spec"]["containers"][0]["image"].partition("/")[0]
        place.cluster.set_image(one, f"{host}/app:2")
    await operator.run(seconds)
    return place, made, operator


def parents(place: Place) -> list[Incident]:
    return [one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Registry"]


def children(place: Place) -> list[Incident]:
    return [one for one in place.api.all(Incident) if one.spec.target_ref.kind != "Registry"]


def paged(place: Place) -> Counter[str]:
    return Counter(one.incident.spec.target_ref.kind for one in place.deliver.sent if one.kind is MessageKind.PAGE)


def allowed(one: Incident) -> str:
    return next(condition.reason for condition in one.status.conditions if condition.type == "RemediationAllowed")


async def test_thirty_workloads_of_one_registry_are_one_parent_one_page_and_no_attempt():
    place, _, operator = await broken(30)
    (parent,) = parents(place)
    assert (parent.metadata.namespace, parent.spec.target_ref.name) == ("prunella-system", HOST)
    status = parent.status
    assert (status.cause, status.phase, status.priority, status.child_count, len(status.children)) == (
        "RegistryUnreachable",
        "Triggered",
        "P1",
        30,
        30,
    )
    assert status.summary == f"{HOST}: 30 workloads can't pull their images from it: shop/w00, shop/w01, shop/w02 and 27 more"
    assert {one.status.parent_ref.name for one in children(place) if one.status.parent_ref} == {parent.metadata.name}
    assert {allowed(one) for one in children(place)} == {"StormActive"}
    assert place.api.all(Remediation) == []
    assert place.cluster.effects == []
    assert paged(place) == {"Registry": 1}
    assert len(place.api.all(Incident)) == 31
    await operator.close()


async def test_when_the_registry_serves_again_the_children_resolve_and_then_the_parent_and_nobody_else_was_woken():
    place, _, operator = await broken(4)
    place.cluster.serve(HOST)
    await operator.run(1500)
    assert {one.status.phase for one in place.api.all(Incident)} == {"Resolved"}
    assert {one.status.parent_ref for one in children(place)} == {None}
    assert paged(place) == {"Registry": 1}
    assert [one.receiver for one in place.deliver.sent if one.kind is MessageKind.STAND_DOWN] == ["primary"]
    assert place.cluster.effects == []
    await operator.close()


async def test_a_restart_in_between_forgets_nothing():
    place, _, operator = await broken(4)
    await operator.close()
    (before,) = parents(place)
    operator = Operator(place)
    await operator.run(120)
    (after,) = parents(place)
    assert (after.metadata.uid, after.status.child_count, after.status.episode) == (before.metadata.uid, 4, 1)
    assert place.api.all(Remediation) == []
    assert paged(place) == {"Registry": 1}
    place.cluster.serve(HOST)
    await operator.run(1500)
    assert {one.status.phase for one in place.api.all(Incident)} == {"Resolved"}
    await operator.close()


async def test_what_still_fails_once_the_parent_is_over_is_judged_anew_and_pages_for_itself():
    place, made, operator = await broken(3)
    stays = made[0]
    place.cluster.serve(HOST)
    place.cluster.registries["elsewhere.example.com"] = REFUSED
    place.cluster.set_image(stays, "elsewhere.example.com/app:3")
    await operator.run(50)
    (child,) = [one for one in children(place) if one.spec.target_ref.name == stays.name]
    assert child.status.parent_ref is None, "another registry has nothing to do with this parent"
    assert [one.what for one in child.status.timeline if one.what.startswith("CommonCause")] == ["CommonCauseFound", "CommonCauseOver"]
    await operator.run(30)
    assert paged(place)["Deployment"] == 1, "its ladder goes on from when it was let go"
    await operator.close()


async def test_two_workloads_are_no_common_cause_and_each_is_judged_for_itself():
    place, _, operator = await broken(2, healthy=20, seconds=700)
    assert parents(place) == []
    assert {one.spec.target_ref.name for one in place.api.all(Remediation)} == {"w00", "w01"}
    assert paged(place)["Deployment"] >= 2
    assert {one.status.parent_ref for one in children(place)} == {None}
    await operator.close()


async def test_two_registries_with_two_workloads_each_are_none_and_with_three_each_two():
    place, _, operator = await broken(4, hosts=(HOST, "other.example.com:5000"), healthy=30)
    assert parents(place) == []
    await operator.close()
    place, _, operator = await broken(6, hosts=(HOST, "other.example.com:5000"), healthy=40)
    assert sorted(one.spec.target_ref.name for one in parents(place)) == ["other.example.com.5000", HOST]
    assert {one.status.child_count for one in parents(place)} == {3}
    await operator.close()


async def test_a_parent_that_can_not_be_opened_holds_up_no_other():
    place, made, operator = outage(6, hosts=("another.example.com", HOST), healthy=40)
    await operator.run(30)

    def full(_when: str, verb: str, what: str) -> None:
        if verb == "create" and what.startswith("Incident/another"):
            raise Retryable("503")

    place.api.gate = full
    for number, one in enumerate(made):
        place.cluster.set_image(one, f"{('another.example.com', HOST)[number % 2]}/app:2")
    end, said = place.clock.now() + timedelta(seconds=60), 0
    while place.clock.now() < end:
        try:
            await operator.run(1)
        except Retryable:
            said += 1
    assert said > 0, "and it is said that one could not be opened"
    assert [(one.spec.target_ref.name, one.status.child_count) for one in parents(place)] == [(HOST, 3)]
    await operator.close()


async def test_the_parent_is_no_workload_for_the_storm_brake_and_its_children_are():
    place, _, operator = await broken(3, healthy=11)
    assert len(parents(place)) == 1
    assert operator.gatherer.storm_since is not None, "3 of 14 are more than 20 %"
    await operator.close()
    place, _, operator = await broken(3, healthy=12)
    assert len(parents(place)) == 1
    assert operator.gatherer.storm_since is None, "3 of 15 are not, and the registry is no fourth"
    assert {allowed(one) for one in children(place)} == {"StormActive"}
    assert place.cluster.effects == []
    await operator.close()


async def test_a_parent_that_reaches_nobody_silences_nobody():
    place, _, operator = outage(3)
    theirs = entry(policy="shop", labels={"app": "w00"})
    place.api.apply(theirs)
    ops = next(one for one in place.api.objects.values() if one.metadata.name == "ops")
    place.api.apply(ops.model_copy(update={"metadata": ops.metadata.model_copy(update={"name": "shop", "namespace": "shop"})}))
    place.policy(default_escalation_policy_ref=None)
    for one in place.cluster.workloads.values():
        place.cluster.set_image(one, f"{HOST}/app:2")
    await operator.run(100)
    assert len(parents(place)) == 1
    assert paged(place) == {"Deployment": 1}, "the one that has people of its own"
    await operator.close()


ROLLED_OUT = (WorkloadCondition(type="Progressing", status="True", reason="NewReplicaSetAvailable", last_update_time=ago(86_400)),)


def needs(place: Place, *others: str) -> None:
    """checkout declares that it can't do without these."""
    mine = entry(policy=None)
    place.api.apply(mine.model_copy(update={"spec": mine.spec.model_copy(update={"depends_on": tuple(NamespacedRef(name=one) for one in others)})}))


def served(place: Place, name: str, *others: str) -> CatalogEntry:
    made = entry(name, labels={"app": name}, policy=None)
    made = made.model_copy(update={"spec": made.spec.model_copy(update={"depends_on": tuple(NamespacedRef(name=one) for one in others)})})
    place.api.apply(made)
    return made


async def dependents(*, down: bool = True, first: str = "ledger", cyclic: bool = False, seconds: float = 100):
    """checkout crash-loops without a rollout, and needs ledger, which may be down as well."""
    place = shop(HASTY, shipped())
    for index in range(20):
        place.cluster.create(f"h{index:03}")
    checkout, ledger = place.cluster.create("checkout"), place.cluster.create("ledger")
    needs(place, "ledger")
    served(place, "ledger", *(("checkout",) if cyclic else ()))
    operator = Operator(place)
    await operator.run(30)
    order = [ledger, checkout] if first == "ledger" else [checkout, ledger]
    for one in order if down else [checkout]:
        for pod in one.pods:
            pod.bad, pod.created = True, place.clock.now()
        place.cluster.touch(one, conditions=ROLLED_OUT)
        await operator.run(10)
    await operator.run(seconds)
    by_name = {one.spec.target_ref.name: one for one in place.api.all(Incident)}
    return place, by_name, operator


async def test_a_dependent_of_what_is_down_is_held_back_while_its_dependency_is_treated():
    place, found, operator = await dependents()
    child, parent = found["checkout"], found["ledger"]
    assert child.status.parent_ref == NamespacedRef(namespace="shop", name=parent.metadata.name)
    assert (parent.status.child_count, parent.status.children) == (1, (NamespacedRef(namespace="shop", name=child.metadata.name),))
    assert allowed(child) == "StormActive"
    while not place.api.all(Remediation):
        await operator.run(1)
    assert {one.spec.target_ref.name for one in place.api.all(Remediation)} == {"ledger"}
    assert not any(one.kind is MessageKind.PAGE and one.incident.spec.target_ref.name == "checkout" for one in place.deliver.sent)
    await operator.run(300)
    began = {one.spec.target_ref.name: one.status.started_time for one in place.api.all(Remediation)}
    assert began["ledger"] < began["checkout"]
    await operator.close()


async def test_a_dependent_is_let_go_when_its_dependency_is_well_again():
    place, _, operator = await dependents(seconds=50)
    ledger = place.cluster.workloads["Deployment", "shop", "ledger"]
    for pod in ledger.pods:
        pod.bad, pod.created = False, place.clock.now()
    place.cluster.touch(ledger)
    await operator.run(120)
    child = next(one for one in place.api.all(Incident) if one.spec.target_ref.name == "checkout")
    assert child.status.parent_ref is None
    assert [one.what for one in child.status.timeline if one.what.startswith("CommonCause")] == ["CommonCauseFound", "CommonCauseOver"]
    await operator.run(120)
    assert any(one.spec.target_ref.name == "checkout" for one in place.api.all(Remediation)), "it is judged anew"
    await operator.close()


async def test_of_a_healthy_dependency_nobody_is_a_child():
    place, found, operator = await dependents(down=False, seconds=200)
    assert set(found) == {"checkout"}
    assert found["checkout"].status.parent_ref is None
    assert {one.spec.target_ref.name for one in place.api.all(Remediation)} == {"checkout"}
    await operator.close()


async def test_what_failed_before_its_dependency_did_fails_for_itself():
    _, found, operator = await dependents(first="checkout")
    assert found["checkout"].status.parent_ref is None
    await operator.close()


async def test_two_that_need_each_other_are_held_back_by_neither():
    _, found, operator = await dependents(cyclic=True)
    assert (found["checkout"].status.parent_ref, found["ledger"].status.parent_ref) == (None, None)
    await operator.close()


FULL = 'pods "checkout-1-x" is forbidden: exceeded quota: compute, requested: pods=1, used: pods=9, limited: pods=9'


async def refused(message: str = FULL, *books: Runbook):
    """checkout lost a pod and may not create another; a quota has nothing left."""
    place = shop(*books, shipped())
    checkout = place.cluster.create("checkout")
    operator = Operator(place)
    await operator.run(30)
    now = place.clock.now()
    checkout.pods.pop()
    said = WorkloadCondition(type="ReplicaFailure", status="True", reason="FailedCreate", message=message, last_transition_time=now)
    place.cluster.touch(checkout, conditions=(*ROLLED_OUT, said))
    place.cluster.put(quota(replace(refusal(), first_time=now, last_time=now)))
    await operator.run(180)
    return place, operator, {one.spec.target_ref.kind: one for one in place.api.all(Incident)}


async def test_whom_a_quota_refuses_pods_is_told_with_the_quota_and_judged_anew_once_there_is_room():
    hasty = runbook("hasty", RunbookStep(name="restart", restart=Restart()), match=Match(causes=(Cause.REPLICA_CREATION_FAILED,), dwell_seconds=1))
    place, operator, found = await refused(FULL, hasty)
    parent, child = found["ResourceQuota"], found["Deployment"]
    assert (parent.status.cause, child.status.cause) == (Cause.QUOTA_EXCEEDED, Cause.REPLICA_CREATION_FAILED)
    assert child.status.parent_ref == NamespacedRef(namespace="shop", name=parent.metadata.name)
    assert allowed(child) == "StormActive"
    assert paged(place) == {"ResourceQuota": 1}, "one fault, one page"
    assert place.api.all(Remediation) == []
    place.cluster.put(quota(replace(refusal(), first_time=None, last_time=None), used={"pods": "8"}))
    await operator.run(5)
    child = next(one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Deployment")
    assert child.status.parent_ref is None
    await operator.close()


async def test_whom_another_quota_refuses_or_something_else_is_told_for_itself():
    for message in (FULL.replace("quota: compute", "quota: other"), 'pods "checkout-1-x" is forbidden: violates PodSecurity "baseline:latest"'):
        place, operator, found = await refused(message)
        assert found["Deployment"].status.parent_ref is None
        assert paged(place) == {"ResourceQuota": 1, "Deployment": 1}
        await operator.close()


async def without_a_node(*, everywhere: bool = False):
    """checkout lost a pod with its node, or all of them, and an alert says that it lacks replicas."""
    hasty = runbook("hasty-alert", RunbookStep(name="restart", restart=Restart()), match=Match(causes=(Cause.ALERT,), dwell_seconds=1))
    place = shop(hasty, shipped())
    checkout = place.cluster.create("checkout")
    for pod in checkout.pods[1:]:
        pod.node = "node-2"
    operator = Operator(place)
    await operator.run(30)
    lost = node(ready=False, name="node-1", uid="uid-node-1", ready_since=place.clock.now())
    place.cluster.lost_nodes = {"node-1", "node-2"} if everywhere else {"node-1"}
    place.cluster.put(lost)
    place.cluster.touch(checkout)
    await operator.run(90)
    await operator.take(alert("KubeDeploymentReplicasMismatch", labels={"namespace": "shop", "deployment": "checkout"}, starts=95))
    await operator.run(10)
    return place, operator, {one.spec.target_ref.kind: one for one in place.api.all(Incident)}


async def test_what_lost_its_pods_with_their_node_is_told_with_the_node_and_not_treated():
    place, operator, found = await without_a_node()
    parent, child = found["Node"], found["Deployment"]
    assert child.status.parent_ref == NamespacedRef(namespace="prunella-system", name=parent.metadata.name)
    assert allowed(child) == "StormActive"
    [told] = [one.message for one in child.status.timeline if one.what == "CommonCauseFound"]
    assert told.startswith("node/node-1 is at fault: Incident prunella-system/")
    assert not any(one.incident.spec.target_ref.kind == "Deployment" for one in place.deliver.sent if one.kind is MessageKind.PAGE)
    assert place.api.all(Remediation) == []
    place.cluster.lost_nodes = set()
    place.cluster.put(node(name="node-1", uid="uid-node-1"))
    place.cluster.touch(place.cluster.workloads["Deployment", "shop", "checkout"])
    await operator.run(10)
    child = next(one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Deployment")
    assert child.status.parent_ref is None, "it is judged anew"
    await operator.close()


async def test_what_was_told_before_its_node_is_told_with_the_node_as_soon_as_that_has_an_incident():
    place = shop(shipped())
    checkout = place.cluster.create("checkout")
    for pod in checkout.pods[1:]:
        pod.node = "node-2"
    operator = Operator(place)
    await operator.run(30)
    place.cluster.lost_nodes = {"node-1"}
    place.cluster.put(node(ready=False, name="node-1", uid="uid-node-1", ready_since=place.clock.now()))
    place.cluster.touch(checkout)
    await operator.run(10)
    await operator.take(alert("KubeDeploymentReplicasMismatch", labels={"namespace": "shop", "deployment": "checkout"}, starts=35))
    await operator.run(45)
    [child] = place.api.all(Incident)
    assert (child.spec.target_ref.kind, child.status.parent_ref) == ("Deployment", None)
    while not any(one.spec.target_ref.kind == "Node" for one in place.api.all(Incident)):
        await operator.run(1)
    await operator.run(1)
    found = {one.spec.target_ref.kind: one for one in place.api.all(Incident)}
    parent, child = found["Node"], found["Deployment"]
    assert child.status.parent_ref == NamespacedRef(namespace="prunella-system", name=parent.metadata.name)
    woken = operator.served
    await operator.run(5)
    assert operator.served - woken < 10, "and it is woken once"
    await operator.close()


async def test_where_a_pod_fails_on_a_node_that_is_well_the_node_is_not_to_blame():
    _, operator, found = await without_a_node(everywhere=True)
    assert found["Deployment"].status.parent_ref is None
    await operator.close()


async def test_who_lost_pods_with_a_node_is_not_read_anew_at_every_look(monkeypatch):
    place, operator, _ = await without_a_node(everywhere=True)
    around, read = operator.gatherer.around, []
    asked = around.lost_with

    def counted(one: Incident, nodes: Mapping[str, Incident]) -> Incident | None:
        read.append(one)
        return asked(one, nodes)

    monkeypatch.setattr(around, "lost_with", counted)
    for _ in range(20):
        place.clock.advance(1)
        await operator.commons.look()
    assert len(read) == 4
    await operator.close()


async def test_the_children_of_one_parent_are_found_without_a_walk_through_all_that_is_open(monkeypatch):
    place, _, operator = await broken(4)
    (parent,) = parents(place)
    walked = []
    monkeypatch.setattr(place.view, "unended_incidents", lambda: walked.append("all"))
    found = {one.metadata.name for one in operator.gatherer.around.children(parent)}
    assert (found, walked) == ({one.metadata.name for one in children(place)}, [])
    await operator.close()
