"""From the wire to facts of things: only what decides is kept, and strings that repeat are kept once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from sys import intern
from typing import Any, Final

from prunella.core.facts import NamespaceFacts, WorkloadCondition
from prunella.core.subject import Owner
from prunella.core.things.api_service import APIService
from prunella.core.things.budget import Budget
from prunella.core.things.certificate import Certificate
from prunella.core.things.claim import Claim
from prunella.core.things.complaint import Complaint
from prunella.core.things.cron_job import CronJob
from prunella.core.things.job import Job
from prunella.core.things.node import Node
from prunella.core.things.quota import Quota
from prunella.core.things.service import Service
from prunella.core.things.terminating import Space

from . import wire_things as wire
from .decode import KEPT_ANNOTATIONS
from .endpoints import Endpoints
from .wire import Meta

SCHEDULED_ANNOTATION: Final = "batch.kubernetes.io/cronjob-scheduled-timestamp"
LONGEST_MESSAGE: Final = 1024
SERVICE_LABEL: Final = "kubernetes.io/service-name"
PRESSURES: Final = ("MemoryPressure", "DiskPressure", "PIDPressure")
FAULTS: Final = ("KernelDeadlock", "ReadonlyFilesystem", "FrequentKubeletRestart", "ContainerRuntimeUnhealthy", "XfsShutdown", "NTPProblem")
"""Of node-problem-detector, as it is shipped. What else somebody lets it say is theirs to read."""
STALE: Final = timedelta(minutes=15)
"""node-problem-detector repeats what it says every 5 minutes, and so does the kubelet: what was left out three times nobody says any more."""
NUMBERING_LABELS: Final = ("batch.kubernetes.io/", "controller-uid", "job-name")
"""Labels that only number objects: each has its own, and nobody selects by them."""


def job(stored: wire.Job) -> Job:
    """A Job without its pods."""
    meta = stored.metadata
    owner = meta.controller
    failed, complete = condition(stored.status.conditions, "Failed"), condition(stored.status.conditions, "Complete")
    return Job(
        **identity(meta),
        owner_uid=intern(owner.uid) if owner else "",
        owner_kind=intern(owner.kind) if owner else "",
        owner_name=intern(owner.name) if owner else "",
        failed_time=since(failed, meta),
        failed_reason=intern(failed.reason) if failed else "",
        failed_message=failed.message if failed else "",
        completed_time=since(complete, meta),
        scheduled_time=instant((meta.annotations or {}).get(SCHEDULED_ANNOTATION, "")),
    )


def cron_job(stored: wire.CronJob) -> CronJob:
    """A CronJob without its Jobs."""
    return CronJob(
        **identity(stored.metadata),
        suspended=bool(stored.spec.suspend),
        last_schedule_time=stored.status.last_schedule_time,
        last_success_time=stored.status.last_successful_time,
    )


def claim(stored: wire.Claim) -> Claim:
    """A PersistentVolumeClaim without what is said about it."""
    spec, status = stored.spec, stored.status
    return Claim(
        **identity(stored.metadata),
        phase=intern(status.phase),
        storage_class=intern(spec.storage_class_name or ""),
        volume=spec.volume_name,
        wants=intern((spec.resources.requests or {}).get("storage", "")),
        has=intern((status.capacity or {}).get("storage", "")),
    )


def quota(stored: wire.Quota) -> Quota:
    """A ResourceQuota without the refusals that name it."""
    return Quota(**identity(stored.metadata), hard=stored.status.hard or {}, used=stored.status.used or {})


def budget(stored: wire.Budget) -> Budget:
    """A PodDisruptionBudget."""
    meta, status = stored.metadata, stored.status
    return Budget(
        **identity(meta),
        counted=status.observed_generation >= meta.generation,
        allowed=status.disruptions_allowed,
        healthy=status.current_healthy,
        desired=status.desired_healthy,
        expected=status.expected_pods,
        since=since(condition(status.conditions, "DisruptionAllowed", "False"), meta),
    )


def service(stored: wire.Service) -> Service:
    """A Service without what answers for it."""
    spec = stored.spec
    selector = {} if spec.type == "ExternalName" else spec.selector or {}
    return Service(**identity(stored.metadata), selector={intern(key): intern(value) for key, value in selector.items()})


def endpoints(stored: wire.EndpointSlice) -> Endpoints:
    """An EndpointSlice, as two numbers."""
    ready = sum(one.conditions.ready is not False for one in stored.endpoints or ())
    of = intern((stored.metadata.labels or {}).get(SERVICE_LABEL, ""))
    return Endpoints(namespace=intern(stored.metadata.namespace), service=of, ready=ready, other=len(stored.endpoints or ()) - ready)


def node(stored: wire.Node) -> Node:
    """A Node."""
    conditions = {one.type: one for one in stored.status.conditions or ()}
    ready = conditions.get("Ready")
    pressing, wrong = ([one for name in of if (one := conditions.get(name)) is not None and one.status == "True"] for of in (PRESSURES, FAULTS))
    labels = {intern(key): intern(value) for key, value in (stored.metadata.labels or {}).items()}
    return Node(
        **identity(stored.metadata) | {"labels": labels},  # all of them: what selects a node may ask for any
        ready=ready is None or ready.status == "True",
        ready_since=ready.last_transition_time if ready else None,
        ready_reason=intern(ready.reason) if ready else "",
        ready_message=ready.message if ready and ready.status != "True" else "",
        pressures=tuple(_kept(one) for one in pressing),
        faults=tuple(_kept(one) for one in wrong if _still_said(one, ready)),
        cordoned=bool(stored.spec.unschedulable),
    )


def _still_said(fault: wire.Condition, ready: wire.Condition | None) -> bool:
    """False where the kubelet has gone on without it: whoever said it is gone from the node. Both times are by the node's clock, right or wrong."""
    said, kubelet = fault.last_heartbeat_time, ready.last_heartbeat_time if ready is not None else None
    return said is None or kubelet is None or kubelet - said <= STALE


