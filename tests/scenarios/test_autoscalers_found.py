"""Autoscalers that may not do what they want, or don't know what to want, are told: by day they are made to have been so for long."""

from __future__ import annotations

import pytest
from tests.harness import etcd, metrics_api, to_people, workloads
from tests.harness.arena import Arena
from tests.harness.instants import now
from tests.harness.waiting import wait_for


def says(arena: Arena, name: str, condition: str, status: str) -> bool:
    """Whether the controller of autoscalers says that of one."""
    found = arena.api.get("HorizontalPodAutoscaler", name, arena.namespace).get("status", {}).get("conditions", [])
    return any(one["type"] == condition and one["status"] == status for one in found)


def conditions(arena: Arena, name: str) -> object:
    return arena.api.get("HorizontalPodAutoscaler", name, arena.namespace).get("status")


def test_an_autoscaler_that_has_read_no_metrics_for_long_is_told(arena):
    to_people.pages_soon(arena)
    arena.start(workloads.deployment("unseen", arena.namespace))
    instant = now()
    arena.api.apply(workloads.autoscaler("unseen-hpa", arena.namespace, "unseen", 1, 5))
    wait_for(lambda: says(arena, "unseen-hpa", "ScalingActive", "False"), 90, "it is blind", seen=lambda: conditions(arena, "unseen-hpa"))
    etcd.age(arena.api, "HorizontalPodAutoscaler", "unseen-hpa", arena.namespace, etcd.LASTED)
    what = "it can't tell how many replicas Deployment unseen needs"
    to_people.found(arena, "unseen-hpa", "AutoscalerBlind", name="an autoscaler has long been blind", says=what, since=instant)


@pytest.mark.nightly
def test_an_autoscaler_that_has_been_at_its_maximum_for_long_is_told_and_keeps_its_bounds(arena, tmp_path):
    """By its real controller, which is told of a queue that no number of replicas would empty."""
    to_people.pages_soon(arena)
    arena.start(workloads.deployment("busy", arena.namespace))
    instant = now()
    with metrics_api.serving(arena, "1000", tmp_path):
        made = workloads.autoscaler("busy-hpa", arena.namespace, "busy", 1, 3)
        target = {"type": "AverageValue", "averageValue": "10"}
        made["spec"]["metrics"] = [{"type": "External", "external": {"metric": {"name": metrics_api.METRIC}, "target": target}}]
        arena.api.apply(made)

        def at_maximum() -> bool:
            full = arena.api.get("Deployment", "busy", arena.namespace)["status"].get("readyReplicas") == 3
            return full and says(arena, "busy-hpa", "ScalingLimited", "True")

        wait_for(at_maximum, 120, "it is at its maximum", seen=lambda: conditions(arena, "busy-hpa"))
        etcd.age(arena.api, "HorizontalPodAutoscaler", "busy-hpa", arena.namespace, etcd.LASTED)
        what = "Deployment busy needs more than the 3 replicas that it may have"
        to_people.found(arena, "busy-hpa", "AutoscalerAtMaximum", name="an autoscaler has long been at its maximum", says=what, since=instant)
        spec = arena.api.get("HorizontalPodAutoscaler", "busy-hpa", arena.namespace)["spec"]
        assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 3)
