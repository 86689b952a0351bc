"""Around: what a decision about one Incident may know of its neighbours, from the cache alone.

The rule this module protects: a storm of Incidents in one namespace does not look through that namespace once for each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import NamespacedRef
from prunella.core import rollout
from prunella.core.around import Dependency, Neighbours
from prunella.core.facts import Workload, WorkloadFacts
from prunella.core.incident import ownership
from prunella.core.world import World

from .ports import View

RECENT: Final = timedelta(hours=1)
"""Rollouts that began before it are of no interest: a change is looked for within half an hour before a fault."""
HOLDS: Final = timedelta(seconds=5)


class Around:
    """Reads the neighbours of Incidents. What it remembers is lost with the process, and is read again."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._rolled_out: dict[str, tuple[datetime, tuple[WorkloadFacts, ...]]] = {}

    def joined(self, seen: World) -> World:
        """The same world with the neighbours, where an episode may begin."""
        times = seen.incident.status.times
        if times.cancelled_time is not None or (times.triggered_time is not None and times.resolved_time is None):
            return seen
        near = Neighbours(
            workloads=self._recent(seen.incident.target_namespace, seen.now),
            dependencies=tuple(self._dependencies(seen)),
        )
        return replace(seen, neighbours=near)

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

    def _dependencies(self, seen: World) -> Iterator[Dependency]:
        entry = ownership.entry_of(seen)
        if entry is None:
            return
        home = entry.entry.metadata.namespace or ""
        for ref in entry.entry.spec.depends_on:
            yield self._dependency(NamespacedRef(namespace=ref.namespace or home, name=ref.name))

    def _dependency(self, ref: NamespacedRef) -> Dependency:
        namespace, name = ref.namespace or "", f"{ref.namespace}/{ref.name}"
        entries = self._view.entries(namespace)
        if all(one.metadata.name != ref.name for one in entries):
            return Dependency(name=name)
        found = []
        for workload in self._view.workloads_in(namespace):
            owner = ownership.entry_for(workload, entries)
            facts = (
                self._view.workload(workload.kind, namespace, workload.name) if owner is not None and owner.entry.metadata.name == ref.name else None
            )
            found += [facts] if facts is not None else []
        incidents = [
            one
            for facts in found
            for one in self._view.incidents_of(facts.workload.kind, namespace, facts.workload.name)
            if one.spec.target_ref.uid in {None, facts.workload.uid}
            and one.status.times.resolved_time is None
            and one.status.times.cancelled_time is None
        ]
        return Dependency(name=name, workloads=tuple(found), incidents=tuple(incidents))


def _at_rest(workload: Workload, since: datetime) -> bool:
    """Whether a Deployment's own word is enough to know that nothing was rolled out since."""
    said = workload.condition("Progressing")
    return said is not None and said.reason == rollout.COMPLETE and said.last_update_time is not None and said.last_update_time < since
