"""Objects that are no workloads, as they are while all is well, at noon. A test names only what its sentence is about."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from prunella.core.facts import WorkloadCondition
from prunella.core.subject import Thing
from prunella.core.things.api_service import APIService
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.budget import Budget
from prunella.core.things.certificate import Certificate
from prunella.core.things.claim import Claim
from prunella.core.things.complaint import Complaint
from prunella.core.things.cron_job import CronJob
from prunella.core.things.detect import detect
from prunella.core.things.job import Job
from prunella.core.things.leaf import Validity
from prunella.core.things.node import Node
from prunella.core.things.quota import Quota
from prunella.core.things.service import Service
from prunella.core.things.sighting import At, Sighting
from prunella.core.things.terminating import Space
from prunella.core.things.tls_secret import TlsSecret

from .builders import NOON, ago, container, later, pod, termination

BACKOFF = {"failed_reason": "BackoffLimitExceeded", "failed_message": "Job has reached the specified backoff limit"}


def look(thing: Thing, **at: Any) -> Sighting:
    """What its detector says at noon."""
    return detect(thing, At(**({"now": NOON} | at)))


def job(name: str = "migrate", **changes: Any) -> Job:
    """A Job that runs."""
    defaults: dict[str, Any] = {"namespace": "shop", "uid": f"uid-{name}", "created_time": ago(600)}
    return Job(name=name, **(defaults | changes))


def failed_job(name: str = "migrate", *, failed: float = 60, **changes: Any) -> Job:
    """One that reached its backoff limit so many seconds before noon."""
    return job(name, **({"failed_time": ago(failed)} | BACKOFF | changes))


def failed_pod(name: str = "migrate-x1", **changes: Any):
    """A pod of it, with the container that failed."""
    ended = container("main", ready=False, running_since=None, terminated=termination(1))
    return pod(name, "", container("proxy", ready=False), ended, **({"phase": "Failed", "ready": False} | changes))


def run(number: int, *, failed: bool, ago_seconds: float, **changes: Any) -> Job:
    """A run of the CronJob `backup`, which ended so many seconds before noon."""
    owner = {"owner_uid": "uid-backup", "owner_kind": "CronJob", "owner_name": "backup", "scheduled_time": ago(ago_seconds + 30)}
    if failed:
        return failed_job(f"backup-{number}", failed=ago_seconds, **(owner | changes))
    return job(f"backup-{number}", **(owner | {"completed_time": ago(ago_seconds)} | changes))


def cron_job(*jobs: Job, **changes: Any) -> CronJob:
    """An hourly CronJob with these runs."""
    defaults: dict[str, Any] = {
        "namespace": "shop",
        "name": "backup",
        "uid": "uid-backup",
        "created_time": ago(30 * 86_400),
        "last_schedule_time": ago(600),
        "last_success_time": ago(7800),
    }
    return CronJob(jobs=jobs, **(defaults | changes))


def complaint(message: str, reason: str = "ProvisioningFailed", *, first: float = 600, last: float = 30, **about: Any) -> Complaint:
    """An Event that was first seen and last seen so many seconds before noon."""
    defaults: dict[str, Any] = {"namespace": "shop", "kind": "PersistentVolumeClaim", "name": "data", "uid": "uid-data"}
    return Complaint(reason=reason, message=message, first_time=ago(first), last_time=ago(last), **(defaults | about))


def claim(*complaints: Complaint, phase: str = "Pending", **changes: Any) -> Claim:
    """A claim that is an hour old."""
    defaults: dict[str, Any] = {"namespace": "shop", "name": "data", "uid": "uid-data", "created_time": ago(3600), "storage_class": "fast"}
    return Claim(phase=phase, complaints=complaints, **(defaults | changes))


def said(type_: str, status: str, reason: str, *, since: float | None = 3600, message: str = "so it is") -> WorkloadCondition:
    """A condition since so many seconds before noon."""
    return WorkloadCondition(type=type_, status=status, reason=reason, message=message, last_transition_time=None if since is None else ago(since))


def autoscaler(**changes: Any) -> AutoscalerFacts:
    """One that scales checkout between 2 and 10, and has 10."""
    defaults: dict[str, Any] = {"namespace": "shop", "name": "checkout", "uid": "uid-hpa", "target_kind": "Deployment", "target_name": "checkout"}
    return AutoscalerFacts(**(defaults | {"least": 2, "most": 10, "current": 10} | changes))


def refusal(requested: str = "pods=1", quota: str = "compute", name: str = "web-1", **changes: Any) -> Complaint:
    """What a ReplicaSet says that may not create its pods."""
    text = f'Error creating: pods "x" is forbidden: exceeded quota: {quota}, requested: {requested}, used: pods=9, limited: pods=9'
    about = {"kind": "ReplicaSet", "name": name, "uid": f"uid-{name}"}
    return complaint(text, "FailedCreate", **(about | changes))


def quota(*refusals: Complaint, **changes: Any) -> Quota:
    """A quota of 9 pods that are all used, and of 4 CPUs of which 3.5 are."""
    amounts = {
        "hard": {"pods": "9", "requests.cpu": "4", "requests.memory": "8Gi"},
        "used": {"pods": "9", "requests.cpu": "3500m", "requests.memory": "7G"},
    }
    return Quota(refusals=refusals, **({"namespace": "shop", "name": "compute", "uid": "uid-quota"} | amounts | changes))


def budget(**changes: Any) -> Budget:
    """One that demands all of its three healthy pods since an hour."""
    numbers = {"allowed": 0, "healthy": 3, "desired": 3, "expected": 3}
    return Budget(**({"namespace": "shop", "name": "ledger", "uid": "uid-pdb", "since": ago(3600)} | numbers | changes))


def service(ready: int = 0, **changes: Any) -> Service:
    """A Service that selects checkout."""
    return Service(ready_endpoints=ready, **({"namespace": "shop", "name": "checkout", "uid": "uid-svc", "selector": {"app": "checkout"}} | changes))


def node(**changes: Any) -> Node:
    """A node that has been Ready for an hour."""
    return Node(**({"name": "n1", "uid": "uid-n1", "ready": True, "ready_since": ago(3600)} | changes))


def lost_node(since: float = 90, **changes: Any) -> Node:
    """One that is not Ready since so many seconds before noon."""
    why = {"ready_reason": "NodeStatusUnknown", "ready_message": "Kubelet stopped posting node status."}
    return node(ready=False, ready_since=ago(since), **(why | changes))


def api_service(**changes: Any) -> APIService:
    """The metrics API, whose backend does not answer since five minutes."""
    down = {"down_since": ago(300), "reason": "MissingEndpoints", "message": "endpoints for service/metrics-server have no addresses"}
    return APIService(**({"name": "v1beta1.metrics.k8s.io", "uid": "uid-api", "backend": "kube-system/metrics-server"} | down | changes))


def space(gone: float = 900, **changes: Any) -> Space:
    """A Namespace that was to be gone so many seconds before noon."""
    return Space(**({"name": "old", "uid": "uid-old", "deletion_time": ago(gone), "finalizers": ("kubernetes",)} | changes))


def certificate(**changes: Any) -> Certificate:
    """One that holds for another ten days, and was to be renewed two hours ago."""
    times = {"not_after": later(10 * 86_400), "renewal_time": ago(7200)}
    return Certificate(**({"namespace": "shop", "name": "web", "uid": "uid-cert"} | times | changes))


def tls_secret(*, begins: datetime | None = None, ends: datetime | None = None, **changes: Any) -> TlsSecret:
    """A Secret whose certificate holds for three months, of which one is over."""
    holds = Validity(begins or ago(30 * 86_400), ends or later(60 * 86_400))
    defaults: dict[str, Any] = {"namespace": "shop", "name": "web-tls", "uid": "uid-web-tls", "holds": holds}
    return TlsSecret(**(defaults | changes))
