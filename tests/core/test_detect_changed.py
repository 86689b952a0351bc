"""Pods that fail right after a ConfigMap that they read was changed, and what looks like it and is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from prunella.api.names import Cause
from prunella.core.configs import ConfigChange
from prunella.core.detect.detect import Settings, Surroundings, detect

from .builders import NOON, ago, container, crashing, healthy_facts, later, new_pod, pod, pods, rolling_facts


def changed(seconds: float = 60, *keys: str, good: float = 3600, name: str = "settings") -> ConfigChange:
    """A ConfigMap that was changed so many seconds before noon."""
    return ConfigChange(namespace="shop", name=name, keys=keys or ("mode",), changed_time=ago(seconds), good_time=ago(good))


def shop(*containers, **changes):
    """One of three pods shows this."""
    facts = healthy_facts()
    return replace(facts, pods=(pod("checkout-h2-0", "h2", *containers, **changes), *pods(3)[1:]))


def found(facts, *changes, now=NOON):
    return detect(facts, now, Settings(), Surroundings(config_changes=changes)).finding


def test_a_loop_that_began_after_the_change_accuses_it_by_its_keys():
    finding = found(shop(crashing()), changed(60, "mode", "url"))
    assert finding.cause is Cause.CONFIG_CHANGED
    assert finding.summary == (
        "checkout: pod checkout-h2-0 crash-loops (exit code 1) since ConfigMap settings was changed at 11:59:00 (keys mode, url); 2 of 3 are ready"
    )
    assert (finding.restarts, finding.accused_revision, finding.failing_pods) == (2, "", ("checkout-h2-0",))


@pytest.mark.parametrize(
    ("facts", "changes", "cause"),
    [
        pytest.param(shop(crashing()), (), Cause.CRASH_LOOP, id="nothing was changed"),
        pytest.param(shop(crashing()), (changed(20),), Cause.CRASH_LOOP, id="it had begun before"),
        pytest.param(shop(crashing(), ready_since=ago(3000)), (changed(60),), Cause.CRASH_LOOP, id="the pod had lost its Ready long before"),
        pytest.param(shop(crashing()), (changed(1830),), Cause.CONFIG_CHANGED, id="half an hour before"),
        pytest.param(shop(crashing()), (changed(1831),), Cause.CRASH_LOOP, id="longer than that before"),
        pytest.param(shop(crashing()), (changed(60, good=50),), Cause.CRASH_LOOP, id="it was healthy with it since"),
        pytest.param(
            replace(shop(crashing()), pods=(*shop(crashing()).pods[:2], pod("n", "h2", container(running_since=ago(50))))),
            (changed(60),),
            Cause.CRASH_LOOP,
            id="a pod that was started with it is well",
        ),
        pytest.param(rolling_facts(new_pod(crashing())), (changed(60),), Cause.ROLLOUT_CRASH_LOOP, id="a rollout is the nearer suspect"),
        pytest.param(shop(crashing()), (changed(10, name="late"), changed(60)), Cause.CONFIG_CHANGED, id="of two the one that was before"),
    ],
)
def test_only_what_came_before_and_not_long_before_is_accused(facts, changes, cause):
    assert found(facts, *changes).cause is cause


def test_of_two_that_were_before_the_newer_one_is_accused():
    assert "ConfigMap newer was" in found(shop(crashing()), changed(50, name="newer"), changed(60, name="older")).summary


def test_a_pod_that_lost_its_ready_after_the_change_gets_a_minute():
    facts = shop(container(ready=False), ready_since=ago(30), created_time=ago(7200))
    assert found(facts, changed(60)) is None
    again = detect(facts, NOON, Settings(), Surroundings(config_changes=(changed(60),))).look_again
    assert again == later(30)
    finding = found(facts, changed(60), now=NOON + timedelta(seconds=30))
    assert finding.cause is Cause.CONFIG_CHANGED
    assert finding.summary.startswith("checkout: pod checkout-h2-0 runs but is not Ready for 60 s since ConfigMap settings was changed")
    assert found(facts, now=NOON + timedelta(seconds=30)) is None, "without a change it is no finding"
