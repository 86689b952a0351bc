"""Services, nodes, APIs, and what does not go: what is a fault of them, and what is none."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from prunella.api.incident import Signal
from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.api.names import Cause
from prunella.core.things.past import NO_PAST, Past, proved, remember

from .builders import NOON, ago, later
from .incident_builders import watched
from .thing_builders import api_service, claim, job, look, lost_node, node, said, service, space

SERVED = Past(ever_served=True)

# services


def test_a_service_that_served_and_does_not_any_more_is_found_after_a_minute():
    seen = look(service(other_endpoints=3), past=SERVED)
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.open_time) == (Cause.SERVICE_WITHOUT_ENDPOINTS, later(60))
    assert seen.finding.summary == "checkout: nothing answers: there are endpoints, and none of them is ready"
    nobody = look(service(), past=SERVED)
    assert nobody.finding is not None
    assert "no pod bears the labels that it selects (app=checkout)" in nobody.finding.summary


@pytest.mark.parametrize(
    ("one", "past"),
    [(service(1), SERVED), (service(), NO_PAST), (service(selector={}), SERVED), (service(scaled_to_zero=True), SERVED),
     (service(deletion_time=ago(1)), SERVED)],
    ids=["serves", "never served", "selects nothing", "scaled to zero", "being deleted"],
)  # fmt: skip
def test_any_other_service_is_well(one, past):
    assert look(one, past=past).finding is None


def test_what_served_is_remembered_of_the_very_object_and_an_open_incident_proves_it():
    past = remember(None, service(2), NOON)
    assert past is not None
    assert past.ever_served
    later_past = remember(past, service(0), NOON)
    assert later_past is not None
    assert later_past.ever_served
    other = remember(past, service(0, uid="another"), NOON)
    assert other is not None
    assert not other.ever_served
    assert remember(None, job(), NOON) is None
    incident = watched()
    status = incident.status.model_copy(update={"cause": Cause.SERVICE_WITHOUT_ENDPOINTS})
    assert proved(NO_PAST, service(0), [incident.model_copy(update={"status": status})], NOON).ever_served
    assert not proved(NO_PAST, service(0), [incident], NOON).ever_served
    ended = status.model_copy(update={"times": status.times.model_copy(update={"resolved_time": NOON})})
    assert not proved(NO_PAST, service(0), [incident.model_copy(update={"status": ended})], NOON).ever_served


# nodes


def test_a_node_that_is_not_ready_is_found_after_a_minute():
    seen = look(lost_node(since=30))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.started_time, seen.finding.open_time) == (Cause.NODE_NOT_READY, ago(30), later(30))
    assert seen.finding.summary == "n1: the node is not Ready (NodeStatusUnknown: Kubelet stopped posting node status.)"
    assert seen.finding.subject.ref.namespace is None


def test_pressure_is_found_after_five_minutes_of_the_longest():
    pressures = (said("MemoryPressure", "True", "KubeletHasInsufficientMemory", since=400), said("PIDPressure", "True", "x", since=10))
    seen = look(node(pressures=pressures))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.started_time, seen.finding.open_time) == (Cause.NODE_PRESSURE, ago(400), ago(100))
    assert "under MemoryPressure and PIDPressure (KubeletHasInsufficientMemory: so it is)" in seen.finding.summary


def test_a_fault_is_found_after_five_minutes_and_hurts_more_than_pressure():
    faults = (said("KernelDeadlock", "True", "DockerHung", since=310), said("NTPProblem", "True", "x", since=10))
    seen = look(node(faults=faults, pressures=(said("DiskPressure", "True", "x", since=900),)))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.started_time, seen.finding.open_time) == (Cause.NODE_FAULT, ago(310), ago(10))
    assert seen.finding.summary == "n1: the node says KernelDeadlock and NTPProblem (DockerHung: so it is)"
    assert not node(faults=faults).serves
    assert look(lost_node(faults=faults)).finding.cause == Cause.NODE_NOT_READY


def test_what_has_held_for_long_enough_is_not_hidden_by_what_has_not():
    young, old = (said("NTPProblem", "True", "x", since=10),), (said("DiskPressure", "True", "x", since=900),)
    seen = look(node(faults=young, pressures=old))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.look_again) == (Cause.NODE_PRESSURE, later(290)), "then the fault is told"
    mark = {"prunella.dev/temporary": "{}"}
    assert look(node(faults=young, cordoned=True, annotations=mark)).finding.cause == Cause.LEFTOVER_CORDON
    assert look(lost_node(since=30, faults=(said("NTPProblem", "True", "x", since=900),))).finding.cause == Cause.NODE_FAULT
    alone = look(node(faults=young))
    assert alone.finding is not None
    assert (alone.finding.cause, alone.finding.open_time) == (Cause.NODE_FAULT, later(290))
    both = look(node(faults=young, pressures=young))
    assert both.finding is not None
    assert both.finding.cause == Cause.NODE_FAULT, "of what is young the worst"


def test_what_a_node_does_not_show_any_more_is_ruled_out_but_not_by_one_that_is_not_ready():
    fault, pressure = (said("NTPProblem", "True", "x", since=10),), (said("DiskPressure", "True", "x", since=10),)
    for seen, over in (
        (node(faults=fault), True),
        (node(faults=fault, pressures=pressure), False),
        (lost_node(since=30, faults=fault), False),
    ):
        finding = look(seen).finding
        assert finding is not None
        assert finding.rules_out(Cause.NODE_PRESSURE) is over
        assert not finding.rules_out(finding.cause)


def test_three_turns_within_an_hour_are_flapping_whatever_it_is_now():
    turns = (ago(3599), ago(2000), ago(100))
    for one in (node(), lost_node()):
        seen = look(one, past=Past(turns=turns))
        assert seen.finding is not None
        assert (seen.finding.cause, seen.finding.started_time, seen.look_again) == (Cause.NODE_FLAPPING, ago(3599), later(1))
    assert look(node(), past=Past(turns=(ago(3600), *turns[1:]))).finding is None


def test_turns_are_counted_before_our_eyes():
    past = None
    for number, ready in enumerate([True, True, False, True, False, False]):
        past = remember(past, node(ready=ready, ready_since=ago(600 - number)), NOON)
    assert past is not None
    assert past.turns == (ago(598), ago(597), ago(596))


def flapped(state: str = "Firing", uid: str = "uid-n1"):
    incident = watched()
    signal = {
        "key": "watch/NodeFlapping",
        "source": "Watch",
        "state": state,
        "cause": "NodeFlapping",
        "firstSeenTime": ago(900),
        "lastSeenTime": ago(60),
    }
    target = incident.spec.target_ref.model_copy(update={"kind": "Node", "namespace": None, "name": "n1", "uid": uid})
    return incident.model_copy(
        update={
            "spec": incident.spec.model_copy(update={"target_ref": target}),
            "status": incident.status.model_copy(update={"signals": (Signal.model_validate(signal),)}),
        }
    )


def test_a_node_that_flapped_before_a_restart_is_calm_an_hour_after_its_last_turn():
    one = node(ready_since=ago(3599))
    for past in (NO_PAST, Past(uid="uid-n1", since=ago(3500)), Past(uid="uid-n1", since=ago(3500), turns=(ago(3400),))):
        seen = look(one, past=proved(past, one, [flapped()], NOON))
        assert seen.finding is not None
        assert (seen.finding.cause, seen.look_again) == (Cause.NODE_FLAPPING, later(1))
    calm = node(ready_since=ago(3600))
    assert look(calm, past=proved(NO_PAST, calm, [flapped()], NOON)).finding is None


@pytest.mark.parametrize(
    ("past", "incident"),
    [
        (NO_PAST, flapped(state="Resolved")),
        (NO_PAST, flapped(uid="another")),
        (Past(uid="uid-n1", since=ago(3600)), flapped()),
    ],
    ids=["that is over", "another node of that name", "it was seen for an hour, and is calm"],
)
def test_what_proves_no_turns_makes_no_node_flap(past, incident):
    assert look(node(), past=proved(past, node(), [incident], NOON)).finding is None


def mark(**fields: object) -> dict[str, str]:
    return {TEMPORARY_ANNOTATION: json.dumps(fields)}


def test_only_a_cordon_of_ours_whose_time_is_over_was_left():
    over = look(node(cordoned=True, annotations=mark(undoAfterTime="2026-11-24T11:00:00Z")))
    assert over.finding is not None
    assert (over.finding.cause, over.finding.started_time) == (Cause.LEFTOVER_CORDON, ago(3600))
    runs = look(node(cordoned=True, annotations=mark(undoAfterTime="2026-11-24T12:10:00Z")))
    assert (runs.finding, runs.look_again) == (None, later(660))
    ends = look(node(cordoned=True, annotations=mark(undoAfterTime="2026-11-24T11:59:01Z")))
    assert (ends.finding, ends.look_again) == (None, later(1)), "what ends on time is nothing to tell"
    assert look(node(cordoned=True)).finding is None
    assert look(node(annotations=mark(undoAfterTime="2026-11-24T11:00:00Z"))).finding is None
    for path, left in (("/spec/unschedulable", True), ("/spec/taints/[key=prunella.dev~1x,effect=NoSchedule]", False)):
        seen = look(node(cordoned=True, annotations=mark(undoAfterTime="2026-11-24T11:00:00Z", path=path)))
        assert (seen.finding is not None) is left, "what is of a taint says nothing of a cordon"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "7",
        "{}",
        json.dumps({"undoAfterTime": "soon"}),
        json.dumps({"undoAfterTime": 7}),
        json.dumps({"undoAfterTime": "0001-01-01T00:00:00+23:59"}),
    ],
)
def test_a_mark_of_ours_that_cannot_be_read_has_no_time_left(text):
    seen = look(node(cordoned=True, annotations={TEMPORARY_ANNOTATION: text}))
    assert seen.finding is not None
    assert seen.finding.started_time == NOON


def test_a_node_that_is_ready_is_well():
    assert look(node()).finding is None


# APIs, and what does not go


def test_an_api_whose_backend_does_not_answer_is_found():
    seen = look(api_service())
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.open_time) == (Cause.API_SERVICE_DOWN, ago(240))
    assert "can't reach Service kube-system/metrics-server, which serves it (MissingEndpoints: endpoints for" in seen.finding.summary
    assert look(api_service(down_since=None)).finding is None
    assert look(api_service(backend="")).finding is None


def test_what_was_to_be_gone_is_found_after_ten_minutes_with_who_holds_it():
    conditions = (said("NamespaceFinalizersRemaining", "True", "SomeFinalizersRemain", message="Some content has finalizers remaining: x.io/y"),)
    seen = look(space(conditions=conditions))
    assert seen.finding is not None
    assert (seen.finding.cause, seen.finding.open_time) == (Cause.STUCK_TERMINATING, ago(300))
    assert "its finalizers hold it: kubernetes; SomeFinalizersRemain: Some content has finalizers remaining: x.io/y" in seen.finding.summary
    held = look(claim(phase="Bound", deletion_time=ago(700), finalizers=("kubernetes.io/pvc-protection",)))
    assert held.finding is not None
    assert "kubernetes.io/pvc-protection" in held.finding.summary


def test_what_is_not_waited_for_may_take_its_time():
    assert look(replace(job(), deletion_time=ago(9000))).finding is None
    fresh = look(space(gone=-30))
    assert fresh.finding is not None
    assert fresh.finding.open_time > NOON
