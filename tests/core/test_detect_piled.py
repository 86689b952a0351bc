"""Failed and evicted pods that nobody took away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, crashing, healthy_facts, later, pod

HOUR = 3600


def evicted(number: int, *, since: float = 2 * HOUR, reason: str = "Evicted", **changes):
    """A pod that the kubelet evicted so many seconds ago, after days of service."""
    defaults = {
        "phase": "Failed",
        "status_reason": reason,
        "ready": False,
        "ready_since": ago(since),
        "created_time": ago(since + 90_000),
        "node": "n",
    }
    return pod(f"checkout-h2-e{number}", "h2", **(defaults | changes))


def shop(*left, kind="Deployment", **changes):
    one = healthy_facts(kind, **changes)
    return replace(one, pods=(*one.pods, *left))


def detection(facts, now=NOON, **settings):
    return detect(facts, now, Settings(**settings), Surroundings())


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_five_that_are_old_are_a_pile(kind):
    left = [*(evicted(number, since=2 * HOUR - number) for number in range(4)), evicted(4, since=HOUR + 60, reason="NodeShutdown")]
    finding = detection(shop(*left, kind=kind)).finding
    assert finding.cause is Cause.FAILED_PODS_PILED_UP
    assert finding.summary == "checkout: each of 5 pods failed over an hour ago and is still there (Evicted 4, NodeShutdown 1); 3 of 3 are ready"
    assert (finding.accused_revision, len(finding.failing_pods)) == ("", 5)
    assert (finding.started_time, finding.open_time) == (ago(60), ago(60)), "when the fifth of them was old enough"


def test_it_is_looked_at_again_when_the_fifth_is_old_enough():
    facts = shop(*(evicted(number) for number in range(4)), evicted(4, since=HOUR - 10))
    seen = detection(facts)
    assert (seen.finding, seen.look_again) == (None, later(10))
    assert detection(facts, later(10)).finding.cause is Cause.FAILED_PODS_PILED_UP


def test_one_whose_failure_has_no_date_is_as_old_as_itself():
    undated = [evicted(number, ready_since=None, created_time=ago(HOUR - 10), status_reason="") for number in range(5)]
    assert detection(shop(*undated)).finding is None
    assert "(no reason given 5)" in detection(shop(*undated), later(10)).finding.summary


def test_the_policy_may_wait_longer():
    facts = shop(*(evicted(number) for number in range(5)))
    assert detection(facts, open_after_seconds={Cause.FAILED_PODS_PILED_UP: 7200}).finding.open_time == later(HOUR)


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(shop(*(evicted(number) for number in range(4))), None, id="four are evidence"),
        pytest.param(shop(*(evicted(number, since=600) for number in range(9))), None, id="they failed lately: somebody may look at them"),
        pytest.param(shop(*(evicted(number, phase="Running") for number in range(9))), None, id="they run"),
        pytest.param(shop(*(evicted(number, phase="Succeeded") for number in range(9))), None, id="they are done"),
        pytest.param(shop(*(evicted(number, deleting=True) for number in range(9))), None, id="they are on their way out"),
        pytest.param(shop(*(evicted(number, owner_uid="") for number in range(9))), None, id="nothing controls them"),
        pytest.param(shop(*(evicted(number, created_time=None, ready_since=None) for number in range(9))), None, id="how old they are is not told"),
        pytest.param(shop(*(evicted(number) for number in range(9)), deleting=True), None, id="the workload is on its way out"),
        pytest.param(shop(*(evicted(number) for number in range(9)), desired=0), None, id="the workload is switched off"),
        pytest.param(shop(*(evicted(number) for number in range(9)), pod("b", "h2", crashing())), Cause.CRASH_LOOP, id="another crashes: that hurts"),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, cause):
    finding = detection(facts).finding
    assert (finding.cause if finding else None) is cause
