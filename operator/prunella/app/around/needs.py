"""What a target declares that it can't do without: the CatalogEntries of its `dependsOn`, with their workloads and what is stored of those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.incident import Incident
from prunella.core.around import Dependency
from prunella.core.facts import Workload, WorkloadFacts
from prunella.core.incident import dependencies, ownership
from prunella.core.world import World


class Shown(Protocol):
    """What is known of the cluster."""

    def entries(self, namespace: str) -> Sequence[CatalogEntry]:
        """The CatalogEntries of a namespace."""

    def workload(self, kind: str, namespace: str, name: str) -> WorkloadFacts | None:
        """One workload with its revisions and pods."""

    def workloads_in(self, namespace: str) -> Iterable[Workload]:
        """The workloads of a namespace."""

    def incidents_of(self, kind: str, namespace: str, name: str) -> Iterable[Incident]:
        """The Incidents about an object of that name, whatever its uid."""


def needs(shown: Shown, seen: World) -> Iterator[Dependency]:
    """What the target's CatalogEntry declares, but for what lies on a cycle."""

    def entry(place: dependencies.Place) -> CatalogEntry | None:
        return next((one for one in shown.entries(place[0]) if one.metadata.name == place[1]), None)

    owner = ownership.entry_of(seen)
    if owner is None:
        return
    for place in dict.fromkeys(dependencies.declared(owner.entry)):
        if not dependencies.cycle(owner.entry, entry, place):
            yield _dependency(shown, place)


def _dependency(shown: Shown, place: dependencies.Place) -> Dependency:
    (namespace, name), entries = place, shown.entries(place[0])
    if all(one.metadata.name != name for one in entries):
        return Dependency(name="/".join(place))
    found = []
    for workload in shown.workloads_in(namespace):
        owner = ownership.entry_for(workload, entries)
        facts = shown.workload(workload.kind, namespace, workload.name) if owner is not None and owner.entry.metadata.name == name else None
        found += [facts] if facts is not None else []
    known = [incident for facts in found for incident in _known(shown, facts)]
    return Dependency(
        name="/".join(place),
        workloads=tuple(found),
        incidents=tuple(one for one in known if one.status.times.resolved_time is None),
        ended=tuple(one for one in known if one.status.times.resolved_time is not None),
    )


def _known(shown: Shown, facts: WorkloadFacts) -> Iterator[Incident]:
    """The Incidents of a workload that were not cancelled."""
    workload = facts.workload
    for one in shown.incidents_of(workload.kind, workload.namespace, workload.name):
        if one.spec.target_ref.uid in {None, workload.uid} and one.status.times.cancelled_time is None:
            yield one
