"""What we know of the cluster: frozen values that the adapters make and the core reads.

The rule this module protects: a fact that could not be had is `UNKNOWN`, a value of its own, and never permission.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, TypeAlias

from prunella.api.common import ObjectRef

from . import demands
from .subject import Owner, Thing, short


class Unknown(Enum):
    """The type of `UNKNOWN`, so that a type checker makes every reader handle it."""

    UNKNOWN = "Unknown"

    def __bool__(self) -> bool:
        """Refuse to be a condition: an unknown fact is neither true nor false."""
        raise TypeError("an unknown fact is neither true nor false; compare with `is UNKNOWN`")


UNKNOWN: Final = Unknown.UNKNOWN
UnknownT: TypeAlias = Unknown

Labels: TypeAlias = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Termination:
    """How a container ended, by the kubelet's word."""

    exit_code: int
    reason: str = ""
    message: str = ""
    started_time: datetime | None = None
    finished_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One container status of a pod. `init` containers that restart always are sidecars."""

    name: str
    init: bool = False
    sidecar: bool = False
    ready: bool = False
    restarts: int = 0
    image: str = ""
    waiting_reason: str = ""
    waiting_message: str = ""
    running_since: datetime | None = None
    terminated: Termination | None = None
    last_terminated: Termination | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pod:
    """A pruned pod. `revision` is its label pod-template-hash or controller-revision-hash, exactly as it stands there."""

    namespace: str
    name: str
    uid: str
    resource_version: str = ""
    owner_uid: str = ""
    """Uid of the controller: a ReplicaSet, StatefulSet or DaemonSet."""
    owner_kind: str = ""
    owner_name: str = ""
    revision: str = ""
    phase: str = ""
    status_reason: str = ""
    ready: bool = False
    ready_since: datetime | None = None
    """lastTransitionTime of the Ready condition, whatever its status."""
    scheduled: bool = True
    unscheduled_reason: str = ""
    """Why it is not: Unschedulable, or SchedulingGated by somebody's own wish."""
    unschedulable_message: str = ""
    created_time: datetime | None = None
    deleting: bool = False
    deletion_time: datetime | None = None
    """deletionTimestamp: when it was to be gone, its grace period included. None while nobody deletes it."""
    finalizers: tuple[str, ...] = ()
    """Only of one that is being deleted: what holds it."""
    node: str = ""
    containers: tuple[Container, ...] = ()
    quiet: bool = False
    """No container of it failed, was restarted or waits for a reason: none needs a closer look. False where nobody has looked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A ReplicaSet of a Deployment, or a ControllerRevision of a StatefulSet or DaemonSet."""

    namespace: str
    name: str
    uid: str
    owner_uid: str
    hash: str
    """What its pods bear as revision label (see `Pod.revision`): for a StatefulSet the ControllerRevision's full name, else the bare hash."""
    number: int
    """The annotation deployment.kubernetes.io/revision, or ControllerRevision.revision."""
    created_time: datetime | None = None
    replicas: int = 0
    """ReplicaSets only: spec.replicas."""
    images: tuple[str, ...] = ()
    """Images of its containers, in order; ReplicaSets and ControllerRevisions both tell."""
    irreversible: bool = False
    """Whether its template bears prunella.dev/irreversible."""
    references: frozenset[str] = frozenset()
    """What its environment is from: `configmap/settings`, `configmap/settings/key`, `secret/…`; mounted ConfigMaps: `volume/settings`, `part/…`."""
    demands: demands.Demands = demands.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadCondition:
    """A condition of a Deployment or an autoscaler."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    last_update_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A pruned Deployment, StatefulSet or DaemonSet. `desired` is what should run: spec.replicas, or desiredNumberScheduled."""

    kind: str
    namespace: str
    name: str
    uid: str
    resource_version: str = ""
    generation: int = 0
    observed_generation: int = 0
    created_time: datetime | None = None
    deleting: bool = False
    desired: int = 0
    updated: int = 0
    ready: int = 0
    available: int = 0
    paused: bool = False
    labels: Labels = field(default_factory=dict)
    annotations: Labels = field(default_factory=dict)
    """Only those that decide something: prunella.dev/*, Argo CD's tracking id, Flux' reconcile."""
    selector: Labels = field(default_factory=dict)
    zeroed_by: str = ""
    """Of one with 0 in spec.replicas: who wrote that, as field managers are called; empty where it is not told."""
    zeroed_time: datetime | None = None
    """When that manager last wrote, which may have been something else."""
    owner: Owner | None = None
    conditions: tuple[WorkloadCondition, ...] = ()
    strategy: str = ""
    """RollingUpdate, Recreate or OnDelete."""
    partition: int = 0
    pod_management: str = ""
    """StatefulSet: OrderedReady or Parallel."""
    min_ready_seconds: int = 0
    progress_deadline_seconds: int = 600
    probe_budget_seconds: int = 0
    """What startup and readiness probes of the template allow until Ready: initial delay + period × failure threshold, the longest container's."""
    probe_kills: Mapping[str, int] = field(default_factory=dict)
    """By container: seconds after its start before which no failed liveness or startup probe of the template can have it ended."""
    template_irreversible: bool = False
    current_revision: str = ""
    """StatefulSet: status.currentRevision."""
    update_revision: str = ""
    """StatefulSet: status.updateRevision."""

    @property
    def ref(self) -> ObjectRef:
        """A reference that holds the uid."""
        return ObjectRef(api_version="apps/v1", kind=self.kind, namespace=self.namespace, name=self.name, uid=self.uid)

    @property
    def short(self) -> str:
        """As kubectl abbreviates it, for columns and sentences: deploy/checkout."""
        return short(self.kind, self.name)

    def condition(self, type_: str) -> WorkloadCondition | None:
        """The condition of that type, if there."""
        return next((condition for condition in self.conditions if condition.type == type_), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadFacts:
    """One workload with its revisions (newest first) and its pods, as the cache has them."""

    workload: Workload
    revisions: tuple[Revision, ...]
    pods: tuple[Pod, ...]

    @property
    def newest(self) -> Revision | None:
        """The revision that the workload's template asks for."""
        return self.revisions[0] if self.revisions else None

    def pods_of(self, revision_hash: str) -> tuple[Pod, ...]:
        """Pods of one revision that are not on their way out."""
        return tuple(pod for pod in self.pods if pod.revision == revision_hash and not pod.deleting)

    def revision(self, revision_hash: str) -> Revision | None:
        """The stored revision with that hash."""
        return next((revision for revision in self.revisions if revision.hash == revision_hash), None)


Seen: TypeAlias = WorkloadFacts | Thing
"""What is known of a target that is there."""


def subject_of(seen: Seen) -> Workload | Thing:
    """The object itself: its identity, labels and annotations."""
    return seen.workload if isinstance(seen, WorkloadFacts) else seen


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A target as the API server showed it to one read: what is judged by the facts is what stands in the JSON."""

    facts: Seen
    raw: Mapping[str, object]
    """The object itself, whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A fault that a detector sees now. `started_time` is the source's word, `open_time` when an Incident may be opened for it."""

    cause: str
    """A value of `api.names.Cause`."""
    subject: Workload | Thing
    """The object that is at fault."""
    summary: str
    """One sentence: what is wrong, with the revision and the evidence."""
    accused_revision: str = ""
    """Hash of the revision whose pods fail; empty where none can be accused."""
    accused_number: int = 0
    started_time: datetime
    open_time: datetime
    restarts: int = 0
    """The most restarts of a failing container (crash loops)."""
    restarted_time: datetime | None = None
    """When the newest of them failed, by the kubelet's word."""
    failing_pods: tuple[str, ...] = ()
    failing_container: str = ""
    accused_config_map: str = ""
    """Name of the ConfigMap whose change is accused (ConfigChanged); empty for any other cause."""
    only_newest_fails: bool = True
    """Whether no pod of another revision fails as well."""
    seen_causes: frozenset[str] | None = None
    """All that is seen of the object now, held for long enough or not; None where its detector looks for one thing after the other."""

    def rules_out(self, cause: str) -> bool:
        """Whether the object shows nothing of that cause any more, although this is found."""
        return self.seen_causes is not None and cause not in self.seen_causes


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceFacts:
    """What a namespace's owner said by labels."""

    name: str
    labels: Labels = field(default_factory=dict)
    deleting: bool = False
    going: Thing | None = None
    """While it is being deleted, what holds it up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFacts:
    """One alert, as Alertmanager's webhook or poll tells it. `state` is firing, resolved or suppressed."""

    fingerprint: str
    state: str
    labels: Labels = field(default_factory=dict)
    annotations: Labels = field(default_factory=dict)
    starts_time: datetime | None = None
    ends_time: datetime | None = None
    updated_time: datetime | None = None
    received_time: datetime
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    rule_for_seconds: int | None = None
    """The rule's `for`, where Prometheus told it."""
    active_time: datetime | None = None
    """Prometheus' activeAt, where it told it."""
    clock_skew: bool = False
    """Its startsAt lay more than 60 s ahead and was clamped."""
    truncated: int = 0
    """How many alerts the body that brought it left out (truncatedAlerts)."""
