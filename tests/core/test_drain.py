"""drain: what goes, what stays, what makes it impossible; one pod after the other, by eviction alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from prunella.api.names import Cause, Mode, StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Evict
from prunella.core.healing.runbooks import plan as plans
from prunella.core.healing.steps import drain
from prunella.core.healing.steps.drain import KIND, Drain
from prunella.core.healing.steps.step import Ask, Done, Failed, Wait

from .builders import NOON, later
from .healing_builders import incident
from .node_builders import PODS, by_us, shown, stored
from .thing_builders import node, said


def pod(name: str, owner: str | None = "ReplicaSet", *, phase: str = "Running", volumes: Any = (), **meta: Any) -> dict[str, Any]:
    """A pod of the node."""
    owners = [{"kind": owner, "name": "x", "controller": True}] if owner else []
    about = {"namespace": "shop", "name": name, "uid": f"uid-{name}", "ownerReferences": owners, **meta}
    return {"metadata": about, "spec": {"nodeName": "n1", "volumes": list(volumes)}, "status": {"phase": phase}}


def gone(name: str) -> StepStatus:
    """That pod was evicted before."""
    ref = {"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": name, "uid": f"uid-{name}"}
    intent = Intent.model_validate({"id": "5b1e", "action": "Evict", "targetRef": ref, "writtenTime": NOON, "deadlineTime": later(60)})
    return StepStatus(name="drain", state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=NOON))


def asked(*pods: dict[str, Any], done: tuple[StepStatus, ...] = (), raw: Any = None, **params: Any):
    return drain.plan(Drain(**params), shown(raw or by_us(), {PODS: pods}), done)


def test_it_asks_for_the_pods_of_the_node_and_evicts_the_first():
    assert drain.plan(Drain(), shown(by_us()), ()) == Ask(reads=(PODS,))
    first = asked(pod("b"), pod("a"))
    assert isinstance(first, Evict)
    assert (first.target.name, first.target.uid, first.last, first.does) == ("a", "uid-a", False, "pod shop/a was evicted, 1 of 2")


def test_the_next_one_goes_when_the_one_before_is_gone():
    assert isinstance(asked(pod("a", deletionTimestamp="2026-11-24T12:00:00Z"), pod("b"), done=(gone("a"),)), Wait)
    second = asked(pod("b"), done=(gone("a"),))
    assert isinstance(second, Evict)
    assert (second.target.name, second.last, second.does) == ("b", True, "pod shop/b was evicted, 2 of 2")
    assert asked(done=(gone("a"), gone("b"))) == Done(message="2 pods of node/n1 were evicted, and none is left that has to go")


@pytest.mark.parametrize(
    "stays",
    [
        pod("agent", "DaemonSet"),
        pod("api", None, annotations={"kubernetes.io/config.mirror": "x"}),
        pod("ran", "Job", phase="Succeeded"),
        pod("broke", None, phase="Failed"),
        pod("goes", None, deletionTimestamp="2026-11-24T12:00:00Z"),
    ],
    ids=["of a DaemonSet", "the kubelet's own", "done", "failed", "on its way"],
)
def test_what_would_come_back_at_once_or_is_over_is_left_alone(stays):
    assert asked(stays) == Done(message="0 pods of node/n1 were evicted, and none is left that has to go")
    effect = asked(stays, pod("z"))
    assert isinstance(effect, Evict)
    assert effect.target.name == "z"


SCRATCH = ({"name": "s", "emptyDir": {}},)


@pytest.mark.parametrize(
    ("pods", "message"),
    [
        ([pod("a"), pod("bare", None)], "nothing would bring pod shop/bare back: no controller owns it; nothing is evicted"),
        (
            [pod("a"), pod("data", volumes=SCRATCH)],
            "pod shop/data would lose the data of an emptyDir volume; nothing is evicted, unless the step has emptyDir: Lose",
        ),
        ([pod(f"p{number}") for number in range(4)], "4 pods of node/n1 would have to go, and at most 3 may"),
    ],
    ids=["nobody's", "with data", "too many"],
)
def test_what_makes_it_impossible_is_said_before_the_first_pod_goes(pods, message):
    assert asked(*pods, most=3) == Failed(message=message)


def test_data_that_may_be_lost_is():
    assert isinstance(asked(pod("data", volumes=SCRATCH), empty_dir="Lose"), Evict)


@pytest.mark.parametrize(
    ("raw", "how"), [(stored(), "is not cordoned"), (stored(cordoned=True), "was cordoned by somebody else")], ids=["open", "a person's"]
)
def test_only_a_node_that_we_cordoned_is_drained(raw, how):
    assert asked(pod("a"), raw=raw) == Failed(message=f"node/n1 {how}: only a node that a step cordon took out is drained")


def test_pods_that_can_not_be_read_are_waited_for():
    assert isinstance(drain.plan(Drain(), shown(by_us(), {PODS: UNKNOWN}), ()), Wait)


def test_people_approve_it_whatever_the_mode():
    assert plans.highest_mode([KIND]) is Mode.APPROVE


@pytest.mark.parametrize(("cause", "ends"), [(Cause.NODE_PRESSURE, True), (Cause.NODE_NOT_READY, True), (Cause.NODE_FLAPPING, False)])
def test_r24_a_node_that_is_well_again_is_not_drained(cause, ends):
    live = replace(shown(by_us(), {PODS: (pod("a"),)}), target=node(cordoned=True), incident=incident(cause=cause))
    answer = drain.plan(Drain(), live, ())
    assert isinstance(answer, Done if ends else Evict)
    assert not ends or answer.message == "node/n1 is well again: no more pods are evicted"


OLD = (said("NTPProblem", "True", "NTPIsDown"),)


@pytest.mark.parametrize(
    ("run", "cause", "ends"),
    [
        (Cause.NODE_NOT_READY, Cause.NODE_NOT_READY, True),
        (Cause.NODE_NOT_READY, Cause.NODE_FAULT, True),
        (None, Cause.NODE_NOT_READY, True),
        (Cause.NODE_FAULT, Cause.NODE_FAULT, False),
        (Cause.NODE_FAULT, Cause.NODE_NOT_READY, False),
        (None, Cause.NODE_FAULT, False),
    ],
)
def test_an_old_fault_keeps_a_drain_going_only_where_that_is_what_the_run_is_for(run, cause, ends):
    live = replace(shown(by_us(), {PODS: (pod("a"),)}), target=node(cordoned=True, faults=OLD), incident=incident(cause=cause), cause=run)
    assert isinstance(drain.plan(Drain(), live, ()), Done if ends else Evict)
