"""What a finding can be about besides a workload: any other object of the cluster, pruned to what decides.

The rule this module protects: an object is known by what it is, uid included. One that has no namespace never gets one, though its Incident must live
in some.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar, Final

from prunella.api.common import ObjectRef

SHORT_KIND: Final = {
    "Deployment": "deploy",
    "StatefulSet": "sts",
    "DaemonSet": "ds",
    "Alert": "alert",
    "CronJob": "cj",
    "PersistentVolumeClaim": "pvc",
    "PersistentVolume": "pv",
    "HorizontalPodAutoscaler": "hpa",
    "ResourceQuota": "quota",
    "PodDisruptionBudget": "pdb",
    "Service": "svc",
    "Node": "node",
    "Certificate": "cert",
    "Namespace": "ns",
    "Pod": "po",
}
"""As kubectl abbreviates them."""

CLUSTER_KINDS: Final = frozenset(
    {"Node", "Namespace", "APIService", "PersistentVolume", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"}
)
"""Kinds without a namespace. Their Incidents live in the operator's."""

Place = tuple[str, str, str]
"""Kind, namespace and name of a target; no namespace where the kind has none."""


def short(kind: str, name: str) -> str:
    """For columns and sentences: deploy/checkout."""
    return f"{SHORT_KIND.get(kind, kind.lower())}/{name}"


def namespace_of(ref: ObjectRef, incident_namespace: str) -> str:
    """The namespace of the object that is meant by an Incident of that namespace; empty for an object that has none."""
    if ref.namespace:
        return ref.namespace
    return "" if ref.kind in CLUSTER_KINDS else incident_namespace


def place(ref: ObjectRef, incident_namespace: str) -> Place:
    """Where the object stands that is meant by an Incident of that namespace."""
    return (ref.kind, namespace_of(ref, incident_namespace), ref.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The controller of an object, where it has one."""

    api_version: str
    kind: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """An object that is no workload. Each kind adds the few fields that decide something."""

    api_version: ClassVar[str] = ""
    kind: ClassVar[str] = ""

    namespace: str = ""
    name: str
    uid: str
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Only those that decide something, as of a workload."""
    created_time: datetime | None = None
    deletion_time: datetime | None = None
    """deletionTimestamp: when it was to be gone, its grace period included. None while nobody deletes it."""
    finalizers: tuple[str, ...] = ()
    owner: Owner | None = None

    @property
    def ref(self) -> ObjectRef:
        """A reference that holds the uid."""
        return ObjectRef(api_version=self.api_version, kind=self.kind, namespace=self.namespace or None, name=self.name, uid=self.uid or None)

    @property
    def short(self) -> str:
        """As kubectl abbreviates it: cj/backup."""
        return short(self.kind, self.name)
