"""What is read of workloads and their revisions: counts, conditions, and the few parts of a template that decide something."""

from __future__ import annotations

from datetime import datetime

import msgspec

from .wire import Meta, Object, Strings, Wire


class Probe(Wire, frozen=True):
    """The times of a probe, with the API server's defaults."""

    initial_delay_seconds: int = 0
    period_seconds: int = 10
    failure_threshold: int = 3


class Source(Wire, frozen=True):
    """A reference to a ConfigMap or Secret, or to a key of one."""

    name: str = ""
    key: str = ""


class ValueFrom(Wire, frozen=True):
    """valueFrom of an environment variable."""

    config_map_key_ref: Source | None = None
    secret_key_ref: Source | None = None


class Variable(Wire, frozen=True):
    """An entry of env: its value is not read."""

    value_from: ValueFrom | None = None


class VariablesFrom(Wire, frozen=True):
    """An entry of envFrom."""

    config_map_ref: Source | None = None
    secret_ref: Source | None = None


class VolumeMount(Wire, frozen=True):
    """An entry of volumeMounts: a part of a volume is not renewed while the container runs."""

    name: str = ""
    sub_path: str = ""
    sub_path_expr: str = ""


class VolumeSource(Wire, frozen=True):
    """An entry of a projected volume."""

    config_map: Source | None = None


class Projected(Wire, frozen=True):
    """A volume made of several sources."""

    sources: list[VolumeSource] | None = None


class Volume(Wire, frozen=True):
    """A volume of a pod template, where it is made of ConfigMaps."""

    name: str = ""
    config_map: Source | None = None
    projected: Projected | None = None
    host_path: object = None


class Port(Wire, frozen=True):
    """An entry of ports."""

    host_port: int = 0


class TemplateContainer(Wire, frozen=True):
    """A container of a pod template."""

    name: str = ""
    image: str = ""
    restart_policy: str = ""
    startup_probe: Probe | None = None
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    env: list[Variable] | None = None
    env_from: list[VariablesFrom] | None = None
    volume_mounts: list[VolumeMount] | None = None
    ports: list[Port] | None = None
    security_context: object = None


class Terms(Wire, frozen=True):
    """An affinity of one sort: of what is only preferred nothing is read."""

    required: object = msgspec.field(name="requiredDuringSchedulingIgnoredDuringExecution", default=None)


class TemplateAffinity(Wire, frozen=True):
    """affinity of a pod template."""

    node_affinity: Terms | None = None
    pod_affinity: Terms | None = None
    pod_anti_affinity: Terms | None = None


class TemplateSpec(Wire, frozen=True):
    """spec of a pod template."""

    containers: list[TemplateContainer] | None = None
    init_containers: list[TemplateContainer] | None = None
    volumes: list[Volume] | None = None
    service_account_name: str = ""
    node_selector: Strings | None = None
    affinity: TemplateAffinity | None = None
    topology_spread_constraints: list[dict[str, object]] | None = None
    tolerations: object = None
    security_context: object = None
    host_network: bool = False
    host_pid: bool = msgspec.field(name="hostPID", default=False)
    host_ipc: bool = msgspec.field(name="hostIPC", default=False)


class TemplateMeta(Wire, frozen=True):
    """metadata of a pod template."""

    annotations: Strings | None = None


class Template(Wire, frozen=True):
    """A pod template."""

    metadata: TemplateMeta = TemplateMeta()
    spec: TemplateSpec = TemplateSpec()


class Requirement(Wire, frozen=True):
    """An entry of matchExpressions."""

    key: str = ""
    operator: str = ""
    values: list[str] | None = None


class Selector(Wire, frozen=True):
    """A label selector."""

    match_labels: Strings | None = None
    match_expressions: list[Requirement] | None = None


class RollingUpdate(Wire, frozen=True):
    """The part of a StatefulSet's strategy that matters."""

    partition: int = 0


class Strategy(Wire, frozen=True):
    """strategy or updateStrategy."""

    type: str = ""
    rolling_update: RollingUpdate | None = None


class Condition(Wire, frozen=True):
    """A condition of a workload."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    last_update_time: datetime | None = None


class WorkloadSpec(Wire, frozen=True):
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


class WorkloadStatus(Wire, frozen=True):
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


class WorkloadMeta(Meta, frozen=True):
    """metadata. Who wrote what is read only where it is asked for."""

    managed_fields: msgspec.Raw = msgspec.Raw(b"null")


class SpecFields(Wire, frozen=True):
    """What of spec somebody wrote."""

    replicas: dict[str, object] | None = msgspec.field(name="f:replicas", default=None)


class WrittenFields(Wire, frozen=True):
    """What somebody wrote."""

    spec: SpecFields | None = msgspec.field(name="f:spec", default=None)


class Written(Wire, frozen=True):
    """An entry of managedFields."""

    manager: str = ""
    time: datetime | None = None
    fields: WrittenFields = msgspec.field(name="fieldsV1", default=WrittenFields())


class Workload(Wire, frozen=True):
    """A Deployment, StatefulSet or DaemonSet."""

    metadata: WorkloadMeta = WorkloadMeta()
    spec: WorkloadSpec = WorkloadSpec()
    status: WorkloadStatus = WorkloadStatus()


class ReplicaSetSpec(Wire, frozen=True):
    """spec of a ReplicaSet."""

    replicas: int | None = None
    template: Template = Template()


class ReplicaSet(Object, frozen=True):
    """A ReplicaSet."""

    spec: ReplicaSetSpec = ReplicaSetSpec()


class ControllerRevision(Object, frozen=True):
    """A ControllerRevision. Its data is whatever its controller keeps there, so it is read apart."""

    revision: int = 0
    data: msgspec.Raw = msgspec.Raw(b"null")


class RevisionDataSpec(Wire, frozen=True):
    """spec of the patch in a ControllerRevision."""

    template: Template = Template()


class RevisionData(Wire, frozen=True):
    """The patch in a ControllerRevision of a StatefulSet or DaemonSet."""

    spec: RevisionDataSpec = RevisionDataSpec()
