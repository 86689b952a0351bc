"""What stands around one Incident: its neighbours, and what they did lately.

The rule this module protects: it is what the cache shows and what is declared, nothing inferred. A fact of a neighbour explains; it never permits.
"""

from __future__ import annotations

from dataclasses import dataclass

from prunella.api.incident import Incident

from .facts import WorkloadFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A CatalogEntry that the target's own entry declares in `dependsOn`."""

    name: str
    """Namespace and name of the entry: pay/ledger."""
    workloads: tuple[WorkloadFacts, ...] = ()
    incidents: tuple[Incident, ...] = ()
    """In brief, those of its workloads that are neither resolved nor cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What may have changed beside the target. Gathered when an episode may begin; else it is not known, and not asked for."""

    workloads: tuple[WorkloadFacts, ...] = ()
    """The other workloads of the target's namespace."""
    dependencies: tuple[Dependency, ...] = ()
