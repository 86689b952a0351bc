"""What a target of the files declares that it needs, as the operator's cache would show it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.incident import Incident
from prunella.core.facts import Workload, WorkloadFacts

from .recorded import Recorded


@dataclass(frozen=True, slots=True)
class Files:
    """The cluster of the files: `app.around.needs.Shown`."""

    held: Recorded
    families: Sequence[WorkloadFacts]

    def entries(self, namespace: str) -> tuple[CatalogEntry, ...]:
        """The CatalogEntries of a namespace."""
        return tuple(one for one in self.held.of.get("CatalogEntry", ()) if one.metadata.namespace == namespace)

    def workload(self, kind: str, namespace: str, name: str) -> WorkloadFacts | None:
        """One workload with its revisions and pods."""
        wanted = (kind, namespace, name)
        return next((one for one in self.families if (one.workload.kind, one.workload.namespace, one.workload.name) == wanted), None)

    def workloads_in(self, namespace: str) -> Iterable[Workload]:
        """The workloads of a namespace."""
        return (one.workload for one in self.families if one.workload.namespace == namespace)

    def incidents_of(self, kind: str, namespace: str, name: str) -> Iterator[Incident]:
        """The Incidents about an object of that name, whatever its uid."""
        for one in self.held.of.get("Incident", ()):
            if (one.spec.target_ref.kind, one.target_namespace, one.spec.target_ref.name) == (kind, namespace, name):
                yield one
