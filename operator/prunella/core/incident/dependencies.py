"""What a service declares that it can't do without, and whether that comes back to itself.

The rule this module protects: two that wait for each other would wait for ever, so what lies on a cycle is no dependency, and is said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from prunella.api.catalog_entry import CatalogEntry

Place: TypeAlias = tuple[str, str]
"""Namespace and name of a CatalogEntry."""
EntryAt = Callable[[Place], CatalogEntry | None]


def place(entry: CatalogEntry) -> Place:
    """Where it is."""
    return (entry.metadata.namespace or "", entry.metadata.name)


def declared(entry: CatalogEntry) -> tuple[Place, ...]:
    """What it depends on, as it says; without a namespace that is its own."""
    return tuple((ref.namespace or entry.metadata.namespace or "", ref.name) for ref in entry.spec.depends_on)


def cycle(entry: CatalogEntry, entry_at: EntryAt, through: Place | None = None) -> tuple[Place, ...]:
    """The way from the entry along its dependencies back to itself, begun with `through` where it is named; empty where there is none."""
    home = place(entry)
    ways: list[tuple[Place, ...]] = [(home, one) for one in declared(entry) if through in {None, one}]
    seen: set[Place] = set()
    while ways:
        way = ways.pop()
        last = way[-1]
        if last == home:
            return way
        if last in seen:
            continue
        seen.add(last)
        known = entry_at(last)
        ways += [(*way, one) for one in declared(known)] if known is not None else []
    return ()
