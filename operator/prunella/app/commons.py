"""Commons: opens the parent Incident of what many workloads or nodes fail for, and wakes parents and children when their links may change.

The rule this module protects: nothing that counts is remembered here. The parent is an Incident under a deterministic name, the links stand on the
Incidents, and whoever is woken for nothing finds nothing to do.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident
from prunella.core.around import Shared
from prunella.core.healing.steps.step import WORKLOADS
from prunella.core.incident import common_cause

from .around.around import Around
from .errors import Lost, PrunellaError
from .intake import Intake
from .keys import IncidentKey
from .ports import Clock, View

PARENT_EVERY: Final = timedelta(seconds=10)
"""How often at most a parent is woken for its children: each time may be a write."""
LOST_EVERY: Final = timedelta(seconds=5)
"""How often it is looked, while the same nodes are lost, who lost pods with them: the pods of every Incident's target are read."""

_Link: TypeAlias = tuple[IncidentKey, bool, bool, IncidentKey | None]
"""The parent; whether it holds; whether it can tell anybody; and the one that it should have."""


class Commons:
    """Keeps parents and children together. `wake` puts an Incident's key on its queue."""

    def __init__(self, view: View, around: Around, intake: Intake, clock: Clock, wake: Callable[[IncidentKey], None]) -> None:
        self._view = view
        self._around = around
        self._faults = around.faults
        self._intake = intake
        self._clock = clock
        self._wake = wake
        self._links: dict[IncidentKey, _Link] = {}
        self._fails: dict[IncidentKey, frozenset[str]] = {}
        self._woken: dict[IncidentKey, datetime] = {}
        self._looked: tuple[datetime, frozenset[str]] | None = None
        """When it was last looked who lost pods with which nodes."""
        self._others: dict[IncidentKey, _Link] = {}

    async def look(self) -> None:
        """Open what has to be opened, and wake whoever may decide otherwise now. Raises at the end where one could not be opened."""
        now = self._clock.now()
        shared = self._faults.seen(now)
        failed = await self._open(shared)
        links = self._linked(shared)
        known = self._lost(links, now) | links
        for key in self._links.keys() | known.keys():
            if self._links.get(key) != known.get(key):
                self._wake(key)
        self._links = known
        self._wake_parents(shared, now)
        if failed:
            raise failed[0]

    async def _open(self, shared: Mapping[ObjectRef, Shared]) -> list[PrunellaError]:
        """The Incident of each that has none, and what prevented some: one that can't be opened holds up no other."""
        failed = []
        for ref, one in shared.items():
            if self._faults.parent(ref) is None:
                try:
                    await self._intake.shared(ref, one)
                except Lost:
                    raise
                except PrunellaError as error:
                    failed.append(error)
        return failed

    def _linked(self, shared: Mapping[ObjectRef, Shared]) -> dict[IncidentKey, _Link]:
        """Every Incident without an end that is linked, or is to be, with what stands of its parent."""
        parents = {ref: self._faults.parent(ref) for ref in shared}
        wanted = {child: parent for ref, parent in parents.items() if parent is not None for child in shared[ref].failing_pods}
        links = {}
        for one in self._view.unended_incidents():
            ref, better = one.status.parent_ref, wanted.get("/".join(_key(one)))
            parent = self._view.incident(ref.namespace or "", ref.name) if ref is not None else better
            if parent is not None:
                links[_key(one)] = _link(parent, better)
            elif ref is not None:  # deleted
                links[_key(one)] = (IncidentKey(ref.namespace or "", ref.name), False, False, None)
        return links

    def _lost(self, links: Mapping[IncidentKey, _Link], now: datetime) -> dict[IncidentKey, _Link]:
        """The others whose targets lost pods with a node, with its Incident: it may have been opened after theirs."""
        nodes = self._around.lost_nodes()
        if self._looked is None or self._looked[1] != nodes.keys() or abs(now - self._looked[0]) >= LOST_EVERY:
            unended = self._view.unended_incidents() if nodes else ()
            others = (one for one in unended if one.spec.target_ref.kind in WORKLOADS and _key(one) not in links)
            found = ((one, self._around.lost_with(one, nodes)) for one in others)
            self._others = {_key(one): _link(parent, None) for one, parent in found if parent is not None}
            self._looked = (now, frozenset(nodes))
        return self._others

    def _wake_parents(self, shared: Mapping[ObjectRef, Shared], now: datetime) -> None:
        """Once other Incidents than before are linked to it, or are to be."""
        fails: dict[IncidentKey, set[str]] = defaultdict(set)
        for child in self._view.unended_incidents():
            parent = child.status.parent_ref
            if parent is not None:
                fails[IncidentKey(parent.namespace or "", parent.name)].add("/".join(_key(child)))
        for ref, one in shared.items():
            incident = self._faults.parent(ref)
            if incident is not None:
                fails[_key(incident)] |= {f"fails {name}" for name in one.failing_pods}
        self._woken = {key: at for key, at in self._woken.items() if abs(now - at) < PARENT_EVERY}
        for key in self._fails.keys() | fails.keys():
            if self._fails.get(key, frozenset()) != fails.get(key, set()) and key not in self._woken:
                self._wake(key)
                self._woken[key] = now
                self._fails[key] = frozenset(fails.get(key, set()))
                if not self._fails[key]:
                    del self._fails[key]


def _link(parent: Incident, better: Incident | None) -> _Link:
    return (_key(parent), common_cause.holds(parent), common_cause.as_parent(parent).told, _key(better) if better is not None else None)


def _key(incident: Incident) -> IncidentKey:
    return IncidentKey(incident.metadata.namespace or "", incident.metadata.name)
