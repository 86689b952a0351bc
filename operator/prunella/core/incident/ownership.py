"""Stage: whose the target is, by the path that found it: annotation, CatalogEntry, namespace label, default.

The rule this module protects: the path is written down, a tie is said, and an unknown owner is a condition that says how to become known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import NamespacedRef
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Owner
from prunella.api.marks import ENTRY_ANNOTATION, TEAM_LABEL
from prunella.api.names import ConditionStatus
from prunella.core.draft import Draft
from prunella.core.facts import UNKNOWN, NamespaceFacts, Workload
from prunella.core.subject import Thing
from prunella.core.world import World

from .states import over


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The CatalogEntry of a target, and what has to be said about the choice."""

    entry: CatalogEntry
    remark: str = ""


def own(world: World, draft: Draft) -> Draft:
    """Write the owner. What can't be read now changes no owner that is known; nothing changes after the end."""
    if over(draft.status):
        return draft
    found = find_owner(world, draft)
    if found is None:
        return draft
    before = draft.status.owner
    draft = draft.with_status(owner=found)
    known = found.team is not None
    if before is not None and before.team != found.team:
        draft = draft.note("OwnerChanged", f"{before.team or 'nobody'} -> {found.team or 'nobody'} ({found.resolved_by})")
    return draft.without_condition("OwnerUnknown") if known else draft.condition("OwnerUnknown", ConditionStatus.TRUE, "OwnerUnknown", _advice(world))


def find_owner(world: World, draft: Draft) -> Owner | None:
    """The owner by the first path that leads to one; None where it can't be told now and one is known already."""
    readable = world.subject is not None and isinstance(world.namespace, NamespaceFacts)
    if not readable and draft.status.owner is not None and draft.status.owner.team is not None:
        return None
    entry, team = entry_of(world), _team(world)
    if entry is None and team is None:
        return _default(world, draft)
    parts = []
    if entry is not None:
        parts.append(f"CatalogEntry {entry.entry.metadata.namespace}/{entry.entry.metadata.name}{entry.remark}")
    policy, said = _policy(world, entry.entry if entry is not None else None, team)
    if entry is None:
        parts.append(f"namespace label {TEAM_LABEL}={team}")
    return Owner(
        team=entry.entry.spec.team if entry is not None else team,
        tier=entry.entry.spec.tier if entry is not None else None,
        escalation_policy_ref=policy,
        resolved_by="; ".join([*parts, *said])[:1024],
    )


def entry_of(world: World) -> Entry | None:
    """The CatalogEntry that the target names, else the one whose selector is the most specific; a tie goes by name and is said."""
    return entry_for(world.subject, world.entries) if world.subject is not None else None


def entry_for(subject: Workload | Thing, entries: Sequence[CatalogEntry]) -> Entry | None:
    """The same for an object and the CatalogEntries of its namespace."""
    named = subject.annotations.get(ENTRY_ANNOTATION)
    remark = ""
    if named is not None:
        entry = next((one for one in entries if one.metadata.name == named), None)
        if entry is not None:
            return Entry(entry=entry, remark=f" (annotation {ENTRY_ANNOTATION})")
        remark = f" (its annotation {ENTRY_ANNOTATION} names {named}, which is not there)"
    fitting = sorted((one for one in entries if _selects(one, subject.labels)), key=_specific)
    if not fitting:
        return None
    best, *others = fitting
    if others:
        names = ", ".join(one.metadata.name for one in others)
        tied = len(others[0].spec.selector.match_labels) == len(best.spec.selector.match_labels)
        remark += f" (also fits: {names}; {best.metadata.name} {'comes first by name' if tied else 'names the most labels'})"
    return Entry(entry=best, remark=remark)


def _selects(entry: CatalogEntry, labels: Mapping[str, str]) -> bool:
    return all(labels.get(name) == value for name, value in entry.spec.selector.match_labels.items())


def _specific(entry: CatalogEntry) -> tuple[int, str]:
    return (-len(entry.spec.selector.match_labels), entry.metadata.name)


def _team(world: World) -> str | None:
    return world.namespace.labels.get(TEAM_LABEL) or None if isinstance(world.namespace, NamespaceFacts) else None


def _policy(world: World, entry: CatalogEntry | None, team: str | None) -> tuple[NamespacedRef | None, list[str]]:
    """The first EscalationPolicy of the path that is there, and what has to be said about those that are not."""
    said: list[str] = []
    candidates: list[tuple[NamespacedRef, str]] = []
    if entry is not None and entry.spec.escalation_policy_ref is not None:
        ref = entry.spec.escalation_policy_ref
        candidates.append((NamespacedRef(namespace=ref.namespace or entry.metadata.namespace, name=ref.name), f"CatalogEntry {entry.metadata.name}"))
    if team is not None:
        candidates.append((NamespacedRef(namespace=_namespace(world), name=team), f"label {TEAM_LABEL}"))
    for ref, source in candidates:
        if _exists(world, ref):
            return ref, said
        said.append(f"{source} asks for EscalationPolicy {ref.namespace}/{ref.name}, which is not there")
    default = _default_ref(world)
    if default is not None:
        said.append("EscalationPolicy of HealingPolicy default")
    return default, said


def _default(world: World, draft: Draft) -> Owner:
    ref = _default_ref(world)
    if ref is None and world.policy is UNKNOWN and draft.status.owner is not None:
        ref = draft.status.owner.escalation_policy_ref
    return Owner(escalation_policy_ref=ref, resolved_by="HealingPolicy default" if ref is not None else "nobody: no CatalogEntry, label or default")


def _default_ref(world: World) -> NamespacedRef | None:
    policy = world.policy if isinstance(world.policy, HealingPolicy) else None
    ref = policy.spec.default_escalation_policy_ref if policy is not None else None
    return NamespacedRef(namespace=ref.namespace or world.operator_namespace, name=ref.name) if ref is not None else None


def _exists(world: World, ref: NamespacedRef) -> bool:
    return any((one.metadata.namespace, one.metadata.name) == (ref.namespace, ref.name) for one in world.escalation_policies)


def _namespace(world: World) -> str:
    return world.incident.target_namespace or world.operator_namespace


def _advice(world: World) -> str:
    namespace = _namespace(world)
    ref = world.incident.spec.target_ref
    return (
        f"no CatalogEntry of {namespace} selects {ref.kind} {ref.name}, and the namespace names "
        f"no team; to say whose it is: kubectl label namespace {namespace} {TEAM_LABEL}=<team> (and make EscalationPolicy <team> there)"
    )
