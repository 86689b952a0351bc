"""The naive twin: the same Incident, handled the way that Kopf's tutorial leads to. It works, and it is what somebody writes in an afternoon.

Create and field handlers keep the lifecycle, a timer does the acting, the sync `kubernetes` client reads and patches, `patch.status` stores,
`kopf.info` tells. Where the tutorial leaves a choice the cheaper one is taken: pods by `on.event`, which stores nothing on them, a timer of one
second. It opens an Incident for a crash-looping rollout or an alert, rolls back after the same dwell as Prunella, and resolves once the workload is
healthy. It proves nothing, asks no guards, pages nobody, and what it was doing when it died it does again.

`kopf run --standalone --all-namespaces tests/bench/naive/operator.py`. NAIVE_LISTEN is the address of its webhook.
"""

from __future__ import annotations

import json
import os
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import kopf
import kubernetes

GROUP, VERSION, PLURAL = "naive.example.com", "v1alpha1", "incidents"
DWELL_SECONDS = 10
MIN_RESTARTS = 2
HEALTHY_SECONDS = 10
TICK_SECONDS = 1.0
REVISION = "deployment.kubernetes.io/revision"


def now() -> str:
    """The present instant, as the schema wants it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def age(instant: str) -> float:
    """Seconds since an instant."""
    return (datetime.now(UTC) - datetime.fromisoformat(instant)).total_seconds()


@kopf.on.startup()
def begin(settings: kopf.OperatorSettings, logger: Any, **_: Any) -> None:
    """Load the credentials, and listen for alerts."""
    kubernetes.config.load_kube_config()
    settings.posting.level = 20
    host, _, port = os.environ["NAIVE_LISTEN"].partition(":")
    server = ThreadingHTTPServer((host, int(port)), Webhook)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    logger.info("listening for alerts")


# --- seeing ---


@kopf.on.event("pods")
def pod_changed(name: str, namespace: str, meta: kopf.Meta, status: kopf.Status, **event: Any) -> None:
    """A container that crashes opens an Incident for its Deployment."""
    crashing = [
        one
        for one in status.get("containerStatuses", ())
        if one.get("state", {}).get("waiting", {}).get("reason") == "CrashLoopBackOff" or one.get("lastState", {}).get("terminated")
    ]
    if event["type"] == "DELETED" or not crashing:
        return
    deployment = deployment_of(namespace, meta.get("ownerReferences", []))
    if deployment:
        open_incident(namespace, deployment, f"{name} crash-loops", kind="Watch")


def deployment_of(namespace: str, owners: list[dict[str, str]]) -> str:
    """The Deployment of a pod, by its ReplicaSet."""
    apps = kubernetes.client.AppsV1Api()
    for owner in owners:
        if owner["kind"] == "ReplicaSet":
            replica_set = apps.read_namespaced_replica_set(owner["name"], namespace)
            for grand in replica_set.metadata.owner_references or []:
                if grand.kind == "Deployment":
                    return str(grand.name)
    return ""


def open_incident(namespace: str, deployment: str, title: str, *, kind: str) -> None:
    """Create the Incident of a Deployment, unless an open one is there."""
    api = kubernetes.client.CustomObjectsApi()
    there = api.list_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, label_selector=f"target={deployment}")["items"]
    if any(one.get("status", {}).get("phase") != "Resolved" for one in there):
        return
    body = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "Incident",
        "metadata": {"name": f"{deployment}-{len(there)}", "labels": {"target": deployment}},
        "spec": {
            "title": title,
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": namespace, "name": deployment},
            "source": {"kind": kind},
        },
    }
    try:
        api.create_namespaced_custom_object(GROUP, VERSION, namespace, PLURAL, body)
    except kubernetes.client.ApiException as error:
        if error.status != 409:
            raise


class Webhook(BaseHTTPRequestHandler):
    """Alertmanager's webhook: each firing alert opens the Incident of its Deployment, or finds it open."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.answer(200)

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        for alert in body["alerts"]:
            labels = alert["labels"]
            if alert["status"] == "firing" and "deployment" in labels:
                open_incident(labels["namespace"], labels["deployment"], labels["alertname"], kind="Alertmanager")
        self.answer(200)

    def answer(self, status: int) -> None:
        """Answer without a body."""
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


