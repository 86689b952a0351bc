"""The cache, as fresh as the test lets it be."""

from __future__ import annotations

from collections import ChainMap, Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import NamespacedRef, ObjectRef
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.workload_record import WorkloadRecord
from prunella.core.facts import NamespaceFacts, Pod, Workload, WorkloadFacts
from prunella.core.subject import Thing, place
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.service import Service

from .api import FakeApi, Stored
from .cluster import FakeCluster

Some = TypeVar("Some", Incident, Remediation, Runbook, EscalationPolicy, CatalogEntry, WorkloadRecord, HealingPolicy)


@dataclass
class FakeView:
    """Implements the port `View`. While it is stale it shows what was there when it became so."""

    api: FakeApi
    cluster: FakeCluster
    silent: list[str] = field(default_factory=list)
    unseen: set[str] = field(default_factory=set)
    """Kinds of things whose watch is silent, or that are not served or not ours to read."""
    departed: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    """Owners of pods that are gone."""
    _objects: Mapping[tuple[str, str, str], Stored] | None = None
    _workloads: dict[tuple[str, str, str], WorkloadFacts] | None = None

    def go_stale(self, *, workloads: bool = True) -> None:
        """The watch lags from now on."""
        self._objects = dict(self.api.objects)
        if workloads:
            self._workloads = {key: self.cluster.facts(one) for key, one in self.cluster.workloads.items()}

    def miss(self, kind: str, namespace: str, name: str) -> None:
        """What becomes of this object from now on the watch does not tell; it tells of all others."""
        key = (kind, namespace, name)
        self._objects = ChainMap({key: self.api.objects[key]}, self.api.objects)

    def catch_up(self) -> None:
        self._objects = self._workloads = None

    def _seen(self) -> Mapping[tuple[str, str, str], Stored]:
        return self.api.objects if self._objects is None else self._objects

    def _all(self, kind: type[Some]) -> list[Some]:
        return [one.with_pinned() if isinstance(one, Remediation) else one for one in self._seen().values() if isinstance(one, kind)]

    def _one(self, kind: type[Some], namespace: str, name: str) -> Some | None:
        found = self._seen().get((kind.__name__, namespace, name))
        return found if isinstance(found, kind) else None

    def workloads(self) -> Iterable[WorkloadFacts]:
        if self._workloads is not None:
            return list(self._workloads.values())
        return [self.cluster.facts(one) for one in self.cluster.workloads.values()]

    def things(self) -> Iterable[Thing]:
        return list(self.cluster.things.values())

    def thing(self, kind: str, namespace: str, name: str) -> Thing | None:
        return self.cluster.things.get((kind, namespace, name))

    def whole(self, thing: Thing) -> Thing:
        return thing

    def services(self, namespace: str) -> Sequence[Service]:
        return [one for one in self.cluster.things.values() if isinstance(one, Service) and one.namespace == namespace]

    def sees(self, kind: str, namespace: str, now: datetime) -> bool:
        return kind not in self.unseen

    def workload_counts(self) -> Mapping[str, int]:
        known = self._workloads if self._workloads is not None else self.cluster.workloads
        return Counter(namespace for _, namespace, _ in known)

    def workloads_in(self, namespace: str) -> Iterable[Workload]:
        return [facts.workload for facts in self.workloads() if facts.workload.namespace == namespace]

    def workload(self, kind: str, namespace: str, name: str) -> WorkloadFacts | None:
        if self._workloads is not None:
            return self._workloads.get((kind, namespace, name))
        one = self.cluster.workloads.get((kind, namespace, name))
        return self.cluster.facts(one) if one is not None else None

    def owner_of_pod(self, namespace: str, pod: str) -> tuple[str, str] | None:
        for facts in self.workloads():
            if facts.workload.namespace == namespace and any(one.name == pod for one in facts.pods):
                return facts.workload.kind, facts.workload.name
        return self.departed.get((namespace, pod))

    def workload_of_pod(self, pod: Pod) -> WorkloadFacts | None:
        return next((facts for facts in self.workloads() if pod in facts.pods), None)

    def namespace(self, name: str) -> NamespaceFacts | None:
        labels = self.cluster.namespaces.get(name)
        return NamespaceFacts(name=name, labels=labels) if labels is not None else None

    def autoscalers(self, namespace: str) -> Sequence[AutoscalerFacts]:
        return [one for one in self.cluster.autoscalers if one.namespace == namespace]

    def marked(self) -> Iterator[tuple[ObjectRef, str]]:
        for facts in self.workloads():
            if mark := facts.workload.annotations.get(TEMPORARY_ANNOTATION):
                yield facts.workload.ref, mark
        for one in (*self.cluster.autoscalers, *self.cluster.things.values()):
            if mark := one.annotations.get(TEMPORARY_ANNOTATION):
                yield one.ref, mark

    def incidents(self) -> Iterable[Incident]:
        return self._all(Incident)

    def incident(self, namespace: str, name: str) -> Incident | None:
        return self._one(Incident, namespace, name)

    def incidents_of(self, kind: str, namespace: str, name: str) -> Iterable[Incident]:
        refs = ((one, one.spec.target_ref) for one in self._all(Incident))
        return [one for one, ref in refs if place(ref, one.target_namespace) == (kind, namespace, name)]

    def unended_incidents(self) -> Iterable[Incident]:
        times = ((one, one.status.times) for one in self._all(Incident))
        return [one for one, known in times if known.resolved_time is None and known.cancelled_time is None]

    def children_of(self, namespace: str, name: str) -> Iterable[Incident]:
        linked = [one for one in self._all(Incident) if one.status.parent_ref == NamespacedRef(namespace=namespace, name=name)]
        return [one for one in linked if one.status.times.resolved_time is None and one.status.times.cancelled_time is None]

    def remediations(self) -> Iterable[Remediation]:
        return [one for one in self._all(Remediation) if one.accepted]

    def requests(self) -> Iterable[Remediation]:
        return [one for one in self._all(Remediation) if one.is_request]

    def runbooks(self) -> Iterable[Runbook]:
        return self._all(Runbook)

    def healing_policy(self) -> HealingPolicy | None:
        return self._one(HealingPolicy, "", "default")

    def entries(self, namespace: str) -> Sequence[CatalogEntry]:
        return [one for one in self._all(CatalogEntry) if one.metadata.namespace == namespace]

    def escalation_policies(self) -> Iterable[EscalationPolicy]:
        return self._all(EscalationPolicy)

    def record(self, namespace: str, name: str) -> WorkloadRecord | None:
        return self._one(WorkloadRecord, namespace, name)

    def synced(self) -> bool:
        return True

    def silent_kinds(self, now: datetime) -> Sequence[str]:
        return self.silent
