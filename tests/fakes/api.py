"""An API server for our own kinds, in memory: resourceVersions that compare and swap, names that are taken, status that a create drops.

Every write passes `gate` twice, before and after it: a test that lets the process die or the answer get lost raises there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import Condition, Metadata, ObjectRef
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident, IncidentStatus
from prunella.api.remediation import Remediation, RemediationStatus
from prunella.api.runbook import Runbook
from prunella.api.runbook_status import Shadow
from prunella.api.workload_record import WorkloadRecord
from prunella.app.errors import AlreadyExists, Conflict, Permanent
from prunella.app.listing import Listing
from prunella.core.facts import UNKNOWN, UnknownT

from .clock import ManualClock

Stored = Incident | Remediation | Runbook | EscalationPolicy | CatalogEntry | WorkloadRecord | HealingPolicy
Some = TypeVar("Some", Incident, Remediation, Runbook, EscalationPolicy, CatalogEntry, WorkloadRecord, HealingPolicy)
LISTS = "a list of attempts"
Gate = Callable[[str, str, str], None]
"""Called with 'before' or 'after', the verb and what is written."""


@dataclass(frozen=True)
class Event:
    """A core/v1 Event."""

    regarding: str
    name: str
    reason: str
    message: str
    warning: bool


@dataclass(frozen=True)
class Write:
    """One persisted write."""

    verb: str
    kind: str
    name: str
    time: datetime


@dataclass
class FakeApi:
    """Implements the port `Store`, and holds what people apply."""

    clock: ManualClock
    gate: Gate = field(default=lambda _when, _verb, _what: None)
    changed: Callable[[Stored], None] = field(default=lambda _one: None)
    objects: dict[tuple[str, str, str], Stored] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    """How often an Incident was read, by name, and attempts were listed, or a record or the policy was read, by kind."""
    events: list[Event] = field(default_factory=list)
    policy_readable: bool = True
    version: int = 100

    # what people do

    def apply(self, one: Some) -> Some:
        """Create or replace, as a person does; the status stays."""
        key = (type(one).__name__, one.metadata.namespace or "", one.metadata.name)
        old = self.objects.get(key)
        made = self._stamped(one, old)
        if old is not None and hasattr(old, "status"):
            made = made.model_copy(update={"status": old.status})
        self._keep(made)
        return made

    def annotate(self, kind: str, namespace: str, name: str, **annotations: str) -> None:
        one = self.objects[kind, namespace, name]
        meta = one.metadata.model_copy(update={"annotations": {**one.metadata.annotations, **annotations}})
        self._keep(self._stamped(one.model_copy(update={"metadata": meta}), one))

    def delete(self, kind: str, namespace: str, name: str) -> None:
        self.changed(self.objects.pop((kind, namespace, name)))

    # what the operator does

    async def incident(self, namespace: str, name: str) -> Incident | None:
        self.reads[name] += 1
        return self._get(Incident, namespace, name)

    async def create_incident(self, incident: Incident) -> Incident:
        return self._create(incident.model_copy(update={"status": IncidentStatus()}))

    async def put_incident_status(self, incident: Incident) -> Incident:
        return self._put_status(incident)

    async def remediation(self, namespace: str, name: str) -> Remediation | None:
        found = self._get(Remediation, namespace, name)
        return found.with_pinned() if found is not None else None

    async def remediations_of(self, incident: Incident) -> Sequence[Remediation]:
        return (await self.remediations_in(incident.metadata.namespace or "")).of(incident)

    async def remediations_in(self, namespace: str) -> Listing:
        self.reads[LISTS] += 1
        return Listing(tuple(one.with_pinned() for one in self.all(Remediation) if one.metadata.namespace == namespace), str(self.version))

    async def create_remediation(self, remediation: Remediation) -> Remediation:
        return self._create(remediation.model_copy(update={"status": RemediationStatus()}))

    async def put_remediation_status(self, remediation: Remediation) -> Remediation:
        return self._put_status(remediation).with_pinned()

    async def record(self, namespace: str, name: str) -> WorkloadRecord | None:
        self.reads["WorkloadRecord"] += 1
        return self._get(WorkloadRecord, namespace, name)

    async def put_record(self, record: WorkloadRecord) -> WorkloadRecord:
        if not record.metadata.resource_version:
            return self._create(record)
        return self._replace(record, "update")

    async def healing_policy(self) -> HealingPolicy | UnknownT | None:
        self.reads["HealingPolicy"] += 1
        return self._get(HealingPolicy, "", "default") if self.policy_readable else UNKNOWN

    async def put_conditions(self, kind: str, namespace: str | None, name: str, generation: int, conditions: Sequence[Condition]) -> None:
        one: Any = self.objects[kind, namespace or "", name]
        status = one.status.model_copy(update={"conditions": tuple(conditions), "observed_generation": generation})
        self._write("patch status", one.model_copy(update={"status": status}))

    async def runbook(self, namespace: str, name: str) -> Runbook | None:
        return self._get(Runbook, namespace, name)

    async def put_shadow(self, runbook: Runbook, shadow: Shadow) -> None:
        one = self.objects["Runbook", runbook.metadata.namespace or "", runbook.metadata.name]
        assert isinstance(one, Runbook)
        if one.metadata.resource_version != runbook.metadata.resource_version:
            raise Conflict(f"Runbook {runbook.metadata.name} was changed meanwhile")
        self._write("patch status", one.model_copy(update={"status": one.status.model_copy(update={"shadow": shadow})}))

    async def put_storm(self, since: datetime | None, message: str | None, ended: datetime | None) -> None:
        one = self.objects["HealingPolicy", "", "default"]
        assert isinstance(one, HealingPolicy)
        status = one.status.model_copy(update={"storm_since_time": since, "storm_message": message, "storm_ended_time": ended})
        self._write("patch status", one.model_copy(update={"status": status}))

    async def emit_event(
        self, *, regarding: ObjectRef, name: str, reason: str, message: str, warning: bool, time: datetime, related: ObjectRef | None = None
    ) -> None:
        if all(event.name != name for event in self.events):
            self.events.append(Event(f"{regarding.kind}/{regarding.name}", name, reason, message, warning))

    def as_json(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        """What a list of foreign objects would show of ours."""
        found = (one for (known, space, _), one in self.objects.items() if (known, space) == (kind, namespace))
        return [{"apiVersion": "prunella.dev/v1alpha1", "kind": kind, "metadata": one.metadata.wire(), "spec": one.spec.wire()} for one in found]

    # what tests read

    def all(self, kind: type[Some]) -> list[Some]:
        return [one for one in self.objects.values() if isinstance(one, kind)]

    def one(self, kind: type[Some]) -> Some:
        """The only one of its kind."""
        found = self.all(kind)
        assert len(found) == 1, [one.metadata.name for one in found]
        return found[0]

    # how it works

    def _get(self, kind: type[Some], namespace: str, name: str) -> Some | None:
        found = self.objects.get((kind.__name__, namespace, name))
        return found if isinstance(found, kind) else None

    def _create(self, one: Some) -> Some:
        key = (type(one).__name__, one.metadata.namespace or "", one.metadata.name)
        if key in self.objects:
            raise AlreadyExists(f"{key} exists")
        return self._write("create", one)

    def _put_status(self, one: Some) -> Some:
        stored = self._get(type(one), one.metadata.namespace or "", one.metadata.name)
        if stored is None:
            raise Permanent(f"{one.metadata.name} is gone")
        status = {"status": one.status}  # type: ignore[union-attr] # WorkloadRecord has none, and never comes here
        return self._replace(stored.model_copy(update={"metadata": one.metadata, **status}), "update status")

    def _replace(self, one: Some, verb: str) -> Some:
        stored = self._get(type(one), one.metadata.namespace or "", one.metadata.name)
        if stored is None or stored.metadata.resource_version != one.metadata.resource_version:
            raise Conflict(f"{one.metadata.name} was changed meanwhile")
        return self._write(verb, one)

    def _write_over(self, one: Some, verb: str) -> Some:
        """What `_replace` would be without its comparison, for twins."""
        return self._write(verb, one)

    def _write(self, verb: str, one: Some) -> Some:
        what = f"{type(one).__name__}/{one.metadata.name}"
        self.gate("before", verb, what)
        stored = self._stamped(one, self.objects.get((type(one).__name__, one.metadata.namespace or "", one.metadata.name)))
        stored = type(one).model_validate(stored.wire())  # what the schema would refuse is found here
        self.writes.append(Write(verb, type(one).__name__, one.metadata.name, self.clock.now()))
        self._keep(stored)
        self.gate("after", verb, what)
        return stored

    def _keep(self, one: Stored) -> None:
        self.objects[type(one).__name__, one.metadata.namespace or "", one.metadata.name] = one
        self.changed(one)

    def _stamped(self, one: Some, old: Stored | None) -> Some:
        self.version += 1
        known = old.metadata if old is not None else None
        same_spec = old is not None and old.spec == one.spec
        generation = 1 if known is None else known.generation if same_spec else known.generation + 1
        meta = one.metadata.model_copy(
            update={
                "uid": known.uid if known else one.metadata.uid or f"uid-{self.version}",
                "resource_version": str(self.version),
                "generation": generation,
                "creation_timestamp": known.creation_timestamp if known else self.clock.now().replace(microsecond=0),
            }
        )
        assert isinstance(meta, Metadata)
        return one.model_copy(update={"metadata": meta})
