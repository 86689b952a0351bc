"""Workloads that were scaled to zero while a Service routes to them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.marks import MAY_BE_ZERO_ANNOTATION
from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.detect.look import AtZero
from prunella.core.facts import Owner, Pod, WorkloadFacts

from .builders import NOON, ago, container, healthy_facts, later, pod

SERVED = AtZero(served_time=ago(120), endpoints={"checkout": 0})
DAY = 86_400


def at_zero(*pods: Pod, kind: str = "Deployment", **changes) -> WorkloadFacts:
    """Scaled down a minute ago with `kubectl edit`."""
    numbers = {"desired": 0, "updated": 0, "ready": 0, "available": 0, "zeroed_by": "kubectl-edit", "zeroed_time": ago(60)}
    return replace(healthy_facts(kind, **(numbers | changes)), pods=pods)


def detection(facts, beside: AtZero | None = SERVED, now=NOON, **settings):
    return detect(facts, now, Settings(**settings), Surroundings(at_zero=beside))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_it_is_told_who_scaled_it_when_who_is_unserved_and_how_to_say_that_it_is_meant(kind):
    seen = detection(at_zero(kind=kind))
    short = {"Deployment": "deploy/checkout", "StatefulSet": "sts/checkout"}[kind]
    assert seen.finding.cause is Cause.SCALED_TO_ZERO
    assert seen.finding.summary == (
        "checkout: it was scaled to zero by kubectl-edit at 11:59:00, and Service checkout routes to it and has no endpoint. "
        f"If that is meant: kubectl annotate {short} -n shop prunella.dev/may-be-zero=true; none is wanted"
    )
    assert (seen.finding.started_time, seen.finding.open_time, seen.look_again) == (ago(60), later(240), later(240))
    assert (seen.finding.accused_revision, seen.finding.failing_pods) == ("", ())


def test_what_is_not_told_is_not_made_up():
    nobody = detection(at_zero(zeroed_by="", zeroed_time=None)).finding
    assert nobody.summary.startswith("checkout: it was scaled to zero, and Service")
    assert nobody.started_time == ago(120), "when it was last seen healthy"
    undated = detection(at_zero(zeroed_time=None)).finding
    assert "by kubectl-edit, and Service" in undated.summary
    several = detection(at_zero(), replace(SERVED, endpoints={"b": 0, "a": 0, "c": 3})).finding
    assert "and Service a (and 1 more) routes to it and has no endpoint" in several.summary


def test_the_policy_may_wait_longer():
    assert detection(at_zero(), open_after_seconds={Cause.SCALED_TO_ZERO: 900}).finding.open_time == later(840)


@pytest.mark.parametrize(
    ("facts", "beside"),
    [
        pytest.param(at_zero(annotations={MAY_BE_ZERO_ANNOTATION: "true"}), SERVED, id="somebody says that it is meant"),
        pytest.param(at_zero(), replace(SERVED, autoscaled=True), id="an autoscaler owns its number: KEDA, or an HPA that is switched off"),
        pytest.param(at_zero(owner=Owner(api_version="serving.knative.dev/v1", kind="Revision", name="r")), SERVED, id="an operator owns it"),
        pytest.param(at_zero(), replace(SERVED, switched_off=True), id="the whole namespace was switched off"),
        pytest.param(at_zero(), replace(SERVED, endpoints={}), id="no Service routes to it"),
        pytest.param(at_zero(), replace(SERVED, endpoints={"checkout": 2}), id="the Service has other endpoints, as after a blue-green switch"),
        pytest.param(at_zero(), replace(SERVED, served_time=None), id="nobody saw it serve"),
        pytest.param(at_zero(), replace(SERVED, served_time=ago(DAY)), id="it served a day ago"),
        pytest.param(at_zero(), None, id="what stands beside it can't be seen"),
        pytest.param(at_zero(kind="DaemonSet"), SERVED, id="a DaemonSet that no node wants"),
        pytest.param(at_zero(deleting=True), SERVED, id="it is on its way out"),
        pytest.param(healthy_facts(), SERVED, id="it runs"),
    ],
)
def test_nearly_the_same_is_none(facts, beside):
    assert detection(facts, beside).finding is None


def test_an_incident_that_says_so_stands_although_nobody_remembers_that_it_served():
    told = replace(SERVED, served_time=None, told=True)
    assert detection(at_zero(), told).finding.cause is Cause.SCALED_TO_ZERO
    assert detection(at_zero(annotations={MAY_BE_ZERO_ANNOTATION: "true"}), told).finding is None


def test_it_is_asked_again_while_the_services_last_endpoint_is_still_on_its_way_out():
    assert detection(at_zero(), replace(SERVED, endpoints={"checkout": 1})).look_again == later(300)
    assert detection(at_zero(), replace(SERVED, endpoints={})).look_again is None


def test_a_pod_that_does_not_go_is_plainer():
    stuck = pod("old", "h2", container(), deleting=True, deletion_time=ago(900), node="", finalizers=("x",))
    assert detection(at_zero(stuck)).finding.cause is Cause.STUCK_TERMINATING
