"""Common cause first: what fails for a registry, quota, zone, node, dependency or ConfigMap has its Incident as parent; so has what a storm hits.

The rule this module protects: a child is not treated and wakes nobody while its parent does, and never longer. What a workload brought upon itself is
its own; nothing holds back what holds it back; and what could not be seen changes no link.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from prunella.api.base import API_VERSION
from prunella.api.common import NamespacedRef, ObjectRef
from prunella.api.incident import Incident
from prunella.api.names import Cause, ConditionStatus, EscalationState, SourceKind
from prunella.core.around import Parent, Shared
from prunella.core.draft import Draft
from prunella.core.enumerated import some
from prunella.core.facts import WorkloadFacts
from prunella.core.standing import firing
from prunella.core.subject import CLUSTER_KINDS
from prunella.core.world import World

from .sources import WATCH, alert_started
from .states import over

REGISTRY: Final = "Registry"
ZONE: Final = "Zone"
STORM: Final = "Storm"
HIT: Final = "workloads"
"""The name of a storm: there is one brake, and so there is one of it."""
CONFIG_MAP: Final = "ConfigMap"
SHARED: Final = frozenset({(API_VERSION, REGISTRY), (API_VERSION, ZONE), (API_VERSION, STORM), ("v1", CONFIG_MAP)})
"""API version and kind of what is no target of its own detector: it is at fault because of what many show."""
CHILDREN: Final = 50
ENDED_PHASES: Final = frozenset({"Failed", "Succeeded"})
OWN_WHATEVER_ELSE_FAILS: Final = frozenset({Cause.ROLLOUT_IMAGE_PULL, Cause.ROLLOUT_CONFIG_ERROR, Cause.REPLICA_CREATION_FAILED, Cause.UNSCHEDULABLE})
"""What a revision asks for and is not there is missing whether its dependencies are well or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpulled:
    """A workload whose Incident says RegistryUnreachable, and the registries that its pods wait for now."""

    incident: str
    """Namespace and name of the Incident."""
    namespace: str
    kind: str
    workload: str
    registries: frozenset[str]
    since: datetime


def registry_name(host: str) -> str:
    """A registry's host with its port as the name of a target: a number after a dot can't be taken for the end of another host."""
    return host.replace(":", ".")[:253]


def shared_ref(kind: str, name: str, operator_namespace: str) -> ObjectRef:
    """A registry, a zone or a storm as a target. It has no object in the cluster: its Incident stands in the operator's namespace."""
    return ObjectRef(api_version=API_VERSION, kind=kind, name=name, namespace=operator_namespace)


def is_shared(ref: ObjectRef) -> bool:
    """Whether a target is what many of them need, or what hits many of them."""
    return (ref.api_version, ref.kind) in SHARED


def by_registry(failing: Sequence[Unpulled], least: int, now: datetime) -> dict[str, Shared]:
    """By host, the registries for which at least so many workloads fail."""
    hosts = sorted({host for one in failing for host in one.registries})
    found = {host: {(one.namespace, one.kind, one.workload): one for one in failing if host in one.registries} for host in hosts}
    return {host: _shared(host, list(them.values()), now) for host, them in found.items() if len(them) >= least}


def _shared(host: str, them: Sequence[Unpulled], now: datetime) -> Shared:
    names = some(f"{one.namespace}/{one.workload}" for one in them)
    summary = f"{host}: {len(them)} workloads can't pull their images from it: {names}"
    started = min(now, *(one.since for one in them))
    return Shared(
        cause=Cause.REGISTRY_UNREACHABLE,
        summary=summary,
        started_time=started,
        open_time=now,
        failing_pods=tuple(sorted(one.incident for one in them)),
    )


def as_parent(incident: Incident) -> Parent:
    """An Incident as the parent of others."""
    ref = incident.spec.target_ref
    what = incident.status.target or f"{ref.kind.lower()}/{ref.name}"
    if is_shared(ref) and ref.kind == STORM:
        what = "a storm that hits many workloads"
    config_map = ref.name if is_shared(ref) and ref.kind == CONFIG_MAP else ""
    where = "" if (is_shared(ref) and not config_map) or ref.kind in CLUSTER_KINDS else f" in {incident.target_namespace}"
    unheard = any(one.type == "NoResponder" and one.status is ConditionStatus.TRUE for one in incident.status.conditions)
    name = NamespacedRef(namespace=incident.metadata.namespace, name=incident.metadata.name)
    owner = incident.status.owner
    return Parent(
        ref=name,
        what=f"{what}{where}",
        config_map=config_map,
        told=not unheard,
        policy=owner.escalation_policy_ref if owner is not None else None,
        stated=incident.status.priority if incident.spec.impact is not None else None,
    )


