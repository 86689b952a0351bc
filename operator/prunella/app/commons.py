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
from prunella.core.incident import common_cause

from .around import Around
from .intake import Intake
from .keys import IncidentKey
from .ports import Clock, View

PARENT_EVERY: Final = timedelta(seconds=10)
"""How often at most a parent is woken for its children: each time may be a write."""

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

    async def look(self) -> None:
        """Open what has to be opened, and wake whoever may decide otherwise now. Raises Retryable where an Incident could not be opened."""
        now = self._clock.now()
        shared = self._faults.seen(now)
        for ref, one in shared.items():
            if self._faults.parent(ref) is None:
                await self._intake.shared(ref, one)
        links = self._linked(shared)
        known = self._lost(links) | links
        for key in self._links.keys() | known.keys():
            if self._links.get(key) != known.get(key):
                self._wake(key)
        self._links = known
        self._wake_parents(shared, links, now)

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

    def _lost(self, links: Mapping[IncidentKey, _Link]) -> dict[IncidentKey, _Link]:
        """The others whose targets lost pods with a node, with its Incident: it may have been opened after theirs."""
        nodes = self._around.lost_nodes()
        if not nodes:
            return {}
        others = (one for one in self._view.unended_incidents() if _key(one) not in links)
        return {_key(one): _link(parent, None) for one in others if (parent := self._around.lost_with(one, nodes)) is not None}

    def _wake_parents(self, shared: Mapping[ObjectRef, Shared], links: Mapping[IncidentKey, _Link], now: datetime) -> None:
        fails: dict[IncidentKey, set[str]] = defaultdict(set)
        for child, (parent, *_) in links.items():
            fails[parent].add("/".join(child))
        for ref, one in shared.items():
            incident = self._faults.parent(ref)
            if incident is not None:
                fails[_key(incident)] |= {f"fails {child}" for child in one.failing_pods}
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
