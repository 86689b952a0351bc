"""Pods that no node takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.demands import Demands
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, asking, container, crashing, deadline_exceeded, healthy_facts, later, new_pod, pod, pods, rolling_facts

NO_ROOM = "0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."


def unplaced(name="checkout-h2-0", revision="h2", *, since=90, reason="Unschedulable", message=NO_ROOM, **changes):
    """A pod that the scheduler has looked at in vain for so long, as it stands in the API: no node, no container status, no Ready condition."""
    made = pod(name, revision, container())
    defaults = {"scheduled": False, "node": "", "phase": "Pending", "containers": (), "ready": False, "ready_since": None}
    said = {"unscheduled_reason": reason, "unschedulable_message": message, "created_time": ago(since)}
    return replace(made, **(defaults | said | changes))


def shop(*unplaced_pods, kind="Deployment", **changes):
    return replace(healthy_facts(kind, **({"ready": 2, "available": 2} | changes)), pods=(*unplaced_pods, *pods(3)[1:]))


def detection(facts, now=NOON, bare=False, **settings):
    return detect(facts, now, Settings(**settings), Surroundings(bare=bare))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_the_schedulers_word_is_quoted(kind):
    finding = detection(shop(unplaced(), kind=kind)).finding
    assert finding.cause is Cause.UNSCHEDULABLE
    assert finding.summary == f"checkout: pod checkout-h2-0 finds no node ({NO_ROOM}); 2 of 3 are ready"
    assert (finding.accused_revision, finding.failing_pods) == ("", ("checkout-h2-0",))
    assert (finding.started_time, finding.open_time) == (ago(90), ago(30))


def test_several_wait_since_the_oldest():
    finding = detection(shop(unplaced("b", since=20, message="other"), unplaced("a", since=70))).finding
    assert finding.summary.startswith(f"checkout: each of 2 pods finds no node ({NO_ROOM}); ")
    assert (finding.failing_pods, finding.open_time) == (("a", "b"), ago(10))


def test_it_opens_after_a_minute_and_says_when():
    seen = detection(shop(unplaced(since=20)))
    assert (seen.finding.open_time, seen.look_again) == (later(40), later(40))
    assert detection(shop(unplaced(since=20)), open_after_seconds={Cause.UNSCHEDULABLE: 600}).finding.open_time == later(580)


NOT_SELECTED = "node(s) didn't match Pod's node affinity/selector"
NOT_FREE = "node(s) were unschedulable"
HELPLESS = " no new claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
NODES_ARE = Demands(selection="s2"), Demands(selection="s1")
TAINTS_ARE = Demands(tolerations="t2"), Demands(tolerations="t1")


def verdict(*reasons):
    return f"0/3 nodes are available: {', '.join(reasons)}.{HELPLESS}"


def tainted(taint, count=1):
    return f"{count} node(s) had untolerated taint {{{taint}}}"


def misplaced(message, newest, before, *others, kind="Deployment", late=True, since=700, serving=3):
    """Revision 3 is being rolled out, and the scheduler says that of its pod; its time to make progress has passed, where it is `late`."""
    conditions = {"conditions": (deadline_exceeded(),)} if late and kind == "Deployment" else {}
    name, hash_ = "checkout-h3-a", "h3"
    waits = unplaced(name, hash_, since=since, message=message)
    facts = rolling_facts(waits, *others, kind=kind, created=since + 5, serving=serving, **conditions)
    return asking(facts, newest, before)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet"])
@pytest.mark.parametrize(
    ("message", "asked"),
    [
        pytest.param(verdict(f"3 {NOT_SELECTED}"), NODES_ARE, id="selector or affinity"),
        pytest.param(verdict(tainted("node-role.kubernetes.io/control-plane: "), f"2 {NOT_SELECTED}"), NODES_ARE, id="beside a control plane"),
        pytest.param(verdict("3 node(s) didn't match pod anti-affinity rules"), NODES_ARE, id="anti-affinity"),
        pytest.param(verdict("3 node(s) didn't match pod topology spread constraints (missing required label)"), NODES_ARE, id="spread"),
        pytest.param(verdict(tainted("example.com/team: red", 3)), TAINTS_ARE, id="a toleration is missing"),
        pytest.param(
            verdict(tainted("example.com/team: red"), f"2 {NOT_SELECTED}"), TAINTS_ARE, id="a toleration is missing, others are not selected"
        ),
        pytest.param(f"0/1 nodes are available: 1 {NOT_SELECTED}.", NODES_ARE, id="an older scheduler says no more"),
    ],
)
def test_what_the_newest_revision_brought_and_no_node_fits_accuses_it_once_its_time_has_passed(message, asked, kind):
    finding = detection(misplaced(message, *asked, kind=kind)).finding
    assert (finding.cause, finding.accused_revision) == (Cause.UNSCHEDULABLE, "h3")
    assert finding.summary.startswith("checkout: revision 3 finds no node (0/")
    early = detection(misplaced(message, *asked, kind=kind, late=False, since=500)).finding
    assert (early.cause, early.accused_revision) == (Cause.UNSCHEDULABLE, ""), "a node may be on its way"


def test_a_statefulset_is_looked_at_again_when_its_pod_has_waited_for_as_long_as_a_deadline():
    seen = detection(misplaced(verdict(f"3 {NOT_SELECTED}"), *NODES_ARE, kind="StatefulSet", since=500))
    assert seen.look_again == later(100)


@pytest.mark.parametrize(
    "facts",
    [
        pytest.param(misplaced(verdict(f"3 {NOT_SELECTED}"), NODES_ARE[0], NODES_ARE[0]), id="the revision before asks for the same nodes"),
        pytest.param(misplaced(verdict(f"3 {NOT_SELECTED}"), *TAINTS_ARE), id="what it brought is something else"),
        pytest.param(misplaced(verdict(f"2 {NOT_SELECTED}", "1 Insufficient cpu"), *NODES_ARE), id="one node fits and has no room"),
        pytest.param(misplaced(verdict("1 Insufficient cpu", f"2 {NOT_SELECTED}"), *NODES_ARE), id="the same, in another order"),
        pytest.param(misplaced(verdict(f"1 {NOT_FREE}", f"2 {NOT_SELECTED}"), *NODES_ARE), id="one node fits and is cordoned"),
        pytest.param(misplaced(verdict(tainted("example.com/team: red"), f"2 {NOT_SELECTED}"), *NODES_ARE), id="one node fits and bears a taint"),
        pytest.param(misplaced(verdict(tainted("node.kubernetes.io/unreachable: "), f"2 {NOT_SELECTED}"), *TAINTS_ARE), id="a node is lost"),
        pytest.param(misplaced(verdict(tainted("node-role.kubernetes.io/control-plane: ", 3)), *TAINTS_ARE), id="nothing but a control plane"),
        pytest.param(misplaced(verdict("3 node(s) had volume node affinity conflict"), *NODES_ARE), id="its volume is elsewhere"),
        pytest.param(misplaced("running PreBind plugin: timed out", *NODES_ARE), id="no verdict about nodes"),
        pytest.param(misplaced("", *NODES_ARE), id="nothing is said"),
        pytest.param(misplaced(verdict(f"3 {NOT_SELECTED}"), *NODES_ARE, kind="DaemonSet"), id="a DaemonSet's pod is for one node"),
        pytest.param(
            misplaced(verdict(f"3 {NOT_SELECTED}"), *NODES_ARE, unplaced(message=verdict(f"3 {NOT_SELECTED}"))),
            id="a pod of the revision before finds no node either",
        ),
        pytest.param(
            misplaced(verdict(f"3 {NOT_SELECTED}"), *NODES_ARE, unplaced("checkout-h3-b", "h3", since=700)), id="another pod waits for room"
        ),
        pytest.param(replace(misplaced(verdict(f"3 {NOT_SELECTED}"), *NODES_ARE, serving=0), pods=(unplaced("a", "h3"),)), id="none serves"),
    ],
)
def test_nobody_is_accused_of_what_the_newest_revision_did_not_bring_or_where_a_node_may_yet_take_it(facts):
    finding = detection(facts).finding
    assert (finding.cause, finding.accused_revision) == (Cause.UNSCHEDULABLE, "")


WANTED = (("example.com/disk", "fast"), ("zone", "b"))
LABELLED = Demands(selection="s2", node_selector=WANTED), Demands(selection="s1")
CORDONED = verdict(tainted("example.com/team: red"), f"1 {NOT_FREE}", f"1 {NOT_SELECTED}")


def test_labels_that_no_node_has_accuse_whatever_else_the_scheduler_says_of_a_node():
    finding = detection(misplaced(CORDONED, *LABELLED), bare=True).finding
    assert (finding.cause, finding.accused_revision) == (Cause.UNSCHEDULABLE, "h3")
    assert finding.summary.startswith(
        "checkout: revision 3 finds no node: none has example.com/disk=fast,zone=b (0/3 nodes are available: 1 node(s) "
    )
    assert detection(misplaced("", *LABELLED), bare=True).finding.summary.startswith(
        "checkout: revision 3 finds no node: none has example.com/disk=fast,zone=b; revision 2 "
    )


@pytest.mark.parametrize(
    ("facts", "bare"),
    [
        pytest.param(misplaced(CORDONED, *LABELLED), False, id="a node has them"),
        pytest.param(misplaced(CORDONED, *LABELLED, late=False), True, id="the node may be on its way"),
        pytest.param(misplaced(CORDONED, LABELLED[0], LABELLED[0]), True, id="the revision before asks for them, too"),
        pytest.param(misplaced(CORDONED, *LABELLED, serving=0), True, id="none serves"),
        pytest.param(misplaced(CORDONED, *LABELLED, kind="DaemonSet"), True, id="a DaemonSet's pod is for one node"),
        pytest.param(misplaced(CORDONED, *LABELLED, unplaced(message=CORDONED)), True, id="a pod of the revision before finds no node either"),
    ],
)
def test_labels_that_no_node_has_accuse_nobody_else(facts, bare):
    finding = detection(facts, bare=bare).finding
    assert (finding.cause, finding.accused_revision) == (Cause.UNSCHEDULABLE, "")


def test_in_a_rollout_it_accuses_nobody():
    facts = rolling_facts(unplaced("checkout-h3-a", "h3", since=70), created=75)
    finding = detection(facts).finding
    assert (finding.cause, finding.accused_revision) == (Cause.UNSCHEDULABLE, "")
    assert finding.summary.endswith("; revision 2 still serves 3 of 3")


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(shop(unplaced(reason="SchedulingGated", message="Scheduling is blocked")), None, id="a gate holds it back on purpose"),
        pytest.param(shop(unplaced(reason="", message="")), None, id="the scheduler has not looked at it"),
        pytest.param(shop(unplaced(reason="SchedulerError", message="x")), None, id="the scheduler failed"),
        pytest.param(shop(unplaced(deleting=True)), None, id="it is on its way out"),
        pytest.param(shop(unplaced(phase="Failed")), None, id="it failed for good"),
        pytest.param(shop(unplaced(), desired=0), None, id="it is scaled to nothing"),
        pytest.param(shop(unplaced(), deleting=True), None, id="the workload is on its way out"),
        pytest.param(shop(unplaced(), paused=True), Cause.UNSCHEDULABLE, id="paused"),
        pytest.param(shop(unplaced(), pod("b", "h2", crashing())), Cause.CRASH_LOOP, id="another pod crashes: that is plainer"),
        pytest.param(
            rolling_facts(unplaced("checkout-h3-a", "h3"), new_pod(crashing())), Cause.ROLLOUT_CRASH_LOOP, id="the newest revision crashes as well"
        ),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, cause):
    finding = detection(facts).finding
    assert (finding.cause if finding else None) is cause


def test_what_the_scheduler_does_not_say_is_not_made_up():
    assert detection(shop(unplaced(message=""))).finding.summary == "checkout: pod checkout-h2-0 finds no node; 2 of 3 are ready"
