"""What the app needs of the outside, as protocols. Adapters implement them; fakes of the unit tests do too."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import Condition, ObjectRef
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.runbook_status import Shadow
from prunella.api.workload_record import WorkloadRecord
from prunella.core.facts import AlertFacts, Look, NamespaceFacts, Pod, Revision, UnknownT, Workload, WorkloadFacts
from prunella.core.healing.effects.effect import Applied, DryRun, Effect, NotApplied, Settled
from prunella.core.healing.runbooks.identity import OURSELVES, Actor
from prunella.core.healing.steps.step import Listed
from prunella.core.subject import Thing
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.service import Service
from prunella.core.world import QueryValue

from .listing import Listing


class Clock(Protocol):
    """The one source of time."""

    def now(self) -> datetime:
        """The present instant in UTC."""


class Ticks(Protocol):
    """A clock that only runs forward: no step of the wall clock moves it, and it goes on while the machine sleeps."""

    def seconds(self) -> float:
        """Seconds since some instant of the past. Only differences mean something."""


class Tenure(Protocol):
    """Whether this process is the leader, as far as it can know by itself."""

    @property
    def leads(self) -> bool:
        """Whether it was elected and has not lost or given up the lease."""

    @property
    def epoch(self) -> int:
        """Number of its term: every leader's is greater than all before. 0 before it was ever elected."""

    def covers(self, seconds: float) -> bool:
        """Whether nobody else can become the leader for longer than that: what may take so long may be begun."""


class Election(Tenure, Protocol):
    """What decides which of several replicas leads."""

    async def campaign(self) -> None:
        """Stand by until this process is the leader."""

    async def keep(self, regained: Callable[[], None]) -> None:
        """Stay it until it is given up; `regained` after a while in which it could not be confirmed. Raises Lost."""

    async def until_leading(self) -> None:
        """Return at once while this process leads, else as soon as it does. A pause may begin right afterwards: only `covers` permits a write."""

    async def release(self) -> None:
        """Give it up, so that the next one begins at once."""

    def overdue(self) -> str | None:
        """Why the process must be ended from outside of its loop; None while all is well. Asked by another thread."""


