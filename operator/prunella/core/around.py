"""What stands around one Incident: its neighbours, what they did lately, and what it shares with others.

The rule this module protects: it is what the cache shows, what is stored and what is declared, nothing inferred. A fact of a neighbour explains, or
holds back; it never permits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from prunella.api.common import NamespacedRef
from prunella.api.incident import Incident, IncidentStatus
from prunella.api.names import Priority

from .facts import WorkloadFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """A CatalogEntry that the target's own entry declares in `dependsOn`."""

    name: str
    """Namespace and name of the entry: pay/ledger."""
    workloads: tuple[WorkloadFacts, ...] = ()
    incidents: tuple[Incident, ...] = ()
    """In brief, those of its workloads that are neither resolved nor cancelled."""
    ended: tuple[Incident, ...] = ()
    """In brief, those of its workloads that are resolved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """What may have changed beside the target. Gathered when an episode may begin; else it is not known, and not asked for."""

    workloads: tuple[WorkloadFacts, ...] = ()
    """The other workloads of the target's namespace."""
    dependencies: tuple[Dependency, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """The open Incident of what this one fails for."""

    ref: NamespacedRef
    what: str
    """What is at fault, for a sentence: registry/registry.example.com, deploy/ledger in pay, or a storm."""
    config_map: str = ""
    """The name of the ConfigMap that is at fault; empty where it is something else."""
    told: bool = True
    """Whether it can tell anybody. Where it can't, its children tell their own people."""
    policy: NamespacedRef | None = None
    """Whom it tells: the EscalationPolicy of its owner."""
    stated: Priority | None = None
    """Its priority where a person stated its impact: that of its children does not raise it."""

    def tells_for(self, child: IncidentStatus) -> bool:
        """Whether it tells those who would be told of the child, and as urgently.

        A ConfigMap belongs to whoever reads it: those who have other people than its own Incident hear of what is theirs.
        """
        if not self.told or (self.stated is not None and child.priority is not None and child.priority.value < self.stated.value):
            return False
        policy = child.owner.escalation_policy_ref if child.owner is not None else None
        return not self.config_map or policy is None or policy == self.policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What many workloads or nodes fail for at this moment: the finding of a target that no detector looks at."""

    cause: str
    summary: str
    started_time: datetime
    open_time: datetime
    failing_pods: tuple[str, ...]
    """The Incidents of those that fail for it, as namespace/name; they count as pods do in the finding of one workload."""
    accused_revision: str = ""
    extensive: str = ""
    """Why its impact is Extensive whatever that of each of them is; empty where theirs counts."""
