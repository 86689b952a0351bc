"""What is no workload is found as well, named, and left to people: a page that says what is wrong, and no write.

What takes a quarter of an hour until it counts as a fault runs by night, beside the others.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.harness import certificates, etcd, story, to_people, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition
from tests.harness.installation import kubectl
from tests.harness.instants import now, text
from tests.harness.waiting import wait_for

QUARTER = 1200
"""Seconds: the fifteen minutes that such a fault must hold, and what finding it may take on a busy machine."""
ONCE_ONLY = "PreconditionFalse"
"""Nobody has said that it may run twice."""
FAILS = ["sh", "-c", "echo 'no such table: orders' >&2; exit 3"]


def job_spec() -> Object:
    """A Job that fails at its first try."""
    pod = workloads.template("import", workloads.container(command=FAILS, readinessProbe=None), restartPolicy="Never")
    return {"backoffLimit": 0, "template": pod}


def of(kind: str, api_version: str, name: str, arena: Arena, **body: object) -> Object:
    """An object of the scenario's namespace."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": arena.namespace}, **body}


def test_a_job_that_failed_is_told_with_its_reason(arena):
    to_people.pages_soon(arena)
    instant = now()
    arena.api.apply(of("Job", "batch/v1", "import", arena, spec=job_spec()))
    says = "the Job failed (BackoffLimitExceeded"
    to_people.found(arena, "import", "JobFailed", name="a Job fails", says=says, since=instant, reason=ONCE_ONLY)


@pytest.mark.nightly
@pytest.mark.timeout(600, func_only=True)
def test_a_cron_job_whose_runs_fail_in_a_row_is_one_incident(arena):
    to_people.pages_soon(arena)
    instant = now()
    spec = {"schedule": "* * * * *", "failedJobsHistoryLimit": 3, "jobTemplate": {"spec": job_spec()}}
    arena.api.apply(of("CronJob", "batch/v1", "nightly", arena, spec=spec))
    incident = arena.incident("nightly", seconds=120)
    arena.when(incident, lambda one: one["status"]["cause"] == "CronJobFailing", "three runs failed", seconds=300)
    says, first = "its last 3 runs failed", "its last run failed"  # which called its people
    to_people.found(arena, "nightly", "CronJobFailing", name="a CronJob fails", says=says, since=instant, reason=ONCE_ONLY, paged=first)
    assert len(arena.incidents()) == 1, "not one for each run"


def test_a_claim_of_a_class_that_is_not_there_is_told(arena):
    to_people.pages_soon(arena)
    instant = now()
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "no-such-class", "resources": {"requests": {"storage": "1Gi"}}}
    arena.api.apply(of("PersistentVolumeClaim", "v1", "data", arena, spec=spec))
    says = 'storageclass.storage.k8s.io "no-such-class" not found'
    to_people.found(arena, "data", "VolumeClaimPending", name="a claim without a class", says=says, since=instant, seconds=180)


