"""What is read of each foreign object, and nothing else: typed msgspec structs for the JSON of lists and watches.

The rule this module protects: memory and time are spent on fields that decide something. Whatever isn't named here is skipped by the decoder.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

Strings = dict[str, str]


class Wire(msgspec.Struct, rename="camel", gc=False, frozen=True):
    """Camel case on the wire; acyclic, so the garbage collector needn't look at it."""


class OwnerReference(Wire):
    """Of an object to its owner."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(Wire):
    """metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Strings | None = None
    annotations: Strings | None = None
    owner_references: list[OwnerReference] | None = None

    @property
    def controller(self) -> OwnerReference | None:
        """The one owner that controls it."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)


class Object(Wire):
    """Anything of which only the metadata counts: a Namespace, a bookmark."""

    metadata: Meta = Meta()


class TerminatedState(Wire):
    """state.terminated and lastState.terminated."""

    exit_code: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


class WaitingState(Wire):
    """state.waiting."""

    reason: str = ""
    message: str = ""


class RunningState(Wire):
    """state.running."""

    started_at: datetime | None = None


class State(Wire):
    """One of three."""

    waiting: WaitingState | None = None
    running: RunningState | None = None
    terminated: TerminatedState | None = None


class ContainerStatus(Wire):
    """An entry of containerStatuses or initContainerStatuses."""

    name: str = ""
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    state: State = State()
    last_state: State = State()


class PodCondition(Wire):
    """An entry of a pod's conditions."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class PodStatus(Wire):
    """status of a Pod."""

    phase: str = ""
    reason: str = ""
    conditions: list[PodCondition] | None = None
    container_statuses: list[ContainerStatus] | None = None
    init_container_statuses: list[ContainerStatus] | None = None


class PodContainer(Wire):
    """An entry of a pod's initContainers: only what makes a sidecar."""

    name: str = ""
    restart_policy: str = ""


class PodSpec(Wire):
    """spec of a Pod."""

    node_name: str = ""
    init_containers: list[PodContainer] | None = None


class Pod(Object):
    """A Pod."""

    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Probe(Wire):
    """The times of a probe, with the API server's defaults."""

    initial_delay_seconds: int = 0
    period_seconds: int = 10
    failure_threshold: int = 3


class TemplateContainer(Wire):
    """A container of a pod template."""

    name: str = ""
    image: str = ""
    restart_policy: str = ""
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None


class TemplateSpec(Wire):
    """spec of a pod template."""

    containers: list[TemplateContainer] | None = None
    init_containers: list[TemplateContainer] | None = None


class TemplateMeta(Wire):
    """metadata of a pod template."""

    annotations: Strings | None = None


class Template(Wire):
    """A pod template."""

    metadata: TemplateMeta = TemplateMeta()
    spec: TemplateSpec = TemplateSpec()


class Requirement(Wire):
    """An entry of matchExpressions."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class Selector(Wire):
    """A label selector."""

    match_labels: Strings | None = None
    match_expressions: list[Requirement] | None = None


class RollingUpdate(Wire):
    """The part of a StatefulSet's strategy that matters."""

    partition: int = 0


class Strategy(Wire):
    """strategy or updateStrategy."""

    type: str = ""
    rolling_update: RollingUpdate | None = None


class Condition(Wire):
    """A condition of a workload."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    last_update_time: datetime | None = None


class WorkloadSpec(Wire):
    """spec of a Deployment, StatefulSet or DaemonSet."""

    replicas: int | None = None
    paused: bool = False
    selector: Selector = Selector()
    template: Template = Template()
    strategy: Strategy | None = None
    update_strategy: Strategy | None = None
    pod_management_policy: str = ""
    min_ready_seconds: int = 0
    progress_deadline_seconds: int = 600


class WorkloadStatus(Wire):
    """status of a Deployment, StatefulSet or DaemonSet."""

    observed_generation: int = 0
    replicas: int = 0
    updated_replicas: int = 0
    ready_replicas: int = 0
    available_replicas: int = 0
    desired_number_scheduled: int = 0
    updated_number_scheduled: int = 0
    number_ready: int = 0
    number_available: int = 0
    current_revision: str = ""
    update_revision: str = ""
    conditions: list[Condition] | None = None


class Workload(Object):
    """A Deployment, StatefulSet or DaemonSet."""

    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class ReplicaSetSpec(Wire):
    """spec of a ReplicaSet."""

    replicas: int | None = None
    template: Template = Template()


class ReplicaSet(Object):
    """A ReplicaSet."""

    spec: ReplicaSetSpec = ReplicaSetSpec()


class ControllerRevision(Object):
    """A ControllerRevision. Its data is whatever its controller keeps there, so it is read apart."""

    revision: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")


class RevisionDataSpec(Wire):
    """spec of the patch in a ControllerRevision."""

    template: Template = Template()


class RevisionData(Wire):
    """The patch in a ControllerRevision of a StatefulSet or DaemonSet."""

    spec: RevisionDataSpec = RevisionDataSpec()


class ScaleTarget(Wire):
    """What an autoscaler scales."""

    kind: str = ""
    name: str = ""


class AutoscalerSpec(Wire):
    """spec of a HorizontalPodAutoscaler."""

    scale_target_ref: ScaleTarget = ScaleTarget()


class Autoscaler(Object):
    """A HorizontalPodAutoscaler."""

    spec: AutoscalerSpec = AutoscalerSpec()


T = TypeVar("T")


class ListMeta(Wire):
    """metadata of a list."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Listed(msgspec.Struct, Generic[T], gc=False, frozen=True):
    """A page of a list."""

    metadata: ListMeta = ListMeta()
    items: list[T] | None = None


class Event(msgspec.Struct, Generic[T], gc=False, frozen=True):
    """A line of a watch."""

    type: str
    object: T


class Status(Wire):
    """What the API server sends in place of an object when something is wrong."""

    code: int = 0
    reason: str = ""
    message: str = ""
