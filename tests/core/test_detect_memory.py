"""Containers that are killed for memory although nothing was rolled out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import ROLLOUT_CAUSES, Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, crashing, healthy_facts, later, new_pod, pod, pods, rolling_facts, termination

OOM = termination(137, reason="OOMKilled")
KILLED = crashing(137, restarts=4, last_terminated=OOM)
RUNS_AGAIN = container(ready=False, restarts=2, running_since=ago(3), last_terminated=termination(137, reason="OOMKilled", ran=9000))


def found(facts, now=NOON):
    return detect(facts, now, Settings(), Surroundings()).finding


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize(
    ("one", "restarts"),
    [
        pytest.param(KILLED, 4, id="the kubelet backs off"),
        pytest.param(RUNS_AGAIN, 2, id="a leak: it ran for hours, and it is not the first time"),
        pytest.param(
            replace(KILLED, waiting_reason="", terminated=termination(1), last_terminated=OOM), 4, id="one of two known ends was for memory"
        ),
    ],
)
def test_a_second_kill_for_memory_without_a_rollout_is_found(kind, one, restarts):
    facts = replace(healthy_facts(kind), pods=(pod("checkout-h2-0", "h2", one), *pods(3)[1:]))
    finding = found(facts)
    assert finding.cause is Cause.OUT_OF_MEMORY
    assert finding.summary.startswith("checkout: pod checkout-h2-0 runs out of memory (OOMKilled, exit code 1")
    assert finding.summary.endswith("; 2 of 3 are ready")
    assert (finding.restarts, finding.failing_pods, finding.failing_container) == (restarts, ("checkout-h2-0",), "app")
    assert finding.accused_revision == "", "going back would not give it more memory"
    assert (finding.started_time, finding.open_time) == (ago(5), ago(5))


def test_it_is_the_more_specific_cause_where_other_pods_crash_otherwise():
    facts = replace(healthy_facts(), pods=(pod("a", "h2", KILLED), pod("b", "h2", crashing(1, restarts=9)), *pods(1)))
    assert (found(facts).cause, found(facts).failing_pods) == (Cause.OUT_OF_MEMORY, ("a",))


def test_it_holds_until_the_pod_was_ready_for_a_minute():
    up_again = container(restarts=2, running_since=ago(10), last_terminated=termination(137, reason="OOMKilled", finished=12))
    facts = replace(healthy_facts(), pods=(pod("a", "h2", up_again, ready_since=ago(8)), *pods(2)))
    detection = detect(facts, NOON, Settings(), Surroundings())
    assert detection.finding is not None
    assert detection.finding.cause is Cause.OUT_OF_MEMORY
    assert detection.look_again == later(52)
    assert found(facts, later(52)) is None


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(rolling_facts(new_pod(KILLED)), Cause.ROLLOUT_OUT_OF_MEMORY, id="the newest revision brought it"),
        pytest.param(
            replace(rolling_facts(new_pod(crashing(1))), pods=(pod("old", "h2", KILLED), *pods(2), new_pod(crashing(1)))),
            Cause.ROLLOUT_CRASH_LOOP,
            id="the newest revision fails: then the cause is the rollout, whatever old pods do",
        ),
        pytest.param(
            replace(rolling_facts(new_pod()), pods=(pod("old", "h2", KILLED), *pods(2), new_pod())),
            Cause.OUT_OF_MEMORY,
            id="an old pod, in a rollout",
        ),
        pytest.param(replace(healthy_facts(), pods=(pod("a", "h2", crashing(137)), *pods(2))), Cause.CRASH_LOOP, id="137, and not for memory"),
        pytest.param(
            replace(healthy_facts(), pods=(pod("a", "h2", replace(RUNS_AGAIN, restarts=1)), *pods(2))),
            None,
            id="the first kill is Kubernetes' to cure",
        ),
        pytest.param(replace(healthy_facts(), pods=(pod("a", "h2", KILLED, deleting=True), *pods(2))), None, id="the pod is on its way out"),
        pytest.param(
            replace(healthy_facts(), pods=(pod("a", "h2", KILLED, phase="Failed", status_reason="Evicted"), *pods(2))), None, id="the pod was evicted"
        ),
        pytest.param(replace(healthy_facts(), pods=(*pods(3), pod("left", "h1", KILLED))), None, id="a pod of a revision that is replaced"),
        pytest.param(replace(healthy_facts(desired=0), pods=(pod("a", "h2", KILLED),)), None, id="it is scaled to nothing"),
    ],
)
def test_nearly_the_same_is_another_cause_or_none(facts, cause):
    finding = found(facts)
    assert (finding.cause if finding else None) is cause


def test_a_paused_workload_is_found_all_the_same():
    facts = replace(healthy_facts(paused=True), pods=(pod("a", "h2", KILLED), *pods(2)))
    assert found(facts).cause is Cause.OUT_OF_MEMORY


def test_it_is_no_rollouts_doing():
    assert Cause.OUT_OF_MEMORY not in ROLLOUT_CAUSES
