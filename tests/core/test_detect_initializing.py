"""Pods that don't get past an init container although nothing was rolled out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, continued, detect

from .builders import NOON, ago, container, crashing, deadline_exceeded, healthy_facts, later, new_pod, pod, pods, rolling_facts, termination, waiting
from .records import healthy_record

FAILS = (crashing(4, name="migrate", init=True, restarts=3), waiting("PodInitializing"))
LOOKING_AGAIN = (
    container("migrate", init=True, ready=False, running_since=ago(2), restarts=3, last_terminated=termination(4)),
    waiting("PodInitializing"),
)


def runs(seconds, **changes):
    """An init container that has been running for so long, and the container that waits for it."""
    return (container("wait", **({"init": True, "ready": False, "running_since": ago(seconds)} | changes)), waiting("PodInitializing"))


def one_of_three(*containers, kind="Deployment", **changes):
    return replace(healthy_facts(kind), pods=(pod("checkout-h2-0", "h2", *containers, **changes), *pods(3)[1:]))


def detection(facts, now=NOON, **surroundings):
    return detect(facts, now, Settings(), Surroundings(**surroundings))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(("containers", "started"), [(FAILS, ago(5)), (LOOKING_AGAIN, ago(5))], ids=["it backs off", "it runs again for a moment"])
def test_an_init_container_that_fails_again_and_again_is_named(kind, containers, started):
    finding = detection(one_of_three(*containers, kind=kind)).finding
    assert finding.cause is Cause.INIT_CONTAINER_FAILING
    assert finding.summary == "checkout: pod checkout-h2-0 fails in init container migrate (exit code 4); 2 of 3 are ready"
    assert (finding.failing_container, finding.restarts, finding.accused_revision) == ("migrate", 3, "")
    assert (finding.started_time, finding.open_time) == (started, started)


CLEANED_UP = (replace(LOOKING_AGAIN[0], last_terminated=None), LOOKING_AGAIN[1])
"""What the kubelet says of it for a moment once a minute."""


def test_one_that_runs_again_and_whose_last_end_is_cleaned_up_does_not_tell():
    seen = detection(one_of_three(*CLEANED_UP))
    assert (seen.finding, seen.settled, seen.untold, seen.look_again) == (None, False, ("checkout-h2-0",), later(58))
    assert detection(one_of_three(*CLEANED_UP), later(58)).settled


@pytest.mark.parametrize(
    "container",
    [
        container("migrate", init=True, ready=False, running_since=ago(2)),
        container("migrate", init=True, ready=False, running_since=None, restarts=3, terminated=termination(0)),
        waiting("PodInitializing", name="migrate", init=True, restarts=3),
    ],
    ids=["it was never restarted", "it is done", "it waits"],
)
def test_nothing_is_held_back_where_nothing_can_be_missing(container):
    seen = detection(one_of_three(container, waiting("PodInitializing")))
    assert (seen.settled, seen.untold) == (True, ())


def test_what_was_found_of_a_pod_that_does_not_tell_stands_and_nothing_else():
    before = detection(one_of_three(*LOOKING_AGAIN)).finding
    untold = detection(one_of_three(*CLEANED_UP))
    assert (continued(untold, before).finding, continued(untold, before).settled) == (before, True)
    other = replace(before, failing_pods=("checkout-h2-1",))
    assert continued(untold, other) == continued(untold, None) == untold, "of another pod, or by a process that has not seen it before"
    late = replace(untold, finding=replace(before, cause=Cause.ROLLOUT_NOT_READY), settled=True)
    assert continued(late, before).finding == before, "nor is it another fault for a moment"
    elsewhere = replace(late, finding=replace(late.finding, failing_pods=("checkout-h2-1",)))
    assert continued(elsewhere, before) == elsewhere, "but what others show is news"


@pytest.mark.parametrize(
    ("record", "patience"),
    [
        pytest.param(None, 600, id="nobody knows how long a healthy pod took"),
        pytest.param(healthy_record("h1", time_to_ready=90), 180, id="twice what a healthy pod took in all"),
        pytest.param(healthy_record("h1", time_to_ready=2), 60, id="a minute at least"),
    ],
)
def test_one_that_is_not_done_is_given_its_time(record, patience):
    early = one_of_three(*runs(patience - 1), ready_since=ago(patience))
    seen = detection(early, record=record)
    assert (seen.finding, seen.look_again) == (None, later(1))
    finding = detection(early, later(1), record=record).finding
    assert finding.cause is Cause.INIT_CONTAINER_FAILING
    summary = f"checkout: pod checkout-h2-0 waits for its init container wait, which is not done after {patience} s; 2 of 3 are ready"
    assert finding.summary.startswith(summary)
    assert (finding.started_time, finding.open_time, finding.failing_container) == (ago(patience - 1), later(1), "wait")


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(rolling_facts(new_pod(*FAILS)), Cause.ROLLOUT_CRASH_LOOP, id="in the newest revision it is the rollout"),
        pytest.param(
            rolling_facts(new_pod(*runs(700), ready_since=ago(700)), conditions=(deadline_exceeded(),)),
            Cause.ROLLOUT_NOT_READY,
            id="in the newest revision it is not Ready in time",
        ),
        pytest.param(one_of_three(*runs(5000, sidecar=True)), None, id="a sidecar is meant to run"),
        pytest.param(one_of_three(*runs(5000, ready=True, running_since=None, terminated=termination(0))), None, id="it is done"),
        pytest.param(one_of_three(*runs(5000), deleting=True), None, id="the pod is on its way out"),
        pytest.param(one_of_three(*runs(5000), phase="Failed"), None, id="the pod failed for good"),
        pytest.param(one_of_three(*runs(5000), scheduled=False, node=""), None, id="the pod is on no node"),
        pytest.param(
            one_of_three(*runs(30, restarts=1, last_terminated=termination(1, ran=5000))), None, id="it failed once: that is Kubernetes' own to cure"
        ),
        pytest.param(one_of_three(crashing(1), container("proxy", init=True, sidecar=True)), Cause.CRASH_LOOP, id="not the init container crashes"),
        pytest.param(
            one_of_three(crashing(137, name="migrate", init=True, last_terminated=termination(137, reason="OOMKilled")), waiting("PodInitializing")),
            Cause.OUT_OF_MEMORY,
            id="it is killed for memory",
        ),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, cause):
    finding = detection(facts).finding
    assert (finding.cause if finding else None) is cause


def test_an_old_pod_that_waits_during_a_rollout_is_found():
    facts = rolling_facts(new_pod())
    old = pod("old", "h2", *runs(900), ready_since=ago(900))
    finding = detection(replace(facts, pods=(*facts.pods, old))).finding
    assert (finding.cause, finding.failing_pods) == (Cause.INIT_CONTAINER_FAILING, ("old",))
