"""What is read of objects that are no workloads."""

from __future__ import annotations

from datetime import datetime

from .wire import Meta, Wire


class Condition(Wire, frozen=True):
    """An entry of any conditions."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None
    last_heartbeat_time: datetime | None = None
    """Of a Node's alone."""


class Thing(Wire, frozen=True):
    """Anything that is no workload."""

    metadata: Meta = Meta()


class JobStatus(Wire, frozen=True):
    """status of a Job."""

    conditions: list[Condition] | None = None


class Job(Thing, frozen=True):
    """A Job."""

    status: JobStatus = JobStatus()


class CronJobSpec(Wire, frozen=True):
    """spec of a CronJob."""

    suspend: bool | None = None


class CronJobStatus(Wire, frozen=True):
    """status of a CronJob."""

    last_schedule_time: datetime | None = None
    last_successful_time: datetime | None = None


class CronJob(Thing, frozen=True):
    """A CronJob."""

    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()


class Requests(Wire, frozen=True):
    """resources of a PersistentVolumeClaim."""

    requests: dict[str, str] | None = None


class ClaimSpec(Wire, frozen=True):
    """spec of a PersistentVolumeClaim."""

    storage_class_name: str | None = None
    volume_name: str = ""
    resources: Requests = Requests()


class ClaimStatus(Wire, frozen=True):
    """status of a PersistentVolumeClaim."""

    phase: str = ""
    capacity: dict[str, str] | None = None


class Claim(Thing, frozen=True):
    """A PersistentVolumeClaim."""

    spec: ClaimSpec = ClaimSpec()
    status: ClaimStatus = ClaimStatus()


class QuotaStatus(Wire, frozen=True):
    """status of a ResourceQuota."""

    hard: dict[str, str] | None = None
    used: dict[str, str] | None = None


class Quota(Thing, frozen=True):
    """A ResourceQuota."""

    status: QuotaStatus = QuotaStatus()


class BudgetStatus(Wire, frozen=True):
    """status of a PodDisruptionBudget."""

    observed_generation: int = 0
    disruptions_allowed: int = 0
    current_healthy: int = 0
    desired_healthy: int = 0
    expected_pods: int = 0
    conditions: list[Condition] | None = None


class Budget(Thing, frozen=True):
    """A PodDisruptionBudget."""

    status: BudgetStatus = BudgetStatus()


class Series(Wire, frozen=True):
    """series of an Event."""

    last_observed_time: datetime | None = None


class Involved(Wire, frozen=True):
    """involvedObject of an Event."""

    kind: str = ""
    name: str = ""
    uid: str = ""


class Event(Thing, frozen=True):
    """An Event of the core group."""

    involved_object: Involved = Involved()
    reason: str = ""
    message: str = ""
    first_timestamp: datetime | None = None
    last_timestamp: datetime | None = None
    event_time: datetime | None = None
    series: Series | None = None


class ServiceSpec(Wire, frozen=True):
    """spec of a Service."""

    type: str = ""
    selector: dict[str, str] | None = None


class Service(Thing, frozen=True):
    """A Service."""

    spec: ServiceSpec = ServiceSpec()


class EndpointConditions(Wire, frozen=True):
    """conditions of an endpoint: no word is taken for a yes."""

    ready: bool | None = None


class Endpoint(Wire, frozen=True):
    """An entry of a slice's endpoints: neither its addresses nor its node are read."""

    conditions: EndpointConditions = EndpointConditions()


class EndpointSlice(Thing, frozen=True):
    """An EndpointSlice."""

    endpoints: list[Endpoint] | None = None


class NodeSpec(Wire, frozen=True):
    """spec of a Node."""

    unschedulable: bool | None = None


class ConditionsOnly(Wire, frozen=True):
    """A status of which only the conditions count."""

    conditions: list[Condition] | None = None


class Node(Thing, frozen=True):
    """A Node: neither its images nor its capacity are read."""

    spec: NodeSpec = NodeSpec()
    status: ConditionsOnly = ConditionsOnly()


class Backend(Wire, frozen=True):
    """The Service behind an API."""

    namespace: str = ""
    name: str = ""


class APIServiceSpec(Wire, frozen=True):
    """spec of an APIService."""

    service: Backend | None = None


class APIService(Thing, frozen=True):
    """An APIService."""

    spec: APIServiceSpec = APIServiceSpec()
    status: ConditionsOnly = ConditionsOnly()


class CertificateStatus(Wire, frozen=True):
    """status of a Certificate of cert-manager."""

    not_after: datetime | None = None
    renewal_time: datetime | None = None
    conditions: list[Condition] | None = None


class Certificate(Thing, frozen=True):
    """A Certificate of cert-manager: neither its names nor its Secret are read."""

    status: CertificateStatus = CertificateStatus()


class SpaceSpec(Wire, frozen=True):
    """spec of a Namespace."""

    finalizers: list[str] | None = None


class Space(Thing, frozen=True):
    """A Namespace."""

    spec: SpaceSpec = SpaceSpec()
    status: ConditionsOnly = ConditionsOnly()