def api_service(stored: wire.APIService) -> APIService:
    """An APIService."""
    down, behind = condition(stored.status.conditions, "Available", "False"), stored.spec.service
    return APIService(
        **identity(stored.metadata),
        backend=f"{behind.namespace}/{behind.name}" if behind is not None else "",
        down_since=since(down, stored.metadata),
        reason=intern(down.reason) if down else "",
        message=down.message if down else "",
    )


def certificate(stored: wire.Certificate) -> Certificate:
    """A Certificate of cert-manager."""
    status, conditions = stored.status, {one.type: one for one in stored.status.conditions or ()}
    unready, issuing = condition(status.conditions, "Ready", "False"), conditions.get("Issuing")
    return Certificate(
        **identity(stored.metadata),
        not_after=status.not_after,
        renewal_time=status.renewal_time,
        unready=_kept(unready) if unready is not None else None,
        issuing=_kept(issuing) if issuing is not None else None,
    )


def namespace(stored: wire.Space) -> NamespaceFacts:
    """A Namespace's labels, and while it is being deleted what holds it up."""
    meta = stored.metadata
    labels = {intern(key): intern(value) for key, value in (meta.labels or {}).items()}
    return NamespaceFacts(name=intern(meta.name), labels=labels, deleting=meta.deletion_timestamp is not None, going=_going(stored))


def _going(stored: wire.Space) -> Space | None:
    if stored.metadata.deletion_timestamp is None:
        return None
    known = identity(stored.metadata)
    known["finalizers"] = (*known["finalizers"], *(stored.spec.finalizers or ()))
    return Space(**known, conditions=tuple(_kept(one) for one in stored.status.conditions or () if one.status == "True"))


def _kept(one: wire.Condition) -> WorkloadCondition:
    since = one.last_transition_time
    return WorkloadCondition(
        type=intern(one.type), status=intern(one.status), reason=intern(one.reason), message=one.message[:LONGEST_MESSAGE], last_transition_time=since
    )


def complaint(stored: wire.Event) -> Complaint:
    """An Event that says what could not be done."""
    about, meta = stored.involved_object, stored.metadata
    last = stored.series.last_observed_time if stored.series is not None else None
    return Complaint(
        namespace=intern(meta.namespace),
        kind=intern(about.kind),
        name=about.name,
        uid=about.uid,
        reason=intern(stored.reason),
        message=stored.message[:LONGEST_MESSAGE],
        first_time=stored.first_timestamp or stored.event_time or meta.creation_timestamp,
        last_time=last or stored.last_timestamp or stored.event_time or meta.creation_timestamp,
    )


def identity(meta: Meta) -> dict[str, Any]:
    """What all things have."""
    owner = meta.controller
    return {
        "namespace": intern(meta.namespace),
        "name": meta.name,
        "uid": meta.uid,
        "labels": {intern(key): intern(value) for key, value in (meta.labels or {}).items() if not key.startswith(NUMBERING_LABELS)},
        "annotations": {intern(key): value for key, value in (meta.annotations or {}).items() if key.startswith(KEPT_ANNOTATIONS)},
        "created_time": meta.creation_timestamp,
        "deletion_time": meta.deletion_timestamp,
        "finalizers": tuple(map(intern, meta.finalizers or ())),
        "owner": Owner(api_version=intern(owner.api_version), kind=intern(owner.kind), name=intern(owner.name)) if owner else None,
    }


def condition(conditions: Iterable[wire.Condition] | None, type_: str, status: str = "True") -> wire.Condition | None:
    """The condition of that type, where it has that status."""
    return next((one for one in conditions or () if (one.type, one.status) == (type_, status)), None)


def since(one: wire.Condition | None, meta: Meta) -> datetime | None:
    """When a condition came true; None where it isn't there."""
    return None if one is None else one.last_transition_time or meta.creation_timestamp


def instant(text: str) -> datetime | None:
    """A time that stands in an annotation, which anybody may write."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