# --- the lifecycle of an Incident ---


@kopf.on.create(GROUP, VERSION, PLURAL)
def created(body: kopf.Body, spec: kopf.Spec, patch: kopf.Patch, **_: Any) -> None:
    """It begins."""
    patch.status["phase"] = "Triggered"
    patch.status["cause"] = "RolloutCrashLoop" if spec["source"]["kind"] == "Watch" else "Alert"
    patch.status["times"] = {"triggeredTime": now()}
    kopf.info(body, reason="Opened", message=str(spec["title"]))


@kopf.on.field(GROUP, VERSION, PLURAL, field="status.phase", new="Mitigated")
def mitigated(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    """It was rolled back."""
    patch.status["times"] = {"mitigatedTime": now()}
    kopf.info(body, reason="RolledBack", message="rolled back to the revision before")


@kopf.on.field(GROUP, VERSION, PLURAL, field="status.phase", new="Resolved")
def resolved(body: kopf.Body, patch: kopf.Patch, **_: Any) -> None:
    """It is over."""
    patch.status["times"] = {"resolvedTime": now()}
    kopf.info(body, reason="Resolved", message="the workload is healthy")


@kopf.on.delete(GROUP, VERSION, PLURAL)
def deleted(logger: Any, **_: Any) -> None:
    """It is forgotten."""
    logger.info("the Incident was deleted")


def _unfinished(status: kopf.Status, **_: Any) -> bool:
    return status.get("phase") in {"Triggered", "Mitigated"}


@kopf.timer(GROUP, VERSION, PLURAL, interval=TICK_SECONDS, when=_unfinished)
def tick(spec: kopf.Spec, status: kopf.Status, patch: kopf.Patch, **_: Any) -> None:
    """Act once the dwell is over; resolve once the workload has been healthy for long enough."""
    if spec["source"]["kind"] != "Watch":
        return
    namespace, name, times = spec["targetRef"]["namespace"], spec["targetRef"]["name"], status.get("times", {})
    deployment = kubernetes.client.AppsV1Api().read_namespaced_deployment(name, namespace)
    if status["phase"] == "Triggered":
        if age(times["triggeredTime"]) >= DWELL_SECONDS and restarts_of(namespace, name) >= MIN_RESTARTS and roll_back(deployment):
            patch.status["phase"] = "Mitigated"
    elif "mitigatedTime" in times and age(times["mitigatedTime"]) >= HEALTHY_SECONDS and healthy(deployment):
        patch.status["phase"] = "Resolved"


# --- acting ---


def restarts_of(namespace: str, name: str) -> int:
    """How often the workload's worst container was restarted."""
    pods = kubernetes.client.CoreV1Api().list_namespaced_pod(namespace, label_selector=f"app={name}").items
    return max((one.restart_count for pod in pods for one in pod.status.container_statuses or []), default=0)


def roll_back(deployment: Any) -> bool:
    """Put the template of the revision before back; whether there was one."""
    apps, meta = kubernetes.client.AppsV1Api(), deployment.metadata
    every = apps.list_namespaced_replica_set(meta.namespace).items
    own = [one for one in every if any(owner.uid == meta.uid for owner in one.metadata.owner_references or [])]
    newest_first = sorted(own, key=lambda one: int(one.metadata.annotations.get(REVISION, "0")), reverse=True)
    if len(newest_first) < 2:
        return False
    template = kubernetes.client.ApiClient().sanitize_for_serialization(newest_first[1].spec.template)
    template["metadata"]["labels"].pop("pod-template-hash", None)
    replace = [{"op": "replace", "path": "/spec/template", "value": template}]
    apps.patch_namespaced_deployment(meta.name, meta.namespace, replace)
    return True


def healthy(deployment: Any) -> bool:
    """Whether all its pods are new and Ready."""
    wanted, status = deployment.spec.replicas, deployment.status
    return wanted == status.ready_replicas == status.updated_replicas == status.replicas