class View(Protocol):
    """The cache: what list+watch told last. Never the ground of an effect alone."""

    def workloads(self) -> Iterable[WorkloadFacts]:
        """Every watched workload."""

    def things(self) -> Iterable[Thing]:
        """Every watched object that is no workload."""

    def thing(self, kind: str, namespace: str, name: str) -> Thing | None:
        """One of them with what belongs to it, or None where it is not there."""

    def whole(self, thing: Thing) -> Thing:
        """A thing as it was just read, with what belongs to it by the cache."""

    def services(self, namespace: str) -> Sequence[Service]:
        """The Services of a namespace, with their endpoints."""

    def sees(self, kind: str, namespace: str, now: datetime) -> bool:
        """Whether what is said of things of that kind can be believed: the API server serves it, we may read it, and it was heard of lately."""

    def workload_counts(self) -> Mapping[str, int]:
        """How many workloads each namespace has."""

    def workloads_in(self, namespace: str) -> Iterable[Workload]:
        """The workloads of a namespace, without their revisions and pods."""

    def workload(self, kind: str, namespace: str, name: str) -> WorkloadFacts | None:
        """One workload, or None where it is not there."""

    def owner_of_pod(self, namespace: str, pod: str) -> tuple[str, str] | None:
        """Kind and name of the workload that a pod belongs to, also for pods seen lately that are gone (15 min)."""

    def workload_of_pod(self, pod: Pod) -> WorkloadFacts | None:
        """The workload that a pod belongs to."""

    def namespace(self, name: str) -> NamespaceFacts | None:
        """Labels of a namespace."""

    def autoscalers(self, namespace: str) -> Sequence[AutoscalerFacts]:
        """HorizontalPodAutoscalers of a namespace."""

    def marked(self) -> Iterable[tuple[ObjectRef, str]]:
        """Every watched object that bears the mark of a temporary measure, and the mark."""

    def incidents(self) -> Iterable[Incident]:
        """Every Incident in brief, without its story: those that are long over are among them, so nothing that happens often may ask for this."""

    def incident(self, namespace: str, name: str) -> Incident | None:
        """One Incident, or None where it is not there."""

    def incidents_of(self, kind: str, namespace: str, name: str) -> Iterable[Incident]:
        """The Incidents about an object of that name, whatever its uid."""

    def unended_incidents(self) -> Iterable[Incident]:
        """The Incidents that are neither resolved nor cancelled."""

    def children_of(self, namespace: str, name: str) -> Iterable[Incident]:
        """Those of them that are linked to that Incident as their parent."""

    def remediations(self) -> Iterable[Remediation]:
        """Every attempt: what a person asks for is one once it was accepted."""

    def requests(self) -> Iterable[Remediation]:
        """Every run that a person asked for, accepted or not."""

    def runbooks(self) -> Iterable[Runbook]:
        """Every Runbook that could be read."""

    def healing_policy(self) -> HealingPolicy | None:
        """The one named default."""

    def entries(self, namespace: str) -> Sequence[CatalogEntry]:
        """CatalogEntries of a namespace."""

    def escalation_policies(self) -> Iterable[EscalationPolicy]:
        """Every EscalationPolicy."""

    def record(self, namespace: str, name: str) -> WorkloadRecord | None:
        """One WorkloadRecord."""

    def synced(self) -> bool:
        """Whether every kind was listed once."""

    def silent_kinds(self, now: datetime) -> Sequence[str]:
        """Kinds whose watch said nothing (no event, no bookmark) for 90 s or whose stream is down: no evidence of them."""


class Store(Protocol):
    """Live reads and writes of our own kinds. Writes compare and swap; they raise Conflict, AlreadyExists, Retryable, Permanent."""

    async def incident(self, namespace: str, name: str) -> Incident | None:
        """A live read; None on 404."""

    async def create_incident(self, incident: Incident) -> Incident:
        """Raises AlreadyExists where the name is taken."""

    async def put_incident_status(self, incident: Incident) -> Incident:
        """Replace the status of that resourceVersion. Raises Conflict."""

    async def remediation(self, namespace: str, name: str) -> Remediation | None:
        """A live read; None on 404."""

    async def remediations_of(self, incident: Incident) -> Sequence[Remediation]:
        """A live list of the attempts whose incidentRef.uid is this Incident's, by number."""

    async def remediations_in(self, namespace: str) -> Listing:
        """A live list of a namespace. Raises Permanent where one can't be read."""

    async def create_remediation(self, remediation: Remediation) -> Remediation:
        """Raises AlreadyExists where the name is taken."""

    async def put_remediation_status(self, remediation: Remediation) -> Remediation:
        """Replace the status of that resourceVersion. Raises Conflict."""

    async def record(self, namespace: str, name: str) -> WorkloadRecord | None:
        """A live read; None on 404."""

    async def put_record(self, record: WorkloadRecord) -> WorkloadRecord:
        """Create (no resourceVersion) or replace (with one). Raises Conflict, AlreadyExists."""

    async def healing_policy(self) -> HealingPolicy | UnknownT | None:
        """A live read of the one named default: it is the kill switch. UNKNOWN where it could not be read."""

    async def runbook(self, namespace: str, name: str) -> Runbook | None:
        """A live read; None on 404."""

    async def put_shadow(self, runbook: Runbook, shadow: Shadow) -> None:
        """Merge-patch status.shadow of that resourceVersion. Raises Conflict."""

    async def put_conditions(self, kind: str, namespace: str | None, name: str, generation: int, conditions: Sequence[Condition]) -> None:
        """Merge-patch status.conditions and observedGeneration of a kind that people apply."""

    async def put_storm(self, since: datetime | None, message: str | None, ended: datetime | None) -> None:
        """Merge-patch the storm of the HealingPolicy's status."""

    async def emit_event(
        self, *, regarding: ObjectRef, name: str, reason: str, message: str, warning: bool, time: datetime, related: ObjectRef | None = None
    ) -> None:
        """Create a core/v1 Event under that name; AlreadyExists is success, failure is logged and forgotten."""


