"""Seeing: findings open Incidents in time, what worked is remembered once, and what began before our eyes is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from tests.core.builders import ago, asking, deadline_exceeded, new_pod, rolling_facts, waiting
from tests.core.thing_builders import lost_node, node, service
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.common import Metadata
from prunella.api.incident import Incident
from prunella.api.marks import MAY_BE_ZERO_ANNOTATION
from prunella.api.names import Cause, Mode, Phase, Priority, Urgency
from prunella.api.workload_record import WorkloadRecord, WorkloadRecordSpec
from prunella.app.errors import Conflict, Retryable
from prunella.app.keys import WorkloadKey
from prunella.core.demands import Demands
from prunella.core.detect.detect import Detection
from prunella.core.facts import UNKNOWN, Finding, NamespaceFacts, WorkloadFacts

KEY = WorkloadKey("Deployment", "shop", "checkout")


async def running(*, age: float = 86_400.0, before: float = 5.0, **policy: Any):
    place = shop(shipped(), **policy)
    workload = place.cluster.create(age=age)
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(before)
    return place, workload, operator


def records(place: Place) -> list[WorkloadRecord]:
    return place.api.all(WorkloadRecord)


async def test_a_fault_opens_its_incident_when_its_time_to_open_is_over():
    settings = ({"cause": Cause.ROLLOUT_CRASH_LOOP, "open_after_seconds": 30},)
    place, workload, operator = await running(detectors=settings)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(29)
    assert place.api.all(Incident) == []
    await operator.run(3)
    assert operator.incident.status.cause is Cause.ROLLOUT_CRASH_LOOP
    await operator.close()


async def test_a_crash_loop_opens_on_time_although_each_crash_renews_its_evidence():
    settings = ({"cause": Cause.ROLLOUT_CRASH_LOOP, "open_after_seconds": 60},)
    place, workload, operator = await running(detectors=settings)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(62)
    assert len(place.api.all(Incident)) == 1
    await operator.close()


async def test_a_look_says_when_to_look_again_without_a_change():
    place, workload, operator = await running()
    place.cluster.set_image(workload, "shop/app:2")
    place.clock.advance(1)
    assert await operator.observer.observe(KEY) > place.clock.now()
    await operator.close()


async def test_a_healthy_workload_is_not_looked_at_again_by_itself():
    _, _, operator = await running()
    assert await operator.observer.observe(KEY) is None
    await operator.close()


# what worked


async def test_nothing_is_written_while_nothing_changes_and_once_when_the_next_revision_comes():
    place, workload, operator = await running()
    assert place.api.writes == []
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(60)
    [one] = records(place)
    assert [(entry.hash, entry.revision) for entry in one.spec.revisions] == [("h1", 1)]
    assert one.spec.target_ref.uid == workload.uid
    assert [(write.verb, write.kind) for write in place.api.writes] == [("create", "WorkloadRecord")]
    place.cluster.set_image(workload, "shop/app:4")
    await operator.run(60)
    assert {entry.hash for entry in records(place)[0].spec.revisions} == {"h1"}, "h2 was not healthy long enough: 60 s, less its start"
    await operator.close()


async def test_what_was_not_healthy_long_enough_is_no_known_good():
    place, workload, operator = await running(age=50)
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(5)
    assert records(place) == []
    await operator.close()


@pytest.mark.parametrize(
    "namespace",
    [NamespaceFacts(name="shop"), NamespaceFacts(name="shop", labels={"prunella.dev/mode": "Auto"}, deleting=True), None],
    ids=["not opted in", "being deleted", "not there"],
)
async def test_only_workloads_of_opted_in_namespaces_are_remembered(namespace):
    place, workload, operator = await running()
    place.view.namespace = lambda name: namespace
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(5)
    assert records(place) == []
    await operator.close()


async def test_another_object_of_the_same_name_starts_the_memory_anew():
    place, workload, operator = await running()
    old = WorkloadRecordSpec(target_ref=workload.ref.model_copy(update={"uid": "before"}))
    place.api.apply(WorkloadRecord(metadata=Metadata(name="deployment-checkout", namespace="shop"), spec=old))
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(5)
    [one] = records(place)
    assert (one.spec.target_ref.uid, [entry.hash for entry in one.spec.revisions]) == (workload.uid, ["h1"])
    await operator.close()


async def test_a_race_for_the_record_is_settled_by_the_next_look(caplog):
    place, workload, operator = await running()

    def raced(when: str, verb: str, what: str) -> None:
        place.api.gate = lambda _when, _verb, _what: None
        raise Conflict("somebody was faster")

    place.api.gate = raced
    place.cluster.set_image(workload, "shop/app:3")
    await operator.settle()
    assert records(place) == []
    await operator.run(5)
    assert len(records(place)) == 1
    await operator.close()


async def test_the_incident_looks_at_once_although_the_record_cannot_be_written():
    place, workload, operator = await running(mode=Mode.OBSERVE)

    def refuses(when: str, _verb: str, what: str) -> None:
        if when == "before" and what.startswith("WorkloadRecord"):
            raise Retryable("slow down", delay=1.0)

    place.api.gate = refuses
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(30)
    assert operator.incident.status.signals[0].state == "Firing"
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(5)
    assert records(place) == []
    assert operator.incident.status.signals[0].state == "Resolved"
    await operator.close()


async def test_a_quarantined_revision_that_stays_healthy_for_an_hour_is_released():
    place, workload, operator = await running()
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(120)
    assert [entry.hash for entry in records(place)[0].spec.quarantined] == ["h2"]
    place.cluster.bad.clear()
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(3500)
    assert records(place)[0].spec.quarantined != ()
    await operator.run(200)
    place.cluster.changed(workload)
    await operator.run(5)
    assert records(place)[0].spec.quarantined == ()
    await operator.close()


# before our eyes


@pytest.mark.parametrize(
    ("age", "change", "ours"),
    [(86_400.0, False, False), (86_400.0, True, True), (-1.0, False, True)],
    ids=["it was there when we came", "it appeared while we watched", "the workload was made while we watched"],
)
async def test_a_rollout_that_began_before_our_eyes_is_known(age, change, ours):
    place = shop(shipped())
    operator = Operator(place)
    await operator.run(1)
    workload = place.cluster.create(age=max(age, 0.0))
    await operator.run(1)
    if change:
        place.cluster.set_image(workload, "shop/app:3")
        await operator.run(1)
    sight = operator.observer.sight(KEY)
    assert (sight.newest_hash in sight.began_before_our_eyes) == ours
    await operator.close()


async def test_an_old_revision_that_comes_back_while_we_watch_began_before_our_eyes():
    place, workload, operator = await running()
    place.cluster.set_image(workload, "shop/app:3")
    await operator.run(5)
    place.cluster.set_image(workload, "shop/app:1")
    await operator.run(5)
    assert "h1" in operator.observer.sight(KEY).began_before_our_eyes
    await operator.close()


async def test_a_workload_without_revisions_has_none_that_began():
    place, workload, operator = await running()
    facts = place.cluster.facts(workload)
    assert operator.observer._eyes(type(facts)(workload=facts.workload, revisions=(), pods=()), None) == set()
    await operator.close()


# coming and going


@pytest.mark.parametrize("how", ["removed", "being deleted"])
async def test_a_workload_that_goes_is_forgotten_and_its_incident_looks(how):
    place, workload, operator = await running()
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(3)
    if how == "removed":
        place.cluster.remove(workload)
    else:
        place.cluster.touch(workload, deleting=True)
    operator.pending.clear()
    assert await operator.observer.observe(KEY) is None
    assert operator.observer.sight(KEY) is None
    assert list(operator.pending) == [("shop", operator.incident.metadata.name)]
    await operator.close()


async def test_a_workload_that_was_made_anew_is_seen_with_new_eyes():
    place, workload, operator = await running()
    place.cluster.remove(workload)
    place.cluster.create()
    place.clock.advance(1)
    await operator.observer.observe(KEY)
    assert operator.observer.sight(KEY).uid == place.cluster.workloads[tuple(KEY)].uid != workload.uid
    await operator.close()


async def test_while_the_controller_has_not_seen_the_newest_template_nothing_is_concluded():
    place, workload, operator = await running()
    workload.lagging = True
    assert operator.observer.finding(place.cluster.facts(workload)) is UNKNOWN
    workload.lagging = False
    assert operator.observer.finding(place.cluster.facts(workload)) is None
    await operator.close()


async def test_health_counts_from_when_it_was_seen_and_breaks_with_the_first_trouble():
    place, workload, operator = await running()
    first = operator.observer.sight(KEY).healthy_since
    assert first < place.clock.now() - timedelta(hours=1), "from before we came, by the pods' own word"
    place.cluster.touch(workload, available=2)
    await operator.run(5)
    assert operator.observer.sight(KEY).healthy_since is None
    place.cluster.touch(workload, available=3)
    await operator.run(5)
    assert operator.observer.sight(KEY).healthy_since == place.clock.now() - timedelta(seconds=5)
    await operator.close()


@pytest.mark.parametrize(
    ("elsewhere", "cause"), [(False, Cause.ROLLOUT_IMAGE_PULL), (True, Cause.REGISTRY_UNREACHABLE)], ids=["alone", "another one's pulls fail too"]
)
async def test_whether_pulls_fail_elsewhere_tells_a_bad_name_from_a_bad_registry(elsewhere, cause):
    place, _, operator = await running()
    other = place.cluster.create("cart")
    await operator.run(1)
    if elsewhere:
        now = place.clock.now()
        pulls = Finding(cause=Cause.ROLLOUT_IMAGE_PULL, subject=place.cluster.facts(other).workload, summary="no", started_time=now, open_time=now)
        cart = WorkloadKey("Deployment", "shop", "cart")
        operator.observer._keep(cart, replace(operator.observer.sight(cart), detection=Detection(finding=pulls)))
    refused = waiting("ErrImagePull", "failed to pull: unauthorized", image="elsewhere/app:3")
    assert operator.observer.finding(rolling_facts(new_pod(refused))).cause is cause
    await operator.run(1)
    operator.observer._keep(WorkloadKey("Deployment", "shop", "cart"), operator.observer.sight(KEY))
    assert operator.observer.finding(rolling_facts(new_pod(refused))).cause is Cause.ROLLOUT_IMAGE_PULL, "the other one has recovered"
    await operator.close()


# what does not go


async def test_a_pod_that_does_not_go_is_an_incident_of_its_workload_that_pages_as_a_trend():
    place, workload, operator = await running()
    place.cluster.put(node(name="node-1"))
    workload.pods[0].to_be_gone = place.clock.now()
    place.cluster.changed(workload)
    await operator.run(595)
    assert place.api.all(Incident) == []
    await operator.run(10)
    status = operator.incident.status
    assert (status.cause, status.target, status.urgency) == (Cause.STUCK_TERMINATING, "deploy/checkout", Urgency.MEDIUM)
    assert operator.condition("RemediationAllowed") == ("False", "NoRunbookMatches")
    assert place.cluster.effects == []
    workload.pods[:] = [*workload.pods[1:], place.cluster._pod(workload, 0, place.clock.now())]
    place.cluster.changed(workload)
    await operator.run(310)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


@pytest.mark.parametrize("how", ["it is not Ready", "nodes can't be seen"])
async def test_what_a_lost_node_holds_is_no_incident_of_the_workload_until_the_node_is_back(how):
    place, workload, operator = await running()
    place.cluster.put(lost_node(name="node-1") if how == "it is not Ready" else node(name="node-1"))
    if how == "nodes can't be seen":
        place.view.unseen.add("Node")
    workload.pods[0].to_be_gone = place.clock.now()
    place.cluster.changed(workload)
    await operator.run(900)
    assert [one.spec.target_ref.kind for one in place.api.all(Incident)] == (["Node"] if how == "it is not Ready" else [])
    place.cluster.put(node(name="node-1"))
    place.view.unseen.clear()
    await operator.run(610)
    assert Cause.STUCK_TERMINATING in {one.status.cause for one in place.api.all(Incident)}, "no event tells of it: it is looked at again"
    await operator.close()


# what no node takes


def asks_for_a_disk() -> WorkloadFacts:
    """Revision 3 is being rolled out and asks for a label; its pod waits for a node for longer than its rollout may take."""
    facts = rolling_facts(conditions=(deadline_exceeded(),), created=700)
    waits = replace(
        new_pod(), scheduled=False, node="", phase="Pending", containers=(), ready=False, unscheduled_reason="Unschedulable", created_time=ago(690)
    )
    return asking(replace(facts, pods=(waits, *facts.pods)), Demands(selection="s2", node_selector=(("disk", "fast"),)))


@pytest.mark.parametrize(
    ("labels", "seen", "accused"),
    [
        ({"disk": "slow"}, True, "h3"),
        ({"disk": "fast", "zone": "b"}, True, ""),
        ({"disk": "slow"}, False, ""),
        (None, True, "h3"),
    ],
    ids=["no node has the label", "one has it", "nodes can't be seen", "no node has any"],
)
async def test_that_no_node_has_the_labels_is_seen_in_the_nodes(labels, seen, accused):
    place, _, operator = await running()
    place.cluster.put(node(name="node-1"))
    if labels is not None:
        place.cluster.put(node(name="node-2", labels=labels, cordoned=True))
    if not seen:
        place.view.unseen.add("Node")
    finding = operator.observer.finding(asks_for_a_disk())
    assert (finding.cause, finding.accused_revision) == (Cause.UNSCHEDULABLE, accused)
    await operator.close()


# scaled to zero


def scale(place: Place, workload: FakeWorkload, replicas: int) -> None:
    """As a person does it with kubectl: pods and endpoints follow."""
    workload.raw["spec"]["replicas"] = replicas
    place.cluster._react(workload)
    place.cluster.put(service(replicas, selector={"app": workload.name}, scaled_to_zero=replicas == 0))


async def at_zero(**alone: bool):
    place, workload, operator = await running()
    if not alone:
        place.cluster.create("cart")
    place.cluster.touch(workload, selector={"app": "checkout"})
    scale(place, workload, 3)
    await operator.run(5)
    scale(place, workload, 0)
    return place, workload, operator


async def test_a_workload_that_was_scaled_to_zero_under_its_service_is_a_notice_and_nothing_is_done():
    place, workload, operator = await at_zero()
    await operator.run(295)
    assert place.api.all(Incident) == []
    await operator.run(10)
    status = operator.incident.status
    assert (status.cause, status.target, status.priority) == (Cause.SCALED_TO_ZERO, "deploy/checkout", Priority.P4)
    assert operator.condition("RemediationAllowed") == ("False", "NoRunbookMatches")
    assert place.cluster.effects == []
    scale(place, workload, 3)
    await operator.run(310)
    assert operator.condition("Resolved") == ("True", "SignalsCleared")
    await operator.close()


async def test_a_restart_keeps_it_open_and_the_annotation_ends_it():
    place, workload, operator = await at_zero()
    await operator.run(310)
    await operator.close()
    again = Operator(place)
    await again.run(400)
    assert again.incident.status.phase is Phase.TRIGGERED
    place.cluster.touch(workload, annotations={MAY_BE_ZERO_ANNOTATION: "true"})
    await again.run(310)
    assert again.condition("Resolved") == ("True", "SignalsCleared")
    await again.close()


@pytest.mark.parametrize("kind", ["Service", "HorizontalPodAutoscaler"])
async def test_where_services_or_autoscalers_cannot_be_seen_nothing_is_said(kind):
    place, _, operator = await at_zero()
    place.view.unseen.add(kind)
    await operator.run(400)
    assert place.api.all(Incident) == []
    await operator.close()


async def test_what_was_at_zero_when_we_came_is_left_alone():
    place = shop(shipped())
    workload = place.cluster.create(replicas=0)
    place.cluster.create("cart")
    place.cluster.touch(workload, selector={"app": "checkout"})
    place.cluster.put(service(0, selector={"app": "checkout"}, scaled_to_zero=True))
    operator = Operator(place)
    await operator.run(400)
    assert place.api.all(Incident) == []
    await operator.close()


async def test_a_namespace_that_is_switched_off_as_a_whole_is_left_alone():
    place, workload, operator = await at_zero()
    scale(place, place.cluster.workloads["Deployment", "shop", "cart"], 0)
    place.cluster.changed(workload)
    await operator.run(400)
    assert place.api.all(Incident) == []
    await operator.close()


async def test_one_that_is_alone_in_its_namespace_is_no_namespace_that_was_switched_off():
    place, _, operator = await at_zero(alone=True)
    await operator.run(310)
    assert [one.status.cause for one in place.api.all(Incident)] == [Cause.SCALED_TO_ZERO]
    await operator.close()
