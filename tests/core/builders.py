"""Facts with sensible defaults: a Deployment `checkout` of 3, revision 2 (hash h2) healthy for an hour, at noon.

A test names only what its sentence is about; everything else is that healthy shop.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from prunella.core.demands import NONE, Demands
from prunella.core.facts import Container, Pod, Revision, Termination, Workload, WorkloadCondition, WorkloadFacts

NOON = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
WORKLOAD_UID = "0e6c7c1e-0000-4000-8000-000000000001"


def ago(seconds: float) -> datetime:
    """So many seconds before noon."""
    return NOON - timedelta(seconds=seconds)


def later(seconds: float) -> datetime:
    """So many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def termination(exit_code: int = 1, *, finished: float = 5, ran: float = 1, reason: str = "Error", message: str = "") -> Termination:
    """A container's end, `finished` seconds before noon, after it ran for `ran` seconds."""
    return Termination(exit_code=exit_code, reason=reason, message=message, started_time=ago(finished + ran), finished_time=ago(finished))


def container(name: str = "app", **changes: Any) -> Container:
    """A container that runs and is ready."""
    defaults: dict[str, Any] = {"ready": True, "image": f"shop/{name}:1", "running_since": ago(3600)}
    return Container(name=name, **(defaults | changes))


def waiting(reason: str, message: str = "", name: str = "app", **changes: Any) -> Container:
    """A container that waits for that reason and has never run."""
    return container(name, **({"ready": False, "running_since": None, "waiting_reason": reason, "waiting_message": message} | changes))


def crashing(exit_code: int = 1, *, restarts: int = 2, finished: float = 5, name: str = "app", **changes: Any) -> Container:
    """A container in CrashLoopBackOff that ended `finished` seconds before noon."""
    last = termination(exit_code, finished=finished)
    return waiting(
        "CrashLoopBackOff", "back-off 10s restarting failed container", name, **({"restarts": restarts, "last_terminated": last} | changes)
    )


def pod(name: str = "checkout-h2-a", revision: str = "h2", *containers: Container, **changes: Any) -> Pod:
    """A pod that runs on a node and is Ready since an hour, or not Ready where one of its containers isn't."""
    chosen = containers or (container(),)
    ready = all(one.ready for one in chosen if not one.init or one.sidecar)
    since = ago(3600) if ready else ago(30)
    defaults: dict[str, Any] = {
        "namespace": "shop",
        "uid": f"uid-{name}",
        "owner_uid": f"uid-of-{revision}",
        "owner_kind": "ReplicaSet",
        "owner_name": f"checkout-{revision}",
        "phase": "Running",
        "ready": ready,
        "ready_since": since,
        "created_time": since - timedelta(seconds=2),
        "node": "node-1",
    }
    return Pod(name=name, revision=revision, containers=chosen, **(defaults | changes))


def pods(count: int, revision: str = "h2", *containers: Container, **changes: Any) -> tuple[Pod, ...]:
    """So many pods alike."""
    return tuple(pod(f"checkout-{revision}-{index}", revision, *containers, **changes) for index in range(count))


def revision(number: int, *, created: float = 7200, **changes: Any) -> Revision:
    """Revision `number` with hash h<number>, created that many seconds before noon."""
    hash_ = changes.pop("hash", f"h{number}")
    defaults: dict[str, Any] = {
        "namespace": "shop",
        "name": f"checkout-{hash_}",
        "uid": f"uid-of-{hash_}",
        "owner_uid": WORKLOAD_UID,
        "created_time": ago(created),
        "images": (f"shop/app:{number}",),
    }
    return Revision(hash=hash_, number=number, **(defaults | changes))


def asking(facts: WorkloadFacts, newest: Demands, before: Demands = NONE) -> WorkloadFacts:
    """The same, where the newest revision asks for that and those before it for something else."""
    return replace(facts, revisions=tuple(replace(one, demands=before if place else newest) for place, one in enumerate(facts.revisions)))


def progressing(reason: str = "NewReplicaSetAvailable", *, status: str = "True", updated: float = 7000, message: str = "") -> WorkloadCondition:
    """The Progressing condition of a Deployment, last updated that many seconds before noon."""
    return WorkloadCondition(
        type="Progressing", status=status, reason=reason, message=message, last_transition_time=ago(updated), last_update_time=ago(updated)
    )


def deadline_exceeded(*, since: float = 10) -> WorkloadCondition:
    """The Progressing condition of a Deployment whose rollout made no progress in time."""
    return progressing("ProgressDeadlineExceeded", status="False", updated=since, message='ReplicaSet "checkout-h2" has timed out progressing.')


def workload(kind: str = "Deployment", **changes: Any) -> Workload:
    """A workload `checkout` of 3 that is complete."""
    defaults: dict[str, Any] = {
        "namespace": "shop",
        "name": "checkout",
        "uid": WORKLOAD_UID,
        "generation": 2,
        "observed_generation": 2,
        "created_time": ago(86_400),
        "desired": 3,
        "updated": 3,
        "ready": 3,
        "available": 3,
        "labels": {"app": "checkout"},
        "selector": {"app": "checkout"},
        "strategy": "RollingUpdate",
    }
    if kind == "Deployment":
        defaults["conditions"] = (progressing(),)
    if kind == "StatefulSet":
        defaults |= {"pod_management": "OrderedReady", "current_revision": "h2", "update_revision": "h2"}
    return Workload(kind=kind, **(defaults | changes))


def healthy_facts(kind: str = "Deployment", **changes: Any) -> WorkloadFacts:
    """The healthy shop: revision 2 runs 3 of 3, revision 1 is stored."""
    replicas = {"replicas": 3} if kind == "Deployment" else {}
    return WorkloadFacts(workload=workload(kind, **changes), revisions=(revision(2, **replicas), revision(1, created=80_000)), pods=pods(3))


def rolling_facts(*failing: Pod, kind: str = "Deployment", serving: int = 3, created: float = 40, **changes: Any) -> WorkloadFacts:
    """Revision 3, created so many seconds before noon, is being rolled out with the given pods, while revision 2 serves."""
    defaults: dict[str, Any] = {"generation": 3, "observed_generation": 3, "updated": len(failing), "ready": serving, "available": serving}
    if kind == "Deployment":
        defaults["conditions"] = (progressing("ReplicaSetUpdated", updated=created - 1),)
    if kind == "StatefulSet":
        defaults["update_revision"] = "h3"
    replicas = {"replicas": 1} if kind == "Deployment" else {}
    return WorkloadFacts(
        workload=workload(kind, **(defaults | changes)),
        revisions=(
            revision(3, created=created, **replicas),
            revision(2, created=created + 7200, **({"replicas": serving} if kind == "Deployment" else {})),
            revision(1, created=created + 80_000),
        ),
        pods=(*pods(serving), *failing),
    )


def new_pod(*containers: Container, name: str = "checkout-h3-a", **changes: Any) -> Pod:
    """A pod of revision 3, created 32 s before noon; Ready since 30 s or never Ready, by its containers."""
    return pod(name, "h3", *containers, **({"ready_since": ago(30), "created_time": ago(32)} | changes))
