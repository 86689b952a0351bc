"""Containers that are ended from outside again and again, as a failed probe does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import Cause
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, crashing, healthy_facts, later, new_pod, pod, pods, rolling_facts, termination

PROBED = {"app": 20}
"""A liveness probe with the API server's defaults."""


def killed(exit_code=137, *, ran=31.0, **changes):
    last = termination(exit_code, reason="Error", ran=ran)
    return crashing(exit_code, **({"restarts": 3, "last_terminated": last} | changes))


def shop(*containers, kind="Deployment", probes=None, **changes):
    facts = healthy_facts(kind, probe_kills=PROBED if probes is None else probes)
    return replace(facts, pods=(pod("checkout-h2-0", "h2", *containers, **changes), *pods(3)[1:]))


def found(facts, now=NOON):
    return detect(facts, now, Settings(), Surroundings()).finding


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
@pytest.mark.parametrize("exit_code", [137, 143])
def test_a_container_with_a_probe_that_is_ended_by_a_signal_again_and_again(kind, exit_code):
    finding = found(shop(killed(exit_code), kind=kind))
    assert finding.cause is Cause.LIVENESS_KILLS
    assert finding.summary == (
        f"checkout: pod checkout-h2-0 is ended from outside again and again (exit code {exit_code} after 31 s; "
        "a failed probe ends it after 20 s at the earliest); 2 of 3 are ready"
    )
    assert (finding.restarts, finding.failing_container, finding.accused_revision) == (3, "app", "")
    assert (finding.started_time, finding.open_time) == (ago(5), ago(5))


def test_the_container_is_named_where_there_are_several():
    assert "(container app, exit code 137 after 31 s;" in found(shop(killed(), container("proxy"))).summary


@pytest.mark.parametrize(
    ("facts", "cause"),
    [
        pytest.param(shop(killed(), probes={}), Cause.CRASH_LOOP, id="it has no probe"),
        pytest.param(shop(killed(), probes={"proxy": 20}), Cause.CRASH_LOOP, id="another container has one"),
        pytest.param(shop(killed(1)), Cause.CRASH_LOOP, id="it ended itself"),
        pytest.param(shop(killed(0)), Cause.CRASH_LOOP, id="it ended with 0"),
        pytest.param(shop(killed(ran=18)), Cause.CRASH_LOOP, id="it did not run long enough for the probe to fail"),
        pytest.param(shop(killed(ran=19)), Cause.LIVENESS_KILLS, id="it did, in whole seconds"),
        pytest.param(shop(killed(terminated=termination(1, finished=2))), Cause.CRASH_LOOP, id="one of two ends was its own"),
        pytest.param(shop(killed(last_terminated=replace(termination(137), started_time=None))), Cause.CRASH_LOOP, id="how long it ran is not told"),
        pytest.param(shop(killed(last_terminated=termination(137, reason="OOMKilled", ran=31))), Cause.OUT_OF_MEMORY, id="it was for memory"),
        pytest.param(
            shop(container(ready=False, restarts=1, running_since=ago(3), last_terminated=termination(137, ran=31))), None, id="once: nothing loops"
        ),
        pytest.param(shop(killed(), deleting=True), None, id="the pod is on its way out"),
        pytest.param(rolling_facts(new_pod(killed()), probe_kills=PROBED), Cause.ROLLOUT_CRASH_LOOP, id="in the newest revision it is the rollout"),
        pytest.param(
            replace(rolling_facts(new_pod(), probe_kills=PROBED), pods=(pod("old", "h2", killed()), *pods(2), new_pod())),
            Cause.CRASH_LOOP,
            id="an old pod in a rollout: the template says nothing about its probes",
        ),
    ],
)
def test_all_of_the_evidence_or_another_cause(facts, cause):
    finding = found(facts)
    assert (finding.cause if finding else None) is cause


def test_it_holds_until_the_pod_was_ready_for_a_minute():
    up_again = container(restarts=3, running_since=ago(10), last_terminated=termination(143, finished=12, ran=31))
    facts = shop(up_again, ready_since=ago(9))
    assert found(facts).cause is Cause.LIVENESS_KILLS
    assert found(facts, later(51)) is None
