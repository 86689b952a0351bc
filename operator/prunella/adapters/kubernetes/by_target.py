"""Which Incidents are about an object, which have no end yet, and which of those have a parent, without a search through all that were ever stored.

The rule this module protects: what a change or an alert costs does not grow with the number of Incidents that are over.
"""

from __future__ import annotations

from collections.abc import Iterator

from prunella.api.incident import Incident
from prunella.core.subject import Place, place

from .shelf import Change, Key


class ByTarget:
    """Three indices over Incidents, kept by the changes of their shelf."""

    def __init__(self) -> None:
        self._of: dict[Place, dict[Key, Incident]] = {}
        self._unended: dict[Key, Incident] = {}
        self._children: dict[Key, dict[Key, Incident]] = {}

    def change(self, change: Change[Incident]) -> None:
        """An Incident came, changed or went. Its target never changes, but another may come under its name."""
        if change.before is not None:
            place = _place(change.before)
            siblings = self._of.get(place, {})
            siblings.pop(change.key, None)
            if not siblings:
                self._of.pop(place, None)
        known = self._unended.pop(change.key, None)
        if known is not None:
            self._let_go(change.key, _parent(known))
        if change.after is not None:
            self._of.setdefault(_place(change.after), {})[change.key] = change.after
            times = change.after.status.times
            if times.resolved_time is None and times.cancelled_time is None:
                self._unended[change.key] = change.after
                parent = _parent(change.after)
                if parent is not None:
                    self._children.setdefault(parent, {})[change.key] = change.after

    def of(self, kind: str, namespace: str, name: str) -> Iterator[Incident]:
        """The Incidents about a target of that name, whatever its uid."""
        return iter(list(self._of.get((kind, namespace, name), {}).values()))

    def unended(self) -> Iterator[Incident]:
        """The Incidents that are neither resolved nor cancelled."""
        return iter(list(self._unended.values()))

    def children(self, namespace: str, name: str) -> Iterator[Incident]:
        """The Incidents without an end that are linked to that one."""
        return iter(list(self._children.get((namespace, name), {}).values()))

    def _let_go(self, child: Key, parent: Key | None) -> None:
        siblings = self._children.get(parent, {}) if parent is not None else {}
        siblings.pop(child, None)
        if parent is not None and not siblings:
            self._children.pop(parent, None)


def _parent(incident: Incident) -> Key | None:
    ref = incident.status.parent_ref
    return (ref.namespace or "", ref.name) if ref is not None else None


def _place(incident: Incident) -> Place:
    return place(incident.spec.target_ref, incident.target_namespace)
