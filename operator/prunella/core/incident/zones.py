"""A zone that is lost: where many of its nodes are not Ready at once, the zone is at fault, and none of them is treated.

The rule this module protects: how many are too many is what the storm brake says, counted in nodes; and that another zone takes over is suggested to
people, never begun.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prunella.api.healing_policy import Storm
from prunella.api.names import Cause
from prunella.core.around import Shared
from prunella.core.enumerated import some
from prunella.core.things.node import Node

LABEL: Final = "topology.kubernetes.io/zone"
ADVICE: Final = "if they do not come back, failing over to another zone (disaster recovery) is people's decision: nothing of it is run here"


@dataclass(frozen=True, slots=True, kw_only=True)
class LostNode:
    """A node whose Incident says NodeNotReady, and that is not Ready now."""

    incident: str
    """Namespace and name of the Incident."""
    node: str
    zone: str
    since: datetime


def zone_of(node: Node) -> str:
    """The zone that a node says it stands in; empty where it says none."""
    return node.labels.get(LABEL, "")


def by_zone(lost: Sequence[LostNode], sizes: Mapping[str, int], limits: Storm, now: datetime) -> dict[str, Shared]:
    """By zone, those that lost too many of their nodes. `sizes`: how many nodes each zone has."""
    found: dict[str, dict[str, LostNode]] = defaultdict(dict)
    for one in lost:
        if one.zone:
            found[one.zone][one.node] = one
    return {zone: _shared(zone, list(them.values()), sizes[zone], now) for zone, them in found.items() if _too_many(len(them), sizes[zone], limits)}


def _too_many(lost: int, nodes: int, limits: Storm) -> bool:
    return lost >= limits.min_workloads and lost * 100 > limits.percent * nodes


def _shared(zone: str, them: Sequence[LostNode], nodes: int, now: datetime) -> Shared:
    return Shared(
        cause=Cause.MASS_FAILURE,
        summary=f"zone {zone}: {len(them)} of its {nodes} nodes are not Ready: {some(one.node for one in them)}; {ADVICE}",
        started_time=min(now, *(one.since for one in them)),
        open_time=now,
        failing_pods=tuple(sorted(one.incident for one in them)),
        extensive="many nodes of a zone are lost at once",
    )
