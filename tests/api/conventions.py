"""Walks the rendered schemas, so that a convention can be asked of every field at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from prunella.api import crd
from prunella.cli import kinds


@dataclass(frozen=True, slots=True)
class Node:
    """One place in a schema: 'Runbook.spec.steps[].name' and what is said of it."""

    path: str
    schema: dict[str, Any]
    required: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def is_field(self) -> bool:
        """Whether it has a name; list items and map values have none."""
        return not self.path.endswith(("[]", "{}"))


@cache
def nodes() -> list[Node]:
    """Every node of every kind's spec and status."""
    found: list[Node] = []
    for kind in kinds.KINDS:
        properties = crd.schema_of(kind)["properties"]
        for part in ("spec", "status"):
            if part in properties:
                found += _below(Node(f"{kind.name}.{part}", properties[part]))
    return found


def _below(node: Node) -> Iterator[Node]:
    yield node
    for name, child in node.schema.get("properties", {}).items():
        yield from _below(Node(f"{node.path}.{name}", child, name in node.schema.get("required", ())))
    if "items" in node.schema:
        yield from _below(Node(f"{node.path}[]", node.schema["items"]))
    if "additionalProperties" in node.schema:
        yield from _below(Node(f"{node.path}{{}}", node.schema["additionalProperties"]))


def type_of(node: Node) -> str:
    """A number of a step may be a reference to a parameter; what it comes to is a number."""
    return str(node.schema.get("type", "integer" if node.schema.get("x-kubernetes-int-or-string") else "none"))


def of_type(name: str) -> list[Node]:
    return [node for node in nodes() if type_of(node) == name]


def fields() -> list[Node]:
    return [node for node in nodes() if node.is_field]


def breaches(found: list[Node], keeps: Any) -> list[str]:
    """Paths of the nodes that do not keep a convention; there must be nodes, or the question would mean nothing."""
    assert found
    return [node.path for node in found if not keeps(node)]
