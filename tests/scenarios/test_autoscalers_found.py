"""An autoscaler that has long not known what to want is told; one that has long not had what it wants may go higher once that is approved."""

from __future__ import annotations

import pytest
from tests.harness import approving, etcd, metrics_api, to_people, workloads
from tests.harness.arena import Arena
from tests.harness.instants import now
from tests.harness.waiting import wait_for

from prunella.api.marks import TEMPORARY_ANNOTATION


def says(arena: Arena, name: str, condition: str, status: str) -> bool:
    """Whether the controller of autoscalers says that of one."""
    found = arena.api.get("HorizontalPodAutoscaler", name, arena.namespace).get("status", {}).get("conditions", [])
    return any(one["type"] == condition and one["status"] == status for one in found)


def bounds(arena: Arena, name: str) -> tuple[int, int]:
    spec = arena.api.get("HorizontalPodAutoscaler", name, arena.namespace)["spec"]
    return spec["minReplicas"], spec["maxReplicas"]


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
@pytest.mark.timeout(700, func_only=True)
def test_an_autoscaler_that_has_long_been_at_its_maximum_goes_higher_for_a_while_once_that_is_approved(arena, tmp_path):
    """By its real controller, which is told of a queue for which five replicas are needed."""
    arena.api.apply(approving.approvers(arena.namespace))
    good = arena.start(workloads.deployment("busy", arena.namespace))
    instant = now()
    with metrics_api.serving(arena, "45", tmp_path):
        made = workloads.autoscaler("busy-hpa", arena.namespace, "busy", 1, 3)
        target = {"type": "AverageValue", "averageValue": "10"}
        made["spec"]["metrics"] = [{"type": "External", "external": {"metric": {"name": metrics_api.METRIC}, "target": target}}]
        arena.api.apply(made)

        def at_maximum() -> bool:
            full = arena.api.get("Deployment", "busy", arena.namespace)["status"].get("readyReplicas") == 3
            return full and says(arena, "busy-hpa", "ScalingLimited", "True")

        wait_for(at_maximum, 120, "it is at its maximum", seen=lambda: conditions(arena, "busy-hpa"))
        etcd.age(arena.api, "HorizontalPodAutoscaler", "busy-hpa", arena.namespace, etcd.LASTED)
        name, runbook = "autoscaler at its maximum, raised", "raise-autoscaler-maximum"
        incident = approving.asks(arena, "busy-hpa", "AutoscalerAtMaximum", runbook, name=name, since=instant)
        assert "Deployment busy needs more than the 3 replicas that it may have" in incident["status"]["summary"]
        assert bounds(arena, "busy-hpa") == (1, 3)
        approved = approving.approve(arena, incident)
        approving.healed(arena, incident, good, approved, ["horizontalpodautoscalers"], name=name, seconds=300, replicas=5)
        assert bounds(arena, "busy-hpa") == (1, 5)
        marks = arena.api.get("HorizontalPodAutoscaler", "busy-hpa", arena.namespace)["metadata"]["annotations"]
        assert TEMPORARY_ANNOTATION in marks, "it is for a while, and says until when"
