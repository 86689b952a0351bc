"""A ConfigMap that several workloads read and that was changed before all of them began to fail: the change is at fault, and they are its victims.

The rule this module protects: each of them accuses it for itself, by what is evidence where it is the only one. That a workload reads it, or fails at
the same time, accuses nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.incident import Change, Incident
from prunella.api.names import Cause
from prunella.api.workload_record import KnownConfigMap
from prunella.core import configs
from prunella.core.around import Shared
from prunella.core.enumerated import some
from prunella.core.facts import Workload

from .common_cause import CONFIG_MAP, began, cause_of

LEAST: Final = 2
"""So many accuse it: one alone is asked for itself, and may have it put back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuser:
    """A workload whose Incident says ConfigChanged, and what it accuses."""

    incident: str
    """Namespace and name of the Incident."""
    workload: Workload
    change: Change
    known: KnownConfigMap
    """With what the workload was healthy."""
    since: datetime | None
    """When its fault began that is seen now."""


def ref(namespace: str, known: KnownConfigMap) -> ObjectRef:
    """The ConfigMap as a target."""
    return ObjectRef(api_version="v1", kind=CONFIG_MAP, namespace=namespace, name=known.name, uid=known.uid)


def accused(incident: Incident) -> Change | None:
    """The change of a ConfigMap that the evidence accuses, while the watch sees the fault."""
    if cause_of(incident) is not Cause.CONFIG_CHANGED or began(incident) is None:
        return None
    return next((one for one in incident.status.changes if one.suspected is not None and one.target.startswith(configs.TARGET)), None)


def name_of(change: Change) -> str:
    """The ConfigMap's name."""
    return change.target.removeprefix(configs.TARGET)


def by_config_map(accusers: Sequence[Accuser], now: datetime) -> dict[ObjectRef, Shared]:
    """The ConfigMaps that several workloads accuse."""
    found: dict[ObjectRef, dict[str, Accuser]] = defaultdict(dict)
    for one in accusers:
        found[ref(one.workload.namespace, one.known)][one.workload.uid] = one
    return {config_map: _shared(config_map.name, list(them.values()), now) for config_map, them in found.items() if len(them) >= LEAST}


def _shared(name: str, them: Sequence[Accuser], now: datetime) -> Shared:
    changed = min(one.change.time for one in them)
    copies = some(sorted(one.known.copy_name for one in them))
    told = f"ConfigMap {name} was changed at {changed:%H:%M:%S}, and {len(them)} workloads that read it fail since: {_names(them)}"
    return Shared(
        cause=Cause.CONFIG_CHANGED,
        summary=f"{told}; what they were healthy with is kept in {copies}: whether that comes back is for people to say, because all of them read it",
        started_time=min(now, *(one.since or now for one in them)),
        open_time=now,
        failing_pods=tuple(sorted(one.incident for one in them)),
    )


def _names(them: Sequence[Accuser]) -> str:
    return some(sorted(one.workload.name for one in them))