def holds(incident: Incident) -> bool:
    """Whether a parent still holds its children: that of a registry until it is over, any other while it is seen."""
    if over(incident.status):
        return False
    if is_shared(incident.spec.target_ref):
        begins = not incident.status.signals and incident.source_kind is not SourceKind.PERSON  # whose report is no fault that many show
        # A kubelet that waits longer and longer to pull again is not seen to fail while it does.
        return incident.spec.target_ref.kind == REGISTRY or begins or began(incident) is not None
    mitigated = any(one.type == "Mitigated" and one.status is ConditionStatus.TRUE for one in incident.status.conditions)
    return not mitigated and began(incident) is not None


def linked(child: Incident, parent: Incident) -> bool:
    """Whether it is stored that the one fails for the other."""
    ref = child.status.parent_ref
    return ref is not None and (ref.namespace, ref.name) == (parent.metadata.namespace, parent.metadata.name)


def cause_of(incident: Incident) -> Cause | None:
    """What is wrong with its target, by its status or, before anybody looked, by what opened it."""
    source = incident.spec.source
    return incident.status.cause or (source.signal.cause if source is not None and source.signal is not None else None)


def began(incident: Incident) -> datetime | None:
    """When the fault began that the watch sees now; None where it sees none. A better cause that was found later began with the one before it."""
    seen = [one.started_time or one.first_seen_time for one in firing(incident.status) if one.key.startswith(WATCH)]
    if not seen:
        return None
    first = incident.status.times.started_time
    return first if first is not None and incident.status.episode == 1 else min(seen)


def down(incident: Incident, facts: WorkloadFacts) -> bool:
    """Whether a dependency's workload lacks pods for the fault of its Incident. One that still serves in full makes nobody fail."""
    return holds(incident) and facts.workload.ready < facts.workload.desired


def nodes_lacked(facts: WorkloadFacts) -> frozenset[str]:
    """The nodes of all its pods that are not ready; empty where all are, or one of them never got to a node and so lacks something else."""
    waiting = [pod for pod in facts.pods if not pod.ready and pod.phase not in ENDED_PHASES]
    return frozenset(pod.node for pod in waiting) if all(pod.node for pod in waiting) else frozenset()


def fails_for(world: World, dependency: Incident) -> bool:
    """Whether the target's fault can come from that of the dependency: it began no earlier, and is nothing that the target brought upon itself."""
    since, finding = began(dependency), world.known_finding
    if since is None:
        return False
    if finding is not None and finding.accused_revision and finding.cause in OWN_WHATEVER_ELSE_FAILS:
        return False
    mine = own_begin(world)
    return mine is not None and mine >= since


def own_begin(world: World) -> datetime | None:
    """When the target's own fault began, by what stands there: what is seen of a crash loop now is only its last crashes.

    Of what is over and fires again it is the new episode's, which is not stored yet: it lies between the recovery and now.
    """
    status, source = world.incident.status, world.incident.spec.source
    resolved, finding = status.times.resolved_time, world.known_finding
    if resolved is not None:
        told = [alert_started(one)[0] for one in world.alerts if one.state == "firing"]
        return min(world.now, max(resolved, min([*told, finding.started_time] if finding is not None else told, default=world.now)))
    if status.episodes:
        return status.episodes[-1].started_time
    if source is not None and source.signal is not None:
        return source.signal.started_time
    return world.incident.metadata.creation_timestamp


def follow(world: World, draft: Draft) -> Draft:
    """Stage: the links between parent and children, as they are now. What is over keeps those that it had."""
    if over(draft.status):
        return draft
    children = tuple(NamespacedRef(namespace=one.metadata.namespace, name=one.metadata.name) for one in world.children)
    if (len(children), children[:CHILDREN]) != (draft.status.child_count, draft.status.children):
        draft = draft.with_status(children=children[:CHILDREN], child_count=len(children))
    before, parent = draft.status.parent_ref, world.parent
    if before == (parent.ref if parent is not None else None):
        return draft
    if parent is not None:
        message = f"{parent.what} is at fault: Incident {_name(parent.ref)} tells people, and nothing is done here until it is judged anew"
        return draft.with_status(parent_ref=parent.ref).note("CommonCauseFound", message)
    draft = draft.with_status(parent_ref=None)
    draft = draft.note("CommonCauseOver", f"Incident {_name(before)} holds it back no longer: what still fails here is judged anew")
    if draft.status.escalation.state is EscalationState.PAUSED:
        # The ladder goes on from now: nobody is late for what nobody was to be told.
        return draft.with_status(escalation=draft.status.escalation.model_copy(update={"step_started_time": draft.now}))
    return draft


def unpulled(incident: Incident, facts: WorkloadFacts, registries: frozenset[str]) -> Unpulled:
    """What an Incident says of its workload."""
    source = incident.spec.source
    opened = source.signal.started_time if source is not None and source.signal is not None else None
    since = began(incident) or opened or incident.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC)
    workload, meta = facts.workload, incident.metadata
    return Unpulled(
        incident=f"{meta.namespace}/{meta.name}",
        namespace=workload.namespace,
        kind=workload.kind,
        workload=workload.name,
        registries=registries,
        since=since,
    )


def _name(ref: NamespacedRef | None) -> str:
    return f"{ref.namespace}/{ref.name}" if ref is not None else ""
