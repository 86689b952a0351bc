"""What an alert is about: the workload that its labels name, else another object that they name, else the alert itself.

The rule this module protects: labels are somebody else's input. A name is checked before anything is looked up by it, an exporter's own labels
never make the exporter the target, and what can't be told is the alert itself and is flagged, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from prunella.api.base import API_VERSION
from prunella.api.common import ObjectRef
from prunella.core.facts import AlertFacts, Labels

from .correlate import short_hash

WORKLOAD_LABELS: Final = (("deployment", "Deployment"), ("statefulset", "StatefulSet"), ("daemonset", "DaemonSet"))
THING_LABELS: Final = (
    ("cronjob", "CronJob"),
    ("job_name", "Job"),
    ("horizontalpodautoscaler", "HorizontalPodAutoscaler"),
    ("persistentvolumeclaim", "PersistentVolumeClaim"),
    ("poddisruptionbudget", "PodDisruptionBudget"),
    ("resourcequota", "ResourceQuota"),
)
"""As kube-state-metrics names other objects; the more particular first. Never `job`, which is the scrape's."""
NODE_EXPORTER: Final = "node-exporter"
EXPORTER: Final = "kube-state-metrics"
ALERT_KIND: Final = "Alert"
ALERT_NAME_LENGTH: Final = 200

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NOT_A_NAME = re.compile(r"[^a-z0-9-]+")

OwnerOfPod = Callable[[str, str], tuple[str, str] | None]
"""Namespace and pod in; kind and name of its workload out, also for a pod that is gone since a short while."""
WorkloadUid = Callable[[str, str, str], str | None]
"""Kind, namespace and name in; the uid out, or None where there is no such workload."""
ThingRef = Callable[[str, str, str], ObjectRef | None]
"""Kind, namespace and name of an object that is no workload in; whom a fault of it is told of out, or None where there is no such object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTarget:
    """The object that an alert is about, and how that was found."""

    ref: ObjectRef
    why: str
    by_itself: bool = False
    """The labels name no workload that is there: the alert stands for itself."""


def alert_target(
    alert: AlertFacts,
    *,
    owner_of_pod: OwnerOfPod,
    workload_uid: WorkloadUid,
    namespace_exists: Callable[[str], bool],
    operator_namespace: str,
    thing_ref: ThingRef = lambda _kind, _namespace, _name: None,
) -> AlertTarget:
    """Workload labels first, then the pod's owner, then other objects by label, else its own identity: alertname, namespace and service."""
    labels = alert.labels
    namespace = labels.get("namespace", "")
    known = bool(_LABEL.fullmatch(namespace)) and namespace_exists(namespace)
    if known:
        named = _by_workload_label(labels, namespace, workload_uid) or _by_pod(labels, namespace, owner_of_pod, workload_uid)
        named = named or _by_thing_label(labels, namespace, thing_ref)
        if named is not None:
            return named
    node = _by_node(labels, thing_ref)
    if node is not None:
        return node
    return _itself(alert, namespace if known else operator_namespace, _why_itself(labels, namespace, known=known))


def stands_for_itself(ref: ObjectRef) -> bool:
    """Whether a target is an alert, because its labels name no workload."""
    return ref.kind == ALERT_KIND and ref.api_version == API_VERSION


def _by_workload_label(labels: Labels, namespace: str, workload_uid: WorkloadUid) -> AlertTarget | None:
    for label, kind in WORKLOAD_LABELS:
        name = labels.get(label, "")
        if not _is_name(name):
            continue
        uid = workload_uid(kind, namespace, name)
        if uid is not None:
            return AlertTarget(ref=_workload(kind, namespace, name, uid), why=f"the label {label}={name} names it")
    return None


def _by_pod(labels: Labels, namespace: str, owner_of_pod: OwnerOfPod, workload_uid: WorkloadUid) -> AlertTarget | None:
    pod = labels.get("pod", "")
    if not _is_name(pod) or EXPORTER in pod:
        return None
    owner = owner_of_pod(namespace, pod)
    if owner is None or EXPORTER in owner[1]:
        return None
    kind, name = owner
    uid = workload_uid(kind, namespace, name)
    return None if uid is None else AlertTarget(ref=_workload(kind, namespace, name, uid), why=f"it owns the pod {pod}")


def _by_thing_label(labels: Labels, namespace: str, thing_ref: ThingRef) -> AlertTarget | None:
    for label, kind in THING_LABELS:
        name = labels.get(label, "")
        ref = thing_ref(kind, namespace, name) if _is_name(name) else None
        if ref is not None:
            through = "" if ref.name == name else f", and {ref.kind} {ref.name} runs it"
            return AlertTarget(ref=ref, why=f"the label {label}={name} names it{through}")
    return None


def _by_node(labels: Labels, thing_ref: ThingRef) -> AlertTarget | None:
    """A node that is named beside a pod is only where the pod runs, unless the pod is an exporter's. Its namespace is that of the exporter."""
    name, pod = labels.get("node", ""), labels.get("pod", "")
    if not _is_name(name) or (pod and EXPORTER not in pod and NODE_EXPORTER not in pod):
        return None
    ref = thing_ref("Node", "", name)
    return None if ref is None else AlertTarget(ref=ref, why=f"the label node={name} names it")


def _why_itself(labels: Labels, namespace: str, *, known: bool) -> str:
    if not namespace:
        return "the alert has no label namespace"
    if not known:
        return "its label namespace names no namespace of this cluster"
    if EXPORTER in labels.get("pod", ""):
        return f"its pod is {EXPORTER} itself, which only reports, and no label names a workload that is there"
    return "its labels name no workload that is there"


def _itself(alert: AlertFacts, namespace: str, why: str) -> AlertTarget:
    alertname = alert.labels.get("alertname", "unnamed")
    service = alert.labels.get("service", "")
    parts = [alertname] if not service or EXPORTER in service else [alertname, service]
    ref = ObjectRef(api_version=API_VERSION, kind=ALERT_KIND, name=_safe_name(parts), namespace=namespace)
    return AlertTarget(ref=ref, why=f"the alert stands for itself: {why}", by_itself=True)


def _safe_name(parts: list[str]) -> str:
    cleaned = [_NOT_A_NAME.sub("-", part.lower()).strip("-") for part in parts]
    lossless = all(clean == part.lower() and len(clean) <= ALERT_NAME_LENGTH // 2 for clean, part in zip(cleaned, parts, strict=True))
    name = ".".join(clean[: ALERT_NAME_LENGTH // 2].strip("-") or "alert" for clean in cleaned)
    return name if lossless else f"{name}-{short_hash(*parts)}"


def _is_name(text: str) -> bool:
    return 0 < len(text) <= 253 and _SUBDOMAIN.fullmatch(text) is not None  # noqa: PLR2004 (Kubernetes' own limit)


def _workload(kind: str, namespace: str, name: str, uid: str) -> ObjectRef:
    return ObjectRef(api_version="apps/v1", kind=kind, namespace=namespace, name=name, uid=uid)