def test_a_service_whose_selector_was_edited_answers_nobody_and_is_told(arena):
    to_people.pages_soon(arena)
    arena.start(workloads.deployment("web", arena.namespace))
    arena.api.apply(of("Service", "v1", "web", arena, spec={"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}))
    arena.witness.watch("EndpointSlice")

    def endpoints(ready: bool) -> bool:
        found = [one for piece in arena.witness.current("EndpointSlice") for one in piece.get("endpoints") or []]
        return bool(found) is ready

    wait_for(lambda: endpoints(True), 30, "it has endpoints")
    arena.nothing_happens(5)
    instant = now()
    arena.api.patch("Service", "web", {"spec": {"selector": {"app": "wbe"}}}, arena.namespace)
    wait_for(lambda: endpoints(False), 30, "it has none any more")
    says = "no pod bears the labels that it selects (app=wbe)"
    to_people.found(arena, "web", "ServiceWithoutEndpoints", name="a Service selects nothing", says=says, since=instant, seconds=150)
    mended = now()
    arena.api.patch("Service", "web", {"spec": {"selector": {"app": "web"}}}, arena.namespace)
    wait_for(lambda: endpoints(True), 30, "it answers again")
    assert arena.foreign_writes() == []
    assert mended > instant


@pytest.mark.nightly
@pytest.mark.timeout(QUARTER + 120, func_only=True)
def test_a_budget_that_permits_no_eviction_at_all_is_told(arena):
    to_people.pages_soon(arena)
    arena.start(workloads.deployment("pinned", arena.namespace))
    spec = {"minAvailable": 2, "selector": {"matchLabels": {"app": "pinned"}}}
    instant = now()
    arena.api.apply(of("PodDisruptionBudget", "policy/v1", "pinned-budget", arena, spec=spec))
    says = "it permits no eviction although all 2 of its pods are healthy"
    to_people.found(arena, "pinned-budget", "DisruptionBudgetDeadlock", name="a budget permits nothing", says=says, since=instant, seconds=QUARTER)


@pytest.mark.nightly
@pytest.mark.timeout(QUARTER + 120, func_only=True)
def test_an_autoscaler_that_reads_no_metrics_is_told_and_its_replicas_are_nobodys_to_set(arena):
    to_people.pages_soon(arena)
    good = arena.start(workloads.deployment("unmeasured", arena.namespace))
    instant = now()
    arena.api.apply(workloads.autoscaler("unmeasured-hpa", arena.namespace, "unmeasured", 1, 5))
    says = "it can't tell how many replicas Deployment unmeasured needs"
    to_people.found(arena, "unmeasured-hpa", "AutoscalerBlind", name="an autoscaler is blind", says=says, since=instant, seconds=QUARTER)
    assert arena.api.get("Deployment", "unmeasured", arena.namespace)["spec"]["replicas"] == good.replicas


@pytest.mark.nightly
@pytest.mark.timeout(QUARTER, func_only=True)
def test_a_claim_that_a_finalizer_holds_is_told_with_the_finalizer_and_keeps_it(arena):
    to_people.pages_soon(arena)
    made = of("PersistentVolumeClaim", "v1", "held", arena, spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
    made["metadata"]["finalizers"] = ["example.com/backup"]
    arena.api.apply(made)
    instant = now()
    kubectl("delete", "pvc", "held", "-n", arena.namespace, "--wait=false")
    try:
        says = "its finalizers hold it: example.com/backup"
        to_people.found(arena, "held", "StuckTerminating", name="a claim does not go", says=says, since=instant, seconds=900)
        live = arena.api.get("PersistentVolumeClaim", "held", arena.namespace)
        assert "example.com/backup" in live["metadata"]["finalizers"], "no finalizer is ever taken off"
    finally:
        kubectl("patch", "pvc", "held", "-n", arena.namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')


def test_a_webhook_that_is_down_is_quoted_and_no_configuration_is_touched(arena):
    to_people.pages_soon(arena)
    arena.start(workloads.deployment("gated", arena.namespace, replicas=3))
    name = f"gate-{arena.namespace}"
    hook = {
        "name": "gate.example.com",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 2,
        "namespaceSelector": {"matchLabels": {"scenario": arena.namespace}},
        "clientConfig": {"service": {"namespace": arena.namespace, "name": "gate", "path": "/"}},
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
    }
    metadata = {"name": name}
    configuration: Object = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration", "metadata": metadata}
    arena.elsewhere({**configuration, "webhooks": [hook]})
    instant = now()
    kubectl("delete", "pod", arena.pods("gated")[0]["metadata"]["name"], "-n", arena.namespace, "--wait=false")
    says = 'failed calling webhook "gate.example.com"'
    to_people.found(arena, "gated", "ReplicaCreationFailed", name="a webhook is down", says=says, since=instant, seconds=180)
    assert arena.api.get("ValidatingWebhookConfiguration", name)["webhooks"][0]["failurePolicy"] == "Fail"
    story.conventions(arena.incident("gated"))


@pytest.mark.nightly
def test_a_certificate_whose_renewal_failed_a_moment_ago_is_told_and_not_asked_for_again(arena):
    to_people.pages_soon(arena)
    instant = now()
    status = {
        "notAfter": text(instant + timedelta(days=3)),
        "renewalTime": text(instant - timedelta(hours=2)),
        "lastFailureTime": text(instant - timedelta(minutes=10)),
        "conditions": [{"type": "Issuing", "status": "False", "reason": "Failed", "message": "the ACME server refused the order"}],
    }
    certificates.issued(arena, "shop-tls", status)
    # Whether a kind that was not there is there by now is asked once a minute.
    says = "the last try failed (Failed: the ACME server refused the order)"
    left = "PreconditionFalse"
    incident = to_people.found(
        arena, "shop-tls", "CertificateExpiring", name="a certificate is not renewed", says=says, since=instant, seconds=150, reason=left
    )
    assert "it is not asked for again within an hour" in condition(incident, "RemediationAllowed")["message"]


@pytest.mark.alone
@pytest.mark.nightly
def test_an_api_whose_service_has_no_endpoints_is_told_with_the_service(arena):
    """An extension of the API, such as metrics: the API server itself says that nobody answers there. Meanwhile no namespace finishes deleting."""
    selector, group = {"app": "not-there"}, f"{arena.namespace}.example.com"
    arena.api.apply(of("Service", "v1", "adapter", arena, spec={"selector": selector, "ports": [{"name": "https", "port": 443}]}))
    behind = {"namespace": arena.namespace, "name": "adapter"}
    spec = {"group": group, "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": True, "service": behind}
    name = f"v1.{group}"
    arena.elsewhere({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": name}, "spec": spec})

    def down() -> bool:
        found = arena.api.get("APIService", name).get("status", {}).get("conditions", [])
        return any(one["type"] == "Available" and one["status"] == "False" for one in found)

    wait_for(down, 30, "the API server says so", seen=lambda: arena.api.get("APIService", name).get("status"))
    etcd.age(arena.api, "APIService", name, None, etcd.LASTED)
    incident = to_people.told_of_cluster(arena, name, "APIServiceDown", name="an aggregated API is down", seconds=60)
    assert f"the API server can't reach Service {arena.namespace}/adapter, which serves it" in incident["status"]["summary"]
    assert arena.foreign_writes() == []


# --- by day: what must have lasted for a quarter of an hour is made to have lasted ---


def test_a_budget_that_has_permitted_nothing_for_long_is_told(arena):
    to_people.pages_soon(arena)
    arena.start(workloads.deployment("pinned", arena.namespace))
    instant = now()
    arena.api.apply(of("PodDisruptionBudget", "policy/v1", "tight", arena, spec={"minAvailable": 2, "selector": {"matchLabels": {"app": "pinned"}}}))

    def says() -> bool:
        found = arena.api.get("PodDisruptionBudget", "tight", arena.namespace).get("status", {}).get("conditions", [])
        return any(one["type"] == "DisruptionAllowed" and one["status"] == "False" for one in found)

    wait_for(says, 30, "its controller says so")
    etcd.age(arena.api, "PodDisruptionBudget", "tight", arena.namespace, etcd.LASTED)
    what = "it permits no eviction although all 2 of its pods are healthy"
    to_people.found(arena, "tight", "DisruptionBudgetDeadlock", name="a budget has long permitted nothing", says=what, since=instant)


def test_a_claim_that_has_not_gone_for_long_is_told_with_its_finalizer(arena):
    to_people.pages_soon(arena)
    made = of("PersistentVolumeClaim", "v1", "stays", arena, spec={"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}})
    made["metadata"]["finalizers"] = ["example.com/backup"]
    arena.api.apply(made)
    instant = now()
    kubectl("delete", "pvc", "stays", "-n", arena.namespace, "--wait=false")
    etcd.age(arena.api, "PersistentVolumeClaim", "stays", arena.namespace, etcd.LASTED)
    try:
        says = "its finalizers hold it: example.com/backup"
        to_people.found(arena, "stays", "StuckTerminating", name="a claim has long not gone", says=says, since=instant)
        assert "example.com/backup" in arena.api.get("PersistentVolumeClaim", "stays", arena.namespace)["metadata"]["finalizers"]
    finally:
        kubectl("patch", "pvc", "stays", "-n", arena.namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
