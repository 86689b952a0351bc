"""What many fail for at this moment: a registry, a zone, a ConfigMap, a storm; and the Incident that it has.

The rule this module protects: it follows from stored objects and the cache alone, so that a restart and another replica find the same, under the same
name. What has a nearer cause is no part of a storm.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.healing_policy import Storm as Limits
from prunella.api.incident import Incident
from prunella.api.names import Cause
from prunella.api.workload_record import KnownConfigMap
from prunella.app.ports import View
from prunella.core.around import Shared
from prunella.core.detect import registries
from prunella.core.facts import WorkloadFacts
from prunella.core.healing.guards import mass
from prunella.core.healing.guards.storm import CLASS_OF, hit
from prunella.core.healing.known import known_config, record
from prunella.core.incident import common_cause, shared_config, zones
from prunella.core.incident.common_cause import CONFIG_MAP, REGISTRY, STORM, ZONE
from prunella.core.incident.shared_config import Accuser
from prunella.core.incident.states import over
from prunella.core.incident.zones import LostNode
from prunella.core.standing import firing
from prunella.core.things.node import Node

from . import targets
from .failing_now import counted, failing, opted_in_workloads

HOLDS: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What the storm was seen to hit at an instant."""

    at: datetime
    names: frozenset[str]
    """The Incidents that are part of it."""
    classes: frozenset[str]
    """In which way they fail: who begins to fail so after that joins them."""
    explained: frozenset[str]
    """The Incidents that have a nearer cause."""


