"""The pruned copy of the cluster that detectors read: one shelf a kind, kept by list and watch.

The rule this module protects: what is read here is never the ground of an effect alone, and it says itself when it may be old.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import ObjectRef
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.marks import OPERATOR_NAMESPACE, TEMPORARY_ANNOTATION
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.workload_record import WorkloadRecord
from prunella.app.ports import Clock, Telemetry
from prunella.core.facts import NamespaceFacts, Pod, Revision, Workload, WorkloadFacts
from prunella.core.failing import alike
from prunella.core.subject import Thing
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.service import Service

from . import watched
from .by_target import ByTarget
from .client import Api
from .decode import newest_first
from .departed import DepartedPods
from .kinship import Kinship
from .resources import OWN, POLICY_NAME
from .shelf import Change, Shelf
from .things import Things
from .watch import Reflector, Tempo
from .watched import Watched
from .watched_things import NEEDS

T = TypeVar("T")
OnChange = Callable[[str, str, str], None]
"""Kind, namespace and name of what changed. Called after the change can be read; must be quick and must not raise."""


class Cache:
    """The port `View`. `run` keeps it; until `synced` it is incomplete."""

    def __init__(
        self,
        api: Api,
        clock: Clock,
        telemetry: Telemetry,
        *,
        namespaces: Sequence[str] = (),
        operator_namespace: str = OPERATOR_NAMESPACE,
        tempo: Tempo | None = None,
    ) -> None:
        self._api, self._clock, self._telemetry = api, clock, telemetry
        self._namespaces = tuple(dict.fromkeys(namespaces))
        self._operator_namespace = operator_namespace
        self._tempo = tempo or Tempo()
        self._reflectors: list[Reflector[Any]] = []
        self._on_change: list[OnChange] = []
        self._on_workload_change: list[OnChange] = []
        self._kinship, self._departed, self._by_target = Kinship(), DepartedPods(), ByTarget()
        self._workloads_in: Counter[str] = Counter()
        self._pods = self._shelf(watched.PODS, self._pod_changed)
        self._workloads = {kind: self._shelf(of_kind, self._workload_changed) for kind, of_kind in watched.OF_WORKLOAD.items()}
        self._shelf(watched.REPLICA_SETS, self._revision_changed)
        self._shelf(watched.CONTROLLER_REVISIONS, self._revision_changed)
        self._spaces = self._shelf(watched.NAMESPACES, lambda change: self._things.space_changed(change))  # noqa: PLW0108 - they come later
        self._autoscalers = self._shelf(watched.AUTOSCALERS, lambda change: self._things.changed(change))  # noqa: PLW0108
        self._incidents = self._shelf(watched.INCIDENTS_IN_BRIEF, self._by_target.change)
        self._remediations = self._shelf(watched.REMEDIATIONS)
        self._runbooks = self._shelf(watched.RUNBOOKS)
        self._policies = self._shelf(watched.HEALING_POLICIES)
        self._escalation_policies = self._shelf(watched.ESCALATION_POLICIES)
        self._entries = self._shelf(watched.CATALOG_ENTRIES)
        self._records = self._shelf(watched.WORKLOAD_RECORDS)
        self._of_things: list[Reflector[Any]] = []
        self._things = Things(self._dispensable_shelf, self._kinship, self._autoscalers, self._spaces, self._tell_of, self._namespaces)

    def subscribe(self, *, on_change: OnChange | None = None, on_workload_change: OnChange | None = None) -> None:
        """Be told of each change, and of each workload that is touched by one of its own, its revisions or its pods."""
        self._on_change += [on_change] if on_change else []
        self._on_workload_change += [on_workload_change] if on_workload_change else []

    async def run(self) -> None:
        """Keep every kind up to date until cancelled."""
        async with asyncio.TaskGroup() as group:
            for reflector in (*self._reflectors, *self._of_things):
                group.create_task(reflector.run(), name=f"watch {reflector.name}")

    async def until_synced(self) -> None:
        """Wait until every kind was listed once; a little only for what the operator can do without."""
        for reflector in self._reflectors:
            await reflector.listed.wait()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._tempo.dispensable_seconds):
                await asyncio.gather(*(one.listed.wait() for one in self._of_things))

    def synced(self) -> bool:
        """Whether every kind that the operator can't do without was listed once."""
        return all(reflector.listed.is_set() for reflector in self._reflectors)

    def silent_kinds(self, now: datetime) -> Sequence[str]:
        """Kinds that the operator can't do without, of which nothing was heard for 90 s, or whose stream is down."""
        return sorted({reflector.name for reflector in self._reflectors if reflector.silent(now)})

    def things(self) -> Iterable[Thing]:
        """Every watched object that is no workload."""
        return self._things.all()

    def thing(self, kind: str, namespace: str, name: str) -> Thing | None:
        """One of them, with what belongs to it."""
        return self._things.get(kind, namespace, name)

    def whole(self, thing: Thing) -> Thing:
        """A thing as it was just read, with what belongs to it."""
        return self._things.whole(thing)

    def services(self, namespace: str) -> Sequence[Service]:
        """The Services of a namespace, with their endpoints."""
        return self._things.services(namespace)

    def sees(self, kind: str, namespace: str, now: datetime) -> bool:
        """Whether every watch that tells of things of that kind there was heard of lately."""
        told_by = [one for one in (*self._reflectors, *self._of_things) if one.name in NEEDS[kind] and one.covers(namespace)]
        return bool(told_by) and not any(one.silent(now) for one in told_by)

    def workloads(self) -> Iterable[WorkloadFacts]:
        """Every watched workload."""
        return (self._facts(workload) for shelf in self._workloads.values() for workload in shelf.values())

    def workload_counts(self) -> Mapping[str, int]:
        """How many workloads each namespace has."""
        return self._workloads_in

    def workloads_in(self, namespace: str) -> Iterator[Workload]:
        """The workloads of a namespace, without their revisions and pods."""
        return (one for shelf in self._workloads.values() for one in shelf.values() if one.namespace == namespace)

    def workload(self, kind: str, namespace: str, name: str) -> WorkloadFacts | None:
        """One workload with its revisions, newest first, and its pods."""
        shelf = self._workloads.get(kind)
        workload = shelf.get((namespace, name)) if shelf else None
        return self._facts(workload) if workload else None

    def workload_of_pod(self, pod: Pod) -> WorkloadFacts | None:
        """The workload that a pod belongs to, by uid."""
        workload = self._kinship.workload_of_pod(pod)
        return self._facts(workload) if workload else None

    def owner_of_pod(self, namespace: str, pod: str) -> tuple[str, str] | None:
        """Kind and name of a pod's workload, also of a pod that went within the last 15 min."""
        alive = self._pods.get((namespace, pod))
        workload = self._kinship.workload_of_pod(alive) if alive else None
        if workload is not None:
            return workload.kind, workload.name
        return self._departed.workload_of(namespace, pod, self._clock.now())

    def namespace(self, name: str) -> NamespaceFacts | None:
        """Labels of a namespace."""
        return self._spaces.get(("", name))

    def autoscalers(self, namespace: str) -> Sequence[AutoscalerFacts]:
        """HorizontalPodAutoscalers of a namespace."""
        return [autoscaler for autoscaler in self._autoscalers.values() if autoscaler.namespace == namespace]

    def marked(self) -> Iterator[tuple[ObjectRef, str]]:
        """Every workload and thing that bears the mark of a temporary measure."""
        workloads = (one for shelf in self._workloads.values() for one in shelf.values())
        yield from ((one.ref, mark) for one in workloads if (mark := one.annotations.get(TEMPORARY_ANNOTATION)))
        yield from self._things.marked()

    def incidents(self) -> Iterable[Incident]:
        """Every Incident that could be read, in brief."""
        return self._incidents.values()

    def incident(self, namespace: str, name: str) -> Incident | None:
        """One Incident, in brief."""
        return self._incidents.get((namespace, name))

    def incidents_of(self, kind: str, namespace: str, name: str) -> Iterable[Incident]:
        """The Incidents about an object of that name, whatever its uid."""
        return self._by_target.of(kind, namespace, name)

    def unended_incidents(self) -> Iterable[Incident]:
        """The Incidents that are neither resolved nor cancelled."""
        return self._by_target.unended()

    def children_of(self, namespace: str, name: str) -> Iterable[Incident]:
        """Those of them that are linked to that Incident as their parent."""
        return self._by_target.children(namespace, name)

    def remediations(self) -> Iterable[Remediation]:
        """Every attempt that could be read: what a person asks for is one once it was accepted."""
        return (one for one in self._remediations.values() if one.accepted)

    def requests(self) -> Iterable[Remediation]:
        """Every run that a person asked for, accepted or not."""
        return (one for one in self._remediations.values() if one.is_request)

    def runbooks(self) -> Iterable[Runbook]:
        """Every Runbook that could be read."""
        return self._runbooks.values()

    def healing_policy(self) -> HealingPolicy | None:
        """The one named default."""
        return self._policies.get(("", POLICY_NAME))

    def entries(self, namespace: str) -> Sequence[CatalogEntry]:
        """CatalogEntries of a namespace."""
        return [entry for entry in self._entries.values() if entry.metadata.namespace == namespace]

    def escalation_policies(self) -> Iterable[EscalationPolicy]:
        """Every EscalationPolicy that could be read."""
        return self._escalation_policies.values()

    def record(self, namespace: str, name: str) -> WorkloadRecord | None:
        """One WorkloadRecord."""
        return self._records.get((namespace, name))

    def _facts(self, workload: Workload) -> WorkloadFacts:
        kin = self._kinship
        return WorkloadFacts(workload=workload, revisions=newest_first(kin.revisions_of(workload)), pods=kin.pods_of(workload))

    def _dispensable_shelf(self, kind: Watched[T], changed: Callable[[Change[T]], None], fields: str = "") -> Shelf[T]:
        shelf: Shelf[T] = Shelf(changed)
        for place in self._places(kind):
            self._of_things.append(self._reflector(kind, shelf, place, fields=fields, dispensable=True))
        return shelf

    def _reflector(self, kind: Watched[T], shelf: Shelf[T], place: str | None, *, fields: str = "", dispensable: bool = False) -> Reflector[T]:
        return Reflector(
            self._api,
            kind,
            shelf,
            namespace=place,
            clock=self._clock,
            telemetry=self._telemetry,
            tempo=self._tempo,
            fields=fields,
            dispensable=dispensable,
        )

    def _shelf(self, kind: Watched[T], changed: Callable[[Change[T]], None] | None = None) -> Shelf[T]:
        name = kind.resource.kind

        def tell(change: Change[T]) -> None:
            if changed is not None:
                changed(change)
            if change.before is not None and change.after is not None and kind.quiet(change.before, change.after):
                return
            for listener in self._on_change:
                listener(name, *change.key)

        shelf: Shelf[T] = Shelf(tell)
        self._reflectors += [self._reflector(kind, shelf, place) for place in self._places(kind)]
        return shelf

    def _places(self, kind: Watched[T]) -> Sequence[str | None]:
        if not self._namespaces or not kind.resource.namespaced:
            return (None,)
        ours = (self._operator_namespace,) if kind.resource in OWN else ()
        return tuple(dict.fromkeys((*self._namespaces, *ours)))

    def _pod_changed(self, change: Change[Pod]) -> None:
        self._kinship.pod_changed(change)
        if change.before is not None and change.after is not None and alike(change.before, change.after):
            return  # most of what a busy cluster says about its pods
        left, joined = (self._kinship.workload_of_pod(pod) if pod is not None else None for pod in (change.before, change.after))
        if left is not None and change.after is None:
            self._departed.remember(*change.key, (left.kind, left.name), self._clock.now())
        for workload in {one.uid: one for one in (left, joined) if one is not None}.values():  # a pod may be released, or adopted
            self._tell_of(workload.kind, workload.namespace, workload.name)

    def _revision_changed(self, change: Change[Revision]) -> None:
        self._kinship.revision_changed(change)
        revision = change.after or change.before
        workload = self._kinship.workload_of_revision(revision) if revision else None
        if workload is not None:
            self._tell_of(workload.kind, workload.namespace, workload.name)

    def _workload_changed(self, change: Change[Workload]) -> None:
        self._kinship.workload_changed(change)
        self._things.workload_changed(change)
        self._workloads_in[change.key[0]] += (change.after is not None) - (change.before is not None)
        workload = change.after or change.before
        if workload is not None:
            self._tell_of(workload.kind, workload.namespace, workload.name)

    def _tell_of(self, kind: str, namespace: str, name: str) -> None:
        for listener in self._on_workload_change:
            listener(kind, namespace, name)
