"""What is no workload is healed, too: a Job that failed runs again where its owner has said so, a certificate that is overdue is renewed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.harness import certificates, table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, outline
from tests.harness.installation import kubectl
from tests.harness.instants import now, text
from tests.harness.waiting import holds_for, wait_for

YES = {"prunella.dev/idempotent": "true"}
NEEDS = ["sh", "-c", "test -e /settings/ready || { echo 'the schema is not there' >&2; exit 4; }"]


def needy(arena: Arena) -> Object:
    """A Job that fails for as long as its ConfigMap is not there, and may run twice."""
    mounted = [{"name": "settings", "mountPath": "/settings"}]
    volumes = [{"name": "settings", "configMap": {"name": "settings", "optional": True}}]
    app = workloads.container(command=NEEDS, readinessProbe=None, volumeMounts=mounted)
    pod = workloads.template("import", app, restartPolicy="Never", volumes=volumes)
    meta = {"name": "import", "namespace": arena.namespace, "labels": {"scenario": arena.namespace}, "annotations": YES}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": meta, "spec": {"backoffLimit": 0, "template": pod}}


def failed(job: Object) -> bool:
    return any(one["type"] == "Failed" and one["status"] == "True" for one in job.get("status", {}).get("conditions", []))


def test_a_job_that_may_run_twice_runs_again_and_its_success_ends_the_incident(arena: Arena) -> None:
    kubectl("apply", "-n", arena.namespace, "-k", "manifests/run-jobs")
    chosen = {"kinds": ["Job"], "selector": {"matchLabels": {"scenario": arena.namespace}}}
    arena.runbook(
        "again",
        match={"causes": ["JobFailed"], "targets": chosen, "when": "target.idempotent", "dwellSeconds": 15},
        steps=[{"name": "rerun", "timeoutSeconds": 300, "rerunJob": {"deadlineSeconds": 120}}],
        verify={"stabilizeSeconds": 0, "intervalSeconds": 2, "successes": 3, "timeoutSeconds": 60, "checks": [{"name": "ok", "workloadHealthy": {}}]},
    )
    instant = now()
    arena.api.apply(needy(arena))
    wait_for(lambda: failed(arena.api.get("Job", "import", arena.namespace)), 60, "the Job has failed")
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings", "namespace": arena.namespace}, "data": {"ready": "yes"}}
    arena.api.apply(settings)
    incident = arena.when(arena.incident("import"), lambda one: condition(one, "Resolved").get("status") == "True", "is resolved", seconds=180)
    assert (incident["status"]["cause"], condition(incident, "Resolved")["reason"]) == ("JobFailed", "Verified"), outline(incident)
    heal = (now() - instant).total_seconds()
    table.add(arena.installation.folder, table.Row(scenario="a Job runs again", expected="Verified", seen="Verified", heal=heal))
    [attempt] = arena.remediations(incident)
    assert attempt["status"]["outcome"] == "Remediated"
    assert [(one.verb, one.resource) for one in arena.foreign_writes()] == [("create", "jobs")]
    assert failed(arena.api.get("Job", "import", arena.namespace)), "the one that failed stays as it is"

    def stays_over() -> bool:
        return [one["status"]["phase"] for one in arena.incidents()] == ["Resolved"]

    holds_for(stays_over, 15, "the Job that stays Failed opens nothing again", interval=1)


@pytest.mark.nightly
def test_a_certificate_that_was_not_renewed_in_time_is_renewed_once_cert_manager_is_asked(arena: Arena) -> None:
    instant = now()
    ready = {"type": "Ready", "status": "True", "reason": "Ready", "message": "Certificate is up to date and has not expired"}
    due = {"notAfter": text(instant + timedelta(days=3)), "renewalTime": text(instant - timedelta(hours=2))}
    certificates.issued(arena, "shop-tls", {**due, "conditions": [ready]})
    # Whether a kind that was not there is there by now is asked once a minute.
    wait_for(lambda: certificates.asked(arena, "shop-tls"), 150, "cert-manager is asked")
    renewed = {"notAfter": text(instant + timedelta(days=90)), "renewalTime": text(instant + timedelta(days=60))}
    certificates.says(arena, "shop-tls", {**renewed, "conditions": [ready]})
    incident = arena.when(arena.incident("shop-tls"), lambda one: condition(one, "Resolved").get("status") == "True", "is resolved", seconds=60)
    assert (incident["status"]["cause"], condition(incident, "Resolved")["reason"]) == ("CertificateExpiring", "Verified"), outline(incident)
    heal = (now() - instant).total_seconds()
    table.add(arena.installation.folder, table.Row(scenario="a certificate is renewed", expected="Verified", seen="Verified", heal=heal))
    [attempt] = arena.remediations(incident)
    assert (attempt["spec"]["mode"], attempt["status"]["outcome"]) == ("Auto", "Remediated")
    assert [(one.verb, one.resource, one.subresource) for one in arena.foreign_writes()] == [("patch", "certificates", "status")], "asked once"
