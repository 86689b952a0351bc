"""What the steps that take a node out have in common: whether it may be taken out now, and by whose hand it is out.

The rules this module protects: few nodes are out at once, whoever took them out; the last one that takes pods stays; a node that medik8s is at work
on is left to it; and a cordon without our mark is a person's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final

from prunella.api.base import GROUP
from prunella.api.names import Cause
from prunella.core.facts import UnknownT
from prunella.core.healing.effects import unmark
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.refusal import Refusal
from prunella.core.things.node import Node

from .step import SETTLE, Ask, Listed, LiveFacts, Right, Wait

NODE: Final = frozenset({"Node"})
UNSCHEDULABLE: Final = "/spec/unschedulable"
TAINTS: Final = "/spec/taints"
OWN_KEYS: Final = f"{GROUP}/"
"""How the keys of the taints begin that we set, and nobody else."""
GRANTED_BY: Final = "manifests/nodes"
"""Apart from what opting in grants: nodes are of the whole cluster."""
PATCH: Final = Right(verb="patch", group="", resource="nodes", clusterwide=True)
EVICT: Final = Right(verb="create", group="", resource="pods/eviction", clusterwide=True)
"""In every namespace: a node carries pods of all."""
READ_LEASES: Final = Right(verb="get", group="coordination.k8s.io", resource="leases", clusterwide=True)
ALL: Final = Listed("v1", "Node", "")
SHARE: Final = 10
"""One node in so many may be out at once, rounded down; one always may."""
NAMED: Final = 3
AGAIN: Final = timedelta(seconds=30)
OVER_ONCE_WELL: Final = frozenset({Cause.NODE_NOT_READY, Cause.NODE_PRESSURE, Cause.NODE_FAULT})
"""Causes that a node does not have any more once it is well."""


def lease_of(node: str) -> Listed:
    """The Lease by which medik8s holds a node."""
    return Listed("coordination.k8s.io/v1", "Lease", "medik8s-leases", name=f"node-{node}")


def taken_out(live: LiveFacts, most: int) -> Refusal | Ask | Wait | None:
    """Why the target must not be taken out now; None where it may be."""
    lease = lease_of(live.subject.name)
    if ALL not in live.answers or lease not in live.answers:
        return Ask(reads=(ALL, lease))
    nodes, held = live.answers[ALL], live.answers[lease]
    if isinstance(nodes, UnknownT) or isinstance(held, UnknownT):
        what = "the nodes of the cluster" if isinstance(nodes, UnknownT) else "the Lease of medik8s for the node"
        return Wait(until_time=live.now + SETTLE, message=f"{what} could not be read")
    holder = next((who for one in held if (who := _holder(one, live.now))), "")
    if holder:
        message = f"{live.subject.short} is held by {holder} with a Lease of medik8s: it is left to it"
        return Refusal(reason="DelegatedToNodeRepair", message=message, look_again_time=live.now + AGAIN)
    others = [one for one in nodes if part_of(one, "/metadata/uid") != live.subject.uid]
    return _too_many(live, others, min(most, max(1, len(nodes) // SHARE)))


def _too_many(live: LiveFacts, others: list[Json], allowed: int) -> Refusal | None:
    out = sorted(str(part_of(one, "/metadata/name")) for one in others if cordoned(one) or _tainted(one) or not _ready(one))
    if len(out) == len(others):
        message = f"no other node takes pods: {live.subject.short} stays"
    elif len(out) >= allowed:
        message = (
            f"out already: {', '.join(out[:NAMED])}{' and more' if len(out) > NAMED else ''}; with {live.subject.short} more than {allowed} would be"
        )
    else:
        return None
    return Refusal(reason="SelectionTooWide", message=message, look_again_time=live.now + AGAIN)


def _ready(node: Json) -> bool:
    """Whether it says that it is: silence is no health."""
    return any(part_of(one, "/type") == "Ready" and part_of(one, "/status") == "True" for one in listed(node, "/status/conditions"))


def _tainted(node: Json) -> bool:
    """Whether it bears a taint of ours."""
    return any(str(part_of(one, "/key")).startswith(OWN_KEYS) for one in listed(node, TAINTS))


def listed(raw: Json, path: str) -> tuple[Json, ...]:
    """The objects of the list at a place; none where there is no list."""
    found = part_of(raw, path)
    return tuple(one for one in found if isinstance(one, Mapping)) if isinstance(found, list | tuple) else ()


def well_again(live: LiveFacts) -> bool:
    """Whether what the run is for is over. The Incident may be about something else by now."""
    node, incident = live.subject, live.incident
    if not isinstance(node, Node) or incident is None or incident.status.cause not in OVER_ONCE_WELL:
        return False
    return node.well_after(live.cause or incident.status.cause)


def _holder(lease: Json, now: datetime) -> str:
    """Who holds it now; empty where nobody does. One whose end can't be told is held."""
    holder, renewed, seconds = (part_of(lease, f"/spec/{key}") for key in ("holderIdentity", "renewTime", "leaseDurationSeconds"))
    if not isinstance(holder, str) or not holder:
        return ""
    try:
        over = datetime.fromisoformat(str(renewed)) + timedelta(seconds=int(str(seconds))) <= now
    except (ValueError, TypeError, OverflowError):
        over = False
    return "" if over else holder


def cordoned(raw: Json) -> bool:
    """Whether it takes no pods, by whoever's hand."""
    return part_of(raw, UNSCHEDULABLE) is True


def ours(raw: Json) -> bool:
    """Whether the cordon is ours: the mark of a temporary measure on it says that this is what was written."""
    return cordoned(raw) and marked(raw).get("path") == UNSCHEDULABLE


def marked(raw: Json) -> Mapping[str, object]:
    """What the mark of a temporary measure on it says; nothing where it bears none, or one that can't be read."""
    return unmark.told(raw) or {}
