"""Pods that no node takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, crashing, healthy_facts, later, new_pod, pod, pods, rolling_facts

NO_ROOM = "0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod."


def unplaced(name="checkout-h2-0", revision="h2", *, since=90, reason="Unschedulable", message=NO_ROOM, **changes):
    """A pod that the scheduler has looked at in vain for so long, as it stands in the API: no node, no container status, no Ready condition."""
    made = pod(name, revision, container())
    defaults = {"scheduled": False, "node": "", "phase": "Pending", "containers": (), "ready": False, "ready_since": None}
    said = {"unscheduled_reason": reason, "unschedulable_message": message, "created_time": ago(since)}
    return replace(made, **(defaults | said | changes))


def shop(*unplaced_pods, kind="Deployment", **changes):
    return replace(healthy_facts(kind, **({"ready": 2, "available": 2} | changes)), pods=(*unplaced_pods, *pods(3)[1:]))


def detection(facts, now=NOON, **settings):
    return detect(facts, now, Settings(**settings), Surroundings())


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
