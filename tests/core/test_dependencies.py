"""What a service declares that it needs, and the ways on which that comes back to itself."""

from __future__ import annotations

import pytest
from tests.core.incident_builders import entry

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import NamespacedRef
from prunella.core.incident import dependencies


def needs(name: str, *others: str) -> CatalogEntry:
    made = entry(name)
    refs = tuple(NamespacedRef(name=one) for one in others)
    return made.model_copy(update={"spec": made.spec.model_copy(update={"depends_on": refs})})


def way(start: str, *entries: CatalogEntry, through: str | None = None) -> str:
    known = {dependencies.place(one): one for one in entries}
    found = dependencies.cycle(known["shop", start], known.get, ("shop", through) if through else None)
    return " -> ".join(name for _, name in found)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ((needs("a"),), ""),
        ((needs("a", "b"), needs("b", "c"), needs("c")), ""),
        ((needs("a", "gone"),), ""),
        ((needs("a", "a"),), "a -> a"),
        ((needs("a", "b"), needs("b", "a")), "a -> b -> a"),
        ((needs("a", "b"), needs("b", "c"), needs("c", "b", "a")), "a -> b -> c -> a"),
        ((needs("a", "b"), needs("b", "c"), needs("c", "b")), ""),
    ],
    ids=["nothing", "a chain", "not there", "itself", "each other", "through two", "a cycle that it only leads to"],
)
def test_the_way_back_to_itself_is_named(entries, said):
    assert way("a", *entries) == said


def test_of_two_dependencies_only_the_one_that_leads_back_is_on_a_cycle():
    known = (needs("a", "b", "c"), needs("b", "a"), needs("c"))
    assert way("a", *known, through="b") == "a -> b -> a"
    assert way("a", *known, through="c") == ""


def test_a_dependency_without_a_namespace_is_in_that_of_its_entry():
    made = needs("a", "b")
    other = made.model_copy(update={"spec": made.spec.model_copy(update={"depends_on": (NamespacedRef(namespace="pay", name="ledger"),)})})
    assert (dependencies.declared(made), dependencies.declared(other)) == ((("shop", "b"),), (("pay", "ledger"),))
