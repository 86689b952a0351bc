"""What only an alert tells reaches the right object and the right people, and nothing is done on an alert's word alone.

The alerts are real, through the box's Alertmanager; what they tell of is not made where nothing in a box could be made to fail this way.
"""

from __future__ import annotations

from datetime import datetime

import pytest
from tests.harness import prometheus, story, to_people, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.instants import now
from tests.harness.waiting import holds_for

LABELS: dict[str, dict[str, str]] = {
    "memory leak": {"alertname": "MemoryGrowsWithoutEnd", "deployment": "told"},
    "claim nearly full": {"alertname": "KubePersistentVolumeFillingUp", "persistentvolumeclaim": "told"},
    "certificate expires": {"alertname": "CertManagerCertExpirySoon", "name": "shop-tls"},
    "cluster DNS fails": {"alertname": "CoreDNSErrorsHigh", "deployment": "told"},
}


def claim(namespace: str) -> Object:
    """A claim of no class: no volume is made for it, and nobody complains."""
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "", "resources": {"requests": {"storage": "1Gi"}}}
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "told", "namespace": namespace}, "spec": spec}


@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS.keys())
def test_an_alert_that_nothing_mends_is_told_and_left_to_people(arena: Arena, labels, request):
    to_people.pages_soon(arena)
    if "deployment" in labels:
        arena.start(workloads.deployment("told", arena.namespace))
    if "persistentvolumeclaim" in labels:
        arena.api.apply(claim(arena.namespace))
        arena.nothing_happens(5)
    fired = {**labels, "severity": "critical", "namespace": arena.namespace}
    instant = now()
    prometheus.alertmanager_fire(fired)
    try:
        target = labels["alertname"].lower() if "name" in labels else "told"
        name = f"told by an alert: {request.node.callspec.id}"
        incident = to_people.found(arena, target, "Alert", name=name, says=labels["alertname"], since=instant)
        assert len(arena.incidents()) == 1
        story.conventions(incident)
    finally:
        prometheus.alertmanager_fire(fired, ends=now())


ASKED = {"CPUThrottlingHigh": "scale-out-throttled-workload", "ShopErrorBudgetBurn": "roll-back-when-errors-burn"}
"""Alert → the Runbook that ships for it."""
HELD = "2m"
"""For how long a condition holds before its alert fires: no shorter rule is acted on. With the minute of the dwell it is what takes long here."""
BURNS = {"limits": {"cpu": "50m"}, "requests": {"cpu": "5m"}}


def burning(namespace: str) -> Object:
    """A workload that serves, beside a container that wants all the processor time there is and may have a twentieth of one."""
    made = workloads.deployment("busy", namespace)
    burner = workloads.container(command=workloads.shell("while :; do :; done"), name="burner", readinessProbe=None, resources=BURNS)
    return workloads.with_pod_spec(made, containers=[*made["spec"]["template"]["spec"]["containers"], burner])


def throttled(namespace: str) -> str:
    """The share of its periods in which a container was held back, as the kubelet's own metrics tell it: of those above a quarter."""
    periods = 'sum by (namespace, pod, container) (increase(container_cpu_cfs_{}_total{{namespace="{}", container!=""}}[1m]))'
    return f"{periods.format('throttled_periods', namespace)} / {periods.format('periods', namespace)} > 0.25"


@pytest.mark.timeout(480, func_only=True)
def test_containers_that_their_cpu_limit_holds_back_are_told_by_the_metrics_and_more_replicas_asked_for(arena: Arena):
    """Nothing is made up: the limit is real, and the alert names the pods alone."""
    to_people.pages_soon(arena)
    arena.start(burning(arena.namespace))
    instant = now()
    prometheus.add_rule(arena.installation.state, arena.namespace, "CPUThrottlingHigh", throttled(arena.namespace), HELD, {"severity": "warning"})
    asked(arena, "CPUThrottlingHigh", instant)
    held_back = prometheus.query(throttled(arena.namespace))
    assert {one["metric"]["container"] for one in held_back} == {"burner"}


@pytest.mark.timeout(480, func_only=True)
def test_a_rollback_is_asked_for_where_errors_burn_the_budget_after_a_rollout(arena: Arena):
    to_people.pages_soon(arena)
    made = workloads.deployment("busy", arena.namespace)
    arena.start(made)
    arena.proven("Deployment", "busy", arena.roll_out(workloads.respun(made, "2")))
    labels = {"severity": "warning", "namespace": arena.namespace, "deployment": "busy"}
    instant = now()
    prometheus.add_rule(arena.installation.state, arena.namespace, "ShopErrorBudgetBurn", "vector(1)", HELD, labels)
    asked(arena, "ShopErrorBudgetBurn", instant)


def asked(arena: Arena, alertname: str, since: datetime) -> None:
    """What the Runbook of the alert would do is asked of people, and nothing is done before."""
    before = arena.api.get("Deployment", "busy", arena.namespace)["metadata"]["generation"]
    incident = story.left_alone(arena, "busy", to_people.ASKS, name=f"asked: {alertname}", cause="Alert", seconds=360, since=since)
    assert ASKED[alertname] in [one["about"] for one in incident["status"]["decisions"]]
    [attempt] = arena.remediations(incident)
    assert (attempt["spec"]["mode"], attempt["status"]["phase"]) == ("Approve", "Pending")

    def untouched() -> bool:
        return bool(arena.api.get("Deployment", "busy", arena.namespace)["metadata"]["generation"] == before)

    holds_for(untouched, 15, "nothing is done before somebody approves", interval=1)
