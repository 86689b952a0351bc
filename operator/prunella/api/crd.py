"""How a kind becomes a CustomResourceDefinition.

The rule it protects: a field exists once, in Python. `crds/` is written by `prunella crds` from the models and never by hand; a test compares them
byte for byte. Which kinds there are stands in cli/kinds.py, because the steps of a Runbook are part of its schema.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from .base import GROUP, VERSION, WireModel
from .marks import PART_OF_LABEL
from .schema import Style, structural

HEADER: Final = "# Written by `prunella crds`. Do not edit: change operator/prunella/api and run the command again.\n"
CATEGORY: Final = "prunella"
KUSTOMIZATION: Final = "kustomization.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of `kubectl get`; `wide` ones show with `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    wide: bool = False
    description: str = ""

    def wire(self) -> dict[str, Any]:
        """The entry of additionalPrinterColumns."""
        column: dict[str, Any] = {"name": self.name, "type": self.type, "jsonPath": self.path}
        if self.description:
            column["description"] = self.description
        if self.wide:
            column["priority"] = 1
        return column


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """All that a CustomResourceDefinition says beside the schema."""

    model: type[WireModel]
    plural: str
    short: str | None
    columns: tuple[Column, ...]
    namespaced: bool = True
    selectable: tuple[str, ...] = ()
    actions: Mapping[str, Mapping[str, type[WireModel]]] = field(default_factory=dict)
    """By path below the object, the models of which exactly one is given there, by their names on the wire."""
    stored_defaults: Collection[str] = ()
    """Fields whose default is stored: an Incident's acknowledgement, so that the shortest patch is complete; and modes, so that nobody has to know a
    default to read how far automation may go, and no later default changes it."""

    @property
    def name(self) -> str:
        """Kind in CamelCase."""
        return self.model.__name__

    @property
    def has_status(self) -> bool:
        """Whether it has a status subresource."""
        return "status" in self.model.model_fields


API_VERSION_FIELD: Final = {"type": "string", "description": "Version of this schema, for example prunella.dev/v1alpha1."}
ONE_WRITER: Final = {"x-kubernetes-map-type": "atomic"}
"""Only the operator writes status: the API server need not keep who owns each of its fields, which would be a quarter of an Incident."""
KIND_FIELD: Final = {"type": "string", "description": "Kind of the object, in CamelCase."}


def schema_of(kind: Kind) -> dict[str, Any]:
    """Render the structural schema of a whole object."""
    properties: dict[str, Any] = {"apiVersion": API_VERSION_FIELD, "kind": KIND_FIELD, "metadata": {"type": "object"}}
    for part, intent in (("spec", True), ("status", False)):
        if shape := kind.model.model_fields.get(part):
            style = Style(intent=intent, stored_defaults=kind.stored_defaults, actions=kind.actions)
            properties[part] = structural(shape.annotation, f".{part}", style) | ({} if intent else ONE_WRITER)
    whole: dict[str, Any] = {"type": "object", "description": kind.model.__doc__, "required": ["spec"], "properties": properties}
    if rules := kind.model.schema_rules():
        whole["x-kubernetes-validations"] = [rule.wire() for rule in rules]
    return whole


def definition(kind: Kind) -> dict[str, Any]:
    """Render one CustomResourceDefinition as the API server takes it."""
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [column.wire() for column in kind.columns],
        "schema": {"openAPIV3Schema": schema_of(kind)},
    }
    if kind.has_status:
        version["subresources"] = {"status": {}}
    if kind.selectable:
        version["selectableFields"] = [{"jsonPath": path} for path in kind.selectable]
    names: dict[str, Any] = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.name.lower(),
        "categories": [CATEGORY],
    }
    if kind.short:
        names["shortNames"] = [kind.short]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}", "labels": {"app.kubernetes.io/name": "prunella", PART_OF_LABEL: "prunella"}},
        "spec": {"group": GROUP, "scope": "Namespaced" if kind.namespaced else "Cluster", "names": names, "versions": [version]},
    }


def render(kinds: Iterable[Kind]) -> dict[str, str]:
    """Render the files of `crds/` by name: one a kind, and the kustomization that lists them."""
    files = {f"{kind.plural}.yaml": _text(definition(kind)) for kind in kinds}
    kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(files)}
    return files | {KUSTOMIZATION: _text(kustomization)}


class _NoAliases(yaml.SafeDumper):
    """Writes a repeated part out in full: anchors are YAML for machines."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(document: dict[str, Any]) -> str:
    return HEADER + yaml.dump(document, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=150)
