"""Pods that were to be gone long ago."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, crashing, healthy_facts, later, new_pod, pod, rolling_facts

READY, LOST, NO_SUCH_NODE = {"node-1": True}, {"node-1": False}, {"node-1": None}


def leaving(name="checkout-h2-x", *, overdue=900, **changes):
    """A pod that was to be gone so many seconds ago, its grace period included, as it stands in the API while the kubelet has not let it go."""
    return pod(name, "h2", container(), **({"deleting": True, "deletion_time": ago(overdue)} | changes))


def shop(*gone, kind="Deployment", **changes):
    one = healthy_facts(kind, **changes)
    return replace(one, pods=(*one.pods, *gone))


def detection(facts, now=NOON, nodes=READY, **settings):
    return detect(facts, now, Settings(**settings), Surroundings(nodes=nodes))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_a_pod_that_a_finalizer_holds_is_told_with_who_holds_it_and_where(kind):
    finding = detection(shop(leaving(finalizers=("example.com/backup",)), kind=kind)).finding
    assert finding.cause is Cause.STUCK_TERMINATING
    assert finding.summary == (
        "checkout: pod checkout-h2-x is being deleted and does not go (its finalizers hold it: example.com/backup; its node node-1 is Ready); "
        "3 of 3 are ready"
    )
    assert (finding.accused_revision, finding.failing_pods) == ("", ("checkout-h2-x",))
    assert (finding.started_time, finding.open_time) == (ago(900), ago(300))


def test_several_are_one_finding_that_tells_of_the_oldest():
    finding = detection(shop(leaving("b", overdue=700), leaving("a", overdue=2000, finalizers=("x.io/y", "z")))).finding
    assert "each of 2 pods is being deleted and does not go (a: its finalizers hold it: x.io/y, z; its node" in finding.summary
    assert (finding.started_time, finding.failing_pods) == (ago(2000), ("a", "b"))


@pytest.mark.parametrize(
    ("gone", "nodes", "said"),
    [
        (leaving(), READY, "no finalizer of its own holds it; its node node-1 is Ready"),
        (leaving(), NO_SUCH_NODE, "no finalizer of its own holds it; its node node-1 is gone"),
        (leaving(node="", finalizers=("x",)), {}, "its finalizers hold it: x; it never got to a node"),
    ],
    ids=["the kubelet does not end it", "its node is gone", "it never ran"],
)
def test_where_it_hangs_is_said(gone, nodes, said):
    assert f"({said})" in detection(shop(gone), nodes=nodes).finding.summary


def test_it_is_given_ten_minutes_beyond_its_grace_period():
    facts = shop(leaving(overdue=599))
    seen = detection(facts)
    assert (seen.finding, seen.look_again) == (None, later(1))
    assert detection(facts, later(1)).finding.cause is Cause.STUCK_TERMINATING
    assert detection(facts, open_after_seconds={Cause.STUCK_TERMINATING: 60}).finding.open_time == ago(539)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
def test_it_hangs_although_its_workload_wants_no_pods_any_more(kind):
    finding = detection(shop(leaving(), kind=kind, desired=0, updated=0, ready=0, available=0)).finding
    assert finding.cause is Cause.STUCK_TERMINATING
    assert finding.summary.endswith("; none is wanted")


@pytest.mark.parametrize(
    ("facts", "nodes", "cause"),
    [
        pytest.param(shop(leaving(overdue=-30)), READY, None, id="its grace period runs"),
        pytest.param(shop(leaving(deletion_time=None)), READY, None, id="when it was to be gone is not known"),
        pytest.param(shop(leaving(finalizers=("x",))), LOST, None, id="its node is not Ready: the node is told of"),
        pytest.param(shop(leaving(finalizers=("x",))), {}, None, id="its node can't be seen"),
        pytest.param(shop(leaving(), deleting=True), READY, None, id="the workload is on its way out"),
        pytest.param(shop(leaving(), pod("b", "h2", crashing())), READY, Cause.CRASH_LOOP, id="another pod crashes: that is plainer"),
        pytest.param(
            rolling_facts(new_pod(crashing()), leaving()), READY, Cause.ROLLOUT_CRASH_LOOP, id="the newest revision crashes: that is plainer"
        ),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, nodes, cause):
    finding = detection(facts, nodes=nodes).finding
    assert (finding.cause if finding else None) is cause


def test_a_node_that_is_lost_is_asked_for_again_because_its_return_changes_no_pod():
    facts = shop(leaving())
    assert detection(facts, nodes=LOST).look_again == later(600)
    assert detection(facts, nodes=READY).look_again is None
