"""Around: what a decision about one Incident may know of its neighbours and of what it shares with others, from the cache alone.

The rule this module protects: all of it follows from stored objects, so that a restart forgets no link; and a storm of Incidents in one namespace
does not look through that namespace once for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import Cause
from prunella.app.ports import View
from prunella.core import rollout
from prunella.core.around import Dependency, Neighbours, Parent
from prunella.core.detect import registries
from prunella.core.detect.creation import refusal
from prunella.core.facts import UNKNOWN, Workload, WorkloadFacts
from prunella.core.incident import common_cause, recovered
from prunella.core.incident.sources import ALERT
from prunella.core.standing import firing
from prunella.core.things.complaint import refusing_quota
from prunella.core.things.node import Node
from prunella.core.world import World

from .needs import needs
from .shared import SharedFaults

RECENT: Final = timedelta(hours=1)
"""Rollouts that began before it are of no interest: a change is looked for within half an hour before a fault."""
HOLDS: Final = timedelta(seconds=5)


class Around:
    """Reads the neighbours of Incidents. What it remembers is lost with the process, and is read again."""

    def __init__(self, view: View, operator_namespace: str) -> None:
        self._view = view
        self.faults = SharedFaults(view, operator_namespace)
        self._rolled_out: dict[str, tuple[datetime, tuple[WorkloadFacts, ...]]] = {}

    def joined(self, seen: World) -> World:
        """The same world with what stands around its Incident."""
        incident = seen.incident
        times = incident.status.times
        if times.cancelled_time is not None:
            return seen
        if common_cause.is_shared(incident.spec.target_ref):
            unseen = seen.finding is UNKNOWN
            shared = None if unseen else self.faults.about(incident, seen.now)
            storm = self._linked(incident) if unseen else self.faults.storm_before(incident, seen.now)
            told = common_cause.as_parent(storm) if storm is not None else None
            return replace(seen, shared=shared, parent=told, linked=told, children=tuple(self.children(incident)))
        if times.triggered_time is None or times.resolved_time is not None:
            recent = self._recent(incident.target_namespace, seen.now)
            seen = replace(seen, neighbours=Neighbours(workloads=recent, dependencies=tuple(needs(self._view, seen))))
        # Of one that is over as well: it may fire again, and is then a child from the first.
        linked = self._linked(incident)
        kept = common_cause.as_parent(linked) if linked is not None else None
        seen = replace(seen, parent=self._parent(seen, linked), linked=kept, children=tuple(self.children(incident)))
        return recovered.refined(seen, needs(self._view, seen)) if seen.parent is None else seen

    def children(self, parent: Incident) -> Iterator[Incident]:
        """The Incidents without an end that are linked to this one, as they are stored."""
        yield from self._view.children_of(parent.metadata.namespace or "", parent.metadata.name)

    def _linked(self, incident: Incident) -> Incident | None:
        """The parent that stands on it, while that one holds."""
        ref = incident.status.parent_ref
        linked = self._view.incident(ref.namespace or "", ref.name) if ref is not None else None
        return linked if linked is not None and common_cause.holds(linked) else None

    def _parent(self, seen: World, kept: Incident | None) -> Parent | None:
        """The open Incident of what this one fails for. What can't be seen now leaves the link as it stands."""
        if seen.finding is UNKNOWN:
            return common_cause.as_parent(kept) if kept is not None else None
        nearest = self._registry(seen) or self._quota(seen) or self._zone(seen) or self._lost_node(seen) or self._down(seen, kept)
        found = nearest or self._config_map(seen) or self._storm(seen)
        return common_cause.as_parent(found) if found is not None else None

    def _registry(self, seen: World) -> Incident | None:
        finding, facts = seen.known_finding, seen.workload
        if facts is None or finding is None or finding.cause != Cause.REGISTRY_UNREACHABLE:
            return None
        for host in sorted(registries.unreachable(facts.pods)):
            parent = self.faults.of_registry(host)
            if parent is not None:
                return parent
        return None

    def _quota(self, seen: World) -> Incident | None:
        """That of the ResourceQuota which the API server names where it refuses pods. One victim is enough: it is said in as many words."""
        finding, facts = seen.known_finding, seen.workload
        if facts is None or finding is None or finding.cause != Cause.REPLICA_CREATION_FAILED:
            return None
        said = refusal(facts.workload)
        name = refusing_quota(said.message) if said is not None else ""
        known = self._view.incidents_of("ResourceQuota", facts.workload.namespace, name) if name else ()
        return next((one for one in known if common_cause.cause_of(one) is Cause.QUOTA_EXCEEDED and common_cause.holds(one)), None)

    def _zone(self, seen: World) -> Incident | None:
        finding, node = seen.known_finding, seen.thing
        lost = isinstance(node, Node) and finding is not None and finding.cause == Cause.NODE_NOT_READY
        return self.faults.of_zone(node) if isinstance(node, Node) and lost else None

    def _config_map(self, seen: World) -> Incident | None:
        """That of the ConfigMap whose change is accused of this fault."""
        finding, facts = seen.known_finding, seen.workload
        accuses = facts is not None and finding is not None and finding.cause == Cause.CONFIG_CHANGED
        return self.faults.of_config_map(facts, finding.accused_config_map) if accuses and facts is not None and finding is not None else None

    def _storm(self, seen: World) -> Incident | None:
        """That of the storm, where the watch or an alert says that the target still fails."""
        fails = seen.workload is not None and (seen.known_finding is not None or _alerted(seen))
        return self.faults.of_storm(seen.incident, seen.now) if fails else None

    def _lost_node(self, seen: World) -> Incident | None:
        """The oldest Incident of the nodes that its pods are lost with, where every pod that is not ready is lost with one."""
        facts = seen.workload
        found = [self._not_ready(name) for name in sorted(common_cause.nodes_lacked(facts))] if facts is not None else []
        lost = [one for one in found if one is not None and common_cause.fails_for(seen, one)]
        if not lost or len(lost) < len(found):
            return None
        return min(lost, key=lambda one: (common_cause.began(one) or seen.now, one.metadata.name))

    def _not_ready(self, node: str) -> Incident | None:
        """The Incident of a node that is not Ready."""
        known = (one for one in self._view.incidents_of("Node", "", node) if common_cause.cause_of(one) is Cause.NODE_NOT_READY)
        return next((one for one in known if common_cause.holds(one)), None)

    def _down(self, seen: World, kept: Incident | None) -> Incident | None:
        """The oldest Incident of a dependency that is down, or was when the link was made."""
        uid = kept.metadata.uid if kept is not None else ""
        found = [
            incident
            for dependency in needs(self._view, seen)
            for incident in dependency.incidents
            if (incident.metadata.uid == uid or _down(dependency, incident)) and common_cause.fails_for(seen, incident)
        ]
        return min(found, key=lambda one: (common_cause.began(one) or seen.now, one.metadata.name), default=None)

    def lost_nodes(self) -> Mapping[str, Incident]:
        """By the name of the node, the Incidents of those that are not Ready."""
        found = ((one.spec.target_ref, one) for one in self._view.unended_incidents())
        lost = ((ref, one) for ref, one in found if ref.kind == "Node" and common_cause.cause_of(one) is Cause.NODE_NOT_READY)
        return {ref.name: one for ref, one in lost if common_cause.holds(one)}

    def lost_with(self, incident: Incident, nodes: Mapping[str, Incident]) -> Incident | None:
        """The Incident of a node with which pods of this one's target are lost: whether it is the parent is for the decision to say."""
        ref = incident.spec.target_ref
        facts = self._view.workload(ref.kind, incident.target_namespace, ref.name)
        names = sorted(common_cause.nodes_lacked(facts) & nodes.keys()) if facts is not None else []
        return nodes[names[0]] if names else None

    def _recent(self, namespace: str, now: datetime) -> tuple[WorkloadFacts, ...]:
        known = self._rolled_out.get(namespace)
        if known is None or abs(now - known[0]) >= HOLDS:
            known = (now, tuple(self._young(namespace, now - RECENT)))
            self._rolled_out = {name: one for name, one in self._rolled_out.items() if abs(now - one[0]) < HOLDS} | {namespace: known}
        return known[1]

    def _young(self, namespace: str, since: datetime) -> Iterator[WorkloadFacts]:
        for workload in self._view.workloads_in(namespace):
            if _at_rest(workload, since):
                continue
            facts = self._view.workload(workload.kind, workload.namespace, workload.name)
            began = rollout.rollout_began(facts) if facts is not None else None
            if facts is not None and began is not None and began >= since:
                yield facts


def _alerted(seen: World) -> bool:
    """Whether an alert fires: one that stands there, has just come in, or opened the Incident at which nobody has looked yet."""
    status, source = seen.incident.status, seen.incident.spec.source
    opener = source.signal if source is not None and not status.signals else None
    opens = opener is not None and opener.key.startswith(ALERT)
    return opens or any(one.state == "firing" for one in seen.alerts) or any(one.key.startswith(ALERT) for one in firing(status))


def _down(dependency: Dependency, incident: Incident) -> bool:
    target = incident.spec.target_ref
    return any(
        (one.workload.kind, one.workload.name) == (target.kind, target.name) and common_cause.down(incident, one) for one in dependency.workloads
    )


def _at_rest(workload: Workload, since: datetime) -> bool:
    """Whether a Deployment's own word is enough to know that nothing was rolled out since."""
    said = workload.condition("Progressing")
    return said is not None and said.reason == rollout.COMPLETE and said.last_update_time is not None and said.last_update_time < since