class SharedFaults:
    """Reads what is shared. What it remembers is lost with the process, and is read again."""

    def __init__(self, view: View, operator_namespace: str) -> None:
        self._view = view
        self._namespace = operator_namespace
        self._hit: Hit | None = None

    def seen(self, now: datetime) -> Mapping[ObjectRef, Shared]:
        """By target, what so many fail for now that it is one fault."""
        found = {self._ref(REGISTRY, common_cause.registry_name(host)): one for host, one in self._registries(now).items()}
        found |= shared_config.by_config_map(list(self._accusers()), now)
        explained = frozenset(child for one in found.values() for child in one.failing_pods)
        late = self._found_late(found)
        found |= {self._ref(ZONE, zone): one for zone, one in self._zones(now).items()}
        storm, classes = self._storm(now, explained, late)
        self._hit = Hit(at=now, names=frozenset(storm.failing_pods if storm is not None else ()), classes=classes, explained=explained)
        return found | ({self._ref(STORM, common_cause.HIT): storm} if storm is not None else {})

    def about(self, incident: Incident, now: datetime) -> Shared | None:
        """What so many fail for now that it is the fault of this Incident's target."""
        return next((one for ref, one in self.seen(now).items() if targets.about((incident,), ref)), None)

    def parent(self, ref: ObjectRef) -> Incident | None:
        """The Incident of such a target that is over neither by itself nor by a person."""
        known = targets.about(self._view.incidents_of(ref.kind, ref.namespace or "", ref.name), ref)
        return next((one for one in known if common_cause.holds(one)), None)

    def of_registry(self, host: str) -> Incident | None:
        """That of a registry."""
        return self.parent(self._ref(REGISTRY, common_cause.registry_name(host)))

    def of_zone(self, node: Node) -> Incident | None:
        """That of the zone in which a node stands."""
        zone = zones.zone_of(node)
        return self.parent(self._ref(ZONE, zone)) if zone else None

    def of_config_map(self, facts: WorkloadFacts, name: str) -> Incident | None:
        """That of a ConfigMap that a workload reads."""
        known = self._known(facts, name)
        return self.parent(shared_config.ref(facts.workload.namespace, known)) if known is not None else None

    def storm_before(self, incident: Incident, now: datetime) -> Incident | None:
        """That of the storm which told of what this one explains before this one was found: nobody is called twice for one fault."""
        ref = incident.spec.target_ref
        storm = self.parent(self._ref(STORM, common_cause.HIT)) if ref.kind in {REGISTRY, CONFIG_MAP} else None
        seen = self._hit_by_storm(now) if storm is not None else None
        return storm if seen is not None and _name(incident) in seen.names else None

    def of_storm(self, child: Incident, now: datetime) -> Incident | None:
        """That of the storm, for an Incident that is part of it: linked to it already, or failing as the others do."""
        parent = self.parent(self._ref(STORM, common_cause.HIT))
        if parent is None or common_cause.linked(child, parent) or _is_hit(child, self._hit_by_storm(now)):
            return parent
        return None

    def _ref(self, kind: str, name: str) -> ObjectRef:
        return common_cause.shared_ref(kind, name, self._namespace)

    def _limits(self) -> Limits:
        policy = self._view.healing_policy()
        return (policy.spec if policy is not None else HealingPolicySpec()).storm

    def _registries(self, now: datetime) -> Mapping[str, Shared]:
        waiting = []
        for incident in self._view.unended_incidents():
            ref = incident.spec.target_ref
            if common_cause.is_shared(ref) or common_cause.cause_of(incident) is not Cause.REGISTRY_UNREACHABLE:
                continue
            facts = self._view.workload(ref.kind, incident.target_namespace, ref.name)
            if facts is not None and ref.uid in {None, facts.workload.uid}:
                waiting.append(common_cause.unpulled(incident, facts, registries.unreachable(facts.pods)))
        return common_cause.by_registry(waiting, self._limits().min_workloads, now)

    def _accusers(self) -> Iterator[Accuser]:
        """The workloads that fail since a ConfigMap was changed, and for nothing nearer."""
        for incident in self._view.unended_incidents():
            change = shared_config.accused(incident)
            if change is None or self._has_a_nearer(incident):
                continue
            ref = incident.spec.target_ref
            facts = self._view.workload(ref.kind, incident.target_namespace, ref.name)
            known = self._known(facts, shared_config.name_of(change)) if facts is not None and ref.uid in {None, facts.workload.uid} else None
            if facts is not None and known is not None:
                yield Accuser(incident=_name(incident), workload=facts.workload, change=change, known=known, since=common_cause.began(incident))

    def _known(self, facts: WorkloadFacts, name: str) -> KnownConfigMap | None:
        """What is remembered of a ConfigMap that a workload was healthy with."""
        workload = facts.workload
        stored = self._view.record(workload.namespace, record.record_name(workload.kind, workload.name))
        return next((one for one in known_config.remembered(stored, facts) if one.name == name), None)

    def _has_a_nearer(self, incident: Incident) -> bool:
        """Whether it fails for something else than a ConfigMap or a storm."""
        ref = incident.status.parent_ref
        parent = self._view.incident(ref.namespace or "", ref.name) if ref is not None else None
        return parent is not None and parent.spec.target_ref.kind not in {CONFIG_MAP, STORM} and common_cause.holds(parent)

    def _zones(self, now: datetime) -> Mapping[str, Shared]:
        lost, limits = list(self._lost_nodes(now)), self._limits()
        if len(lost) < limits.min_workloads:
            return {}
        sizes = Counter(zones.zone_of(one) for one in self._view.things() if isinstance(one, Node))
        return zones.by_zone(lost, sizes, limits, now)

    def _lost_nodes(self, now: datetime) -> Iterator[LostNode]:
        for incident in self._view.unended_incidents():
            ref = incident.spec.target_ref
            if ref.kind != Node.kind or common_cause.cause_of(incident) is not Cause.NODE_NOT_READY:
                continue
            node = self._view.thing(Node.kind, "", ref.name)
            if isinstance(node, Node) and not node.ready and ref.uid in {None, node.uid}:
                yield LostNode(incident=_name(incident), node=node.name, zone=zones.zone_of(node), since=node.ready_since or now)

    def _found_late(self, found: Mapping[ObjectRef, Shared]) -> frozenset[str]:
        """By name, the Incidents of the causes that were found for what a storm had told of before, and of those who fail for them."""
        storm = self.parent(self._ref(STORM, common_cause.HIT))
        linked = {_name(one) for one in self._view.children_of(storm.metadata.namespace or "", storm.metadata.name)} if storm is not None else set()
        late = set()
        for ref, one in found.items() if linked else ():
            parent = self.parent(ref)
            if linked & {*one.failing_pods, *((_name(parent),) if parent is not None else ())}:
                late |= {*one.failing_pods, *((_name(parent),) if parent is not None else ())}
        return frozenset(late)

    def _storm(self, now: datetime, explained: frozenset[str], late: frozenset[str]) -> tuple[Shared | None, frozenset[str]]:
        """The storm, and the classes of failure in which too much fails at once."""
        policy = self._view.healing_policy()
        since = policy.status.storm_since_time if policy is not None else None
        if since is None:
            return None, frozenset()
        parent = self.parent(self._ref(STORM, common_cause.HIT))
        seen = [one for one in failing(self._view, now) if _fires(one)]
        alone = [one for one in seen if _name(one) in late or (_name(one) not in explained and _of_nobody_else(one, parent))]
        those, all_of_them, limits = [counted(one) for one in alone], opted_in_workloads(self._view), self._limits()
        linked = late | _names(one for one in alone if parent is not None and common_cause.linked(one, parent))
        storm = mass.shared(those, linked, all_of_them, limits, since=since, standing=parent is not None, now=now)
        if storm is not None:
            storm = replace(storm, failing_pods=tuple(sorted({*storm.failing_pods, *late})))
        return storm, hit(those, all_of_them, limits)

    def _hit_by_storm(self, now: datetime) -> Hit | None:
        """What it hits: a storm of Incidents is not looked through once for each of them."""
        if self._hit is None or abs(now - self._hit.at) >= HOLDS:
            self.seen(now)
        return self._hit


def _is_hit(child: Incident, seen: Hit | None) -> bool:
    """Whether it is part of the storm: it was seen to be, or it failed since then as the others do, and for nobody else."""
    if seen is None or _name(child) in seen.names:
        return seen is not None
    own = child.status.parent_ref is None or over(child.status)
    return own and _name(child) not in seen.explained and CLASS_OF.get(common_cause.cause_of(child) or Cause.REPORTED) in seen.classes


def _fires(one: Incident) -> bool:
    """Whether it is seen to fail still; one that nobody looked at yet is."""
    return not one.status.signals or bool(firing(one.status))


def _of_nobody_else(one: Incident, storm: Incident | None) -> bool:
    return one.status.parent_ref is None or (storm is not None and common_cause.linked(one, storm))


def _names(incidents: Iterable[Incident]) -> frozenset[str]:
    return frozenset(_name(one) for one in incidents)


def _name(one: Incident) -> str:
    return f"{one.metadata.namespace}/{one.metadata.name}"
