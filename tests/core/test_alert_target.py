"""What an alert is about."""

from __future__ import annotations

import pytest

from prunella.api.common import ObjectRef
from prunella.core.incident.alert_target import AlertTarget, alert_target

from .incident_builders import alert

OWNERS = {
    ("shop", "checkout-7c9d-x1"): ("Deployment", "checkout"),
    ("monitoring", "kube-state-metrics-0"): ("StatefulSet", "kube-state-metrics"),
    ("shop", "exporter-0"): ("StatefulSet", "team-kube-state-metrics"),
    ("shop", "orphan-1"): ("Deployment", "deleted"),
}
WORKLOADS = {
    ("Deployment", "shop", "checkout"): "u-1",
    ("StatefulSet", "shop", "ledger"): "u-2",
    ("DaemonSet", "shop", "agent"): "u-3",
    ("StatefulSet", "monitoring", "kube-state-metrics"): "u-4",
    ("StatefulSet", "shop", "team-kube-state-metrics"): "u-5",
}


def resolve(looked_up=None, **labels) -> AlertTarget:
    def uid(kind, namespace, name):
        if looked_up is not None:
            looked_up.append((kind, namespace, name))
        return WORKLOADS.get((kind, namespace, name))

    def owner(namespace, pod):
        if looked_up is not None:
            looked_up.append((namespace, pod))
        return OWNERS.get((namespace, pod))

    return alert_target(
        alert(labels={"alertname": "Broken"} | labels),
        owner_of_pod=owner,
        workload_uid=uid,
        namespace_exists=lambda name: name in {"shop", "monitoring"},
        operator_namespace="prunella-system",
    )


def workload(kind: str, name: str, uid: str, namespace: str = "shop") -> ObjectRef:
    return ObjectRef(api_version="apps/v1", kind=kind, namespace=namespace, name=name, uid=uid)


@pytest.mark.parametrize(
    ("labels", "ref", "why"),
    [
        ({"deployment": "checkout"}, workload("Deployment", "checkout", "u-1"), "the label deployment=checkout names it"),
        ({"statefulset": "ledger"}, workload("StatefulSet", "ledger", "u-2"), "the label statefulset=ledger names it"),
        ({"daemonset": "agent"}, workload("DaemonSet", "agent", "u-3"), "the label daemonset=agent names it"),
        ({"pod": "checkout-7c9d-x1"}, workload("Deployment", "checkout", "u-1"), "it owns the pod checkout-7c9d-x1"),
        (
            {"deployment": "gone", "pod": "checkout-7c9d-x1"},
            workload("Deployment", "checkout", "u-1"),
            "it owns the pod checkout-7c9d-x1",
        ),
        (
            {"deployment": "checkout", "pod": "kube-state-metrics-0", "job": "kube-state-metrics"},
            workload("Deployment", "checkout", "u-1"),
            "the label deployment=checkout names it",
        ),
    ],
    ids=[
        "deployment",
        "statefulset",
        "daemonset",
        "pod",
        "the label's workload is gone, the pod's is there",
        "C37 workload label before the exporter",
    ],
)
def test_the_labels_name_the_workload(labels, ref, why):
    assert resolve(namespace="shop", **labels) == AlertTarget(ref=ref, why=why)


@pytest.mark.parametrize(
    ("labels", "namespace", "name", "why"),
    [
        ({"namespace": "monitoring", "pod": "kube-state-metrics-0"}, "monitoring", "broken", "which only reports"),
        ({"namespace": "shop", "pod": "exporter-0"}, "shop", "broken", "its labels name no workload that is there"),
        ({"namespace": "shop", "pod": "orphan-1"}, "shop", "broken", "its labels name no workload that is there"),
        ({"namespace": "shop", "pod": "unknown"}, "shop", "broken", "its labels name no workload that is there"),
        ({"namespace": "shop", "service": "checkout"}, "shop", "broken.checkout", "its labels name no workload that is there"),
        ({"namespace": "shop", "service": "kube-state-metrics"}, "shop", "broken", "its labels name no workload that is there"),
        ({"namespace": "nowhere", "deployment": "checkout"}, "prunella-system", "broken", "names no namespace of this cluster"),
        ({"deployment": "checkout"}, "prunella-system", "broken", "has no label namespace"),
    ],
    ids=[
        "C37 the pod is kube-state-metrics",
        "C37 the owner is kube-state-metrics",
        "the owner is gone",
        "no such pod",
        "a service is no workload",
        "C37 the service is the exporter's",
        "no such namespace",
        "no namespace",
    ],
)
def test_what_names_no_workload_stands_for_itself_and_is_flagged(labels, namespace, name, why):
    found = resolve(**labels)
    assert found.by_itself
    assert found.ref == ObjectRef(api_version="prunella.dev/v1alpha1", kind="Alert", namespace=namespace, name=name)
    assert why in found.why


def test_c36_an_alert_of_a_deleted_pod_has_the_same_target_by_the_cache():
    assert resolve(namespace="shop", pod="checkout-7c9d-x1").ref == resolve(namespace="shop", deployment="checkout").ref


@pytest.mark.parametrize(
    "evil",
    ["../../secrets", "checkout/../ledger", "Checkout", "a" * 254, "checkout\n", "-checkout", "checkout?fieldSelector=x", "ünïcode"],
    ids=["traversal", "slash", "capitals", "too long", "line feed", "dash first", "query", "unicode"],
)
def test_a_name_that_is_none_is_never_looked_up(evil):
    looked_up: list[tuple[str, ...]] = []
    found = resolve(looked_up, namespace="shop", deployment=evil, pod=evil)
    assert looked_up == []
    assert found.by_itself


@pytest.mark.parametrize("evil", ["../kube-system", "a" * 64, "shop.evil", "", "SHOP"], ids=["traversal", "too long", "dotted", "empty", "capitals"])
def test_a_namespace_that_is_none_is_never_used(evil):
    looked_up: list[tuple[str, ...]] = []
    assert resolve(looked_up, namespace=evil, deployment="checkout").ref.namespace == "prunella-system"
    assert looked_up == []


@pytest.mark.parametrize(
    ("alertname", "start"),
    [("KubePodCrashLooping", "kubepodcrashlooping"), ("Größe zu hoch!", "gr-e-zu-hoch-"), ("!!!", "alert-"), ("x" * 500, "x" * 100 + "-")],
    ids=["capitals", "unicode", "nothing left", "long"],
)
def test_an_alerts_own_identity_is_a_name_that_kubernetes_takes(alertname, start):
    name = resolve(alertname=alertname).ref.name
    assert name.startswith(start)
    assert len(name) <= 206
    assert name == name.lower()


def test_two_alerts_whose_names_look_alike_when_cleaned_stay_apart():
    assert resolve(alertname="a b").ref.name != resolve(alertname="a_b").ref.name


def test_an_alert_without_a_name_is_not_lost():
    found = alert_target(
        alert(labels={"severity": "page"}),
        owner_of_pod=lambda namespace, pod: None,
        workload_uid=lambda kind, namespace, name: None,
        namespace_exists=lambda name: True,
        operator_namespace="prunella-system",
    )
    assert found.ref.name == "unnamed"