class Live(Protocol):
    """Quorum reads of foreign objects. Each answers UNKNOWN where it failed."""

    async def raw(self, ref: ObjectRef) -> dict[str, Any] | UnknownT | None:
        """The object as JSON; None on 404 or where ref.uid is another's."""

    async def workload(self, ref: ObjectRef) -> WorkloadFacts | UnknownT | None:
        """The workload with its revisions and pods; None on 404 or another uid."""

    async def look(self, ref: ObjectRef) -> Look | UnknownT | None:
        """A workload or a thing (without what belongs to it), and the JSON that its own facts were made of; None on 404 or another uid."""

    async def listed(self, wanted: Listed) -> tuple[dict[str, Any], ...] | UnknownT:
        """Every object of a kind in a namespace, as JSON."""

    async def template(self, kind: str, revision: Revision) -> dict[str, Any] | UnknownT | None:
        """The pod template of a ReplicaSet (without pod-template-hash) or ControllerRevision (without $patch); None where it is gone."""

    async def namespace(self, name: str) -> NamespaceFacts | UnknownT | None:
        """Labels of a namespace."""

    async def log_tail(self, namespace: str, pod: str, container: str, *, previous: bool, lines: int) -> str | UnknownT:
        """The last lines of a container's log."""

    async def events_of(self, namespace: str, uids: Iterable[str]) -> Sequence[tuple[datetime | None, str, str, str]] | UnknownT:
        """Events of these objects, oldest first: last time, type, reason, message."""

    async def may(
        self, verb: str, group: str, resource: str, namespace: str, name: str = "", subresource: str = "", *, acting: Actor = OURSELVES
    ) -> bool | UnknownT:
        """SelfSubjectAccessReview, of whoever acts."""

    async def healthy(self) -> bool:
        """Whether the API server answers /readyz in time."""


class Executor(Protocol):
    """The one place where effects happen: one try, preconditions in the request, no retry. Nothing is sent without saying as whom."""

    async def apply(self, effect: Effect, intent_id: str, acting: Actor) -> Applied | NotApplied:
        """Raises OutcomeUnknown where the request was sent and no answer came."""

    async def dry_run(self, effect: Effect, acting: Actor) -> DryRun | UnknownT:
        """The exact request with dryRun=All."""

    async def settle(self, effect_target: ObjectRef, intent_id: str, before: Mapping[str, str], action: str) -> Settled | UnknownT:
        """Look for the intent's trace on the target."""


class AlertSource(Protocol):
    """Alertmanager's poll: the repair source."""

    async def active(self) -> Mapping[str, AlertFacts] | UnknownT:
        """Active and suppressed alerts by fingerprint, of all peers; UNKNOWN where no peer answered or none is configured."""


class Queries(Protocol):
    """PromQL. Never raises: what is not one finite number is data missing or an error, told apart."""

    async def value(self, query: str, now: datetime) -> QueryValue:
        """The single value of an instant query, with warnings, staleness and emptiness reported."""

    async def rule_for_seconds(self, alertname: str, severity: str = "") -> int | UnknownT:
        """The `for` of the alerting rule of that name; UNKNOWN where Prometheus can't tell or rules differ."""

    async def alert_active_time(self, alertname: str, labels: Mapping[str, str]) -> datetime | UnknownT:
        """Prometheus' activeAt of the pending or firing alert with these labels."""


class Telemetry(Protocol):
    """Counters, gauges and histograms by their names without the prefix prunella_."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Put a value into a histogram."""
