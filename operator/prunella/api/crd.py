"""The CustomResourceDefinitions, rendered from the models.

The rule it protects: a field exists once, in Python. `crds/` is written by `prunella crds` from here and never by hand; a test compares them byte for
byte.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import yaml

from .base import GROUP, VERSION, WireModel
from .catalog_entry import CatalogEntry
from .escalation_policy import EscalationPolicy
from .healing_policy import HealingPolicy
from .incident import Incident
from .names import PART_OF_LABEL
from .remediation import Remediation
from .runbook import Runbook
from .schema import Style, structural
from .workload_record import WorkloadRecord

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


def _condition(kind: str, part: str) -> str:
    return f'.status.conditions[?(@.type=="{kind}")].{part}'


AGE: Final = Column(name="Age", path=".metadata.creationTimestamp", type="date")
READY: Final = Column(name="Ready", path=_condition("Ready", "status"), description="Whether it is used")
NOT_READY_BECAUSE: Final = (
    Column(name="Reason", path=_condition("Ready", "reason"), wide=True),
    Column(name="Message", path=_condition("Ready", "message"), wide=True),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """All that a CustomResourceDefinition says beside the schema."""

    model: type[WireModel]
    plural: str
    short: str | None
    columns: tuple[Column, ...]
    namespaced: bool = True
    selectable: tuple[str, ...] = ()
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


KINDS: Final = (
    Kind(
        model=Incident,
        plural="incidents",
        short="inc",
        selectable=(".status.priority", ".status.cause", ".status.phase"),
        stored_defaults=(".spec.acknowledgement.episode",),
        columns=(
            Column(name="Pri", path=".status.priority", description="Priority: P1 is the most important"),
            Column(name="Phase", path=".status.phase"),
            Column(name="Target", path=".status.target", description="What is hurt"),
            Column(name="Cause", path=".status.cause"),
            Column(name="Remediation", path=".status.remediation", description="What automation did"),
            Column(name="TTR", path=".status.ttr", description="Time to resolve"),
            AGE,
            Column(name="Team", path=".status.owner.team", wide=True),
            Column(name="Allowed", path=_condition("RemediationAllowed", "reason"), wide=True, description="Whether automation may act, or why not"),
            Column(name="Escalation", path=".status.escalation.state", wide=True),
            Column(name="Summary", path=".status.summary", wide=True),
        ),
    ),
    Kind(
        model=Runbook,
        plural="runbooks",
        short="rb",
        stored_defaults=(".spec.mode",),
        columns=(
            Column(name="Mode", path=".spec.mode", description="How far it may go"),
            READY,
            AGE,
            Column(name="Title", path=".spec.title", wide=True),
            Column(name="Priority", path=".spec.priority", type="integer", wide=True),
            *NOT_READY_BECAUSE,
        ),
    ),
    Kind(
        model=Remediation,
        plural="remediations",
        short="rem",
        columns=(
            Column(name="Phase", path=".status.phase"),
            Column(name="Outcome", path=".status.outcome"),
            Column(name="Kind", path=".spec.targetRef.kind"),
            Column(name="Target", path=".spec.targetRef.name"),
            Column(name="Runbook", path=".spec.runbookRef.name"),
            Column(name="Attempt", path=".spec.attempt", type="integer"),
            AGE,
            Column(name="Mode", path=".spec.mode", wide=True),
            Column(name="Allowed", path=_condition("RemediationAllowed", "reason"), wide=True, description="Whether it may act, or why not"),
            Column(name="Plan", path=".status.plan", wide=True),
            Column(name="Message", path=".status.message", wide=True),
        ),
    ),
    Kind(model=EscalationPolicy, plural="escalationpolicies", short="esc", columns=(READY, AGE, *NOT_READY_BECAUSE)),
    Kind(
        model=CatalogEntry,
        plural="catalogentries",
        short="entry",
        columns=(
            Column(name="Team", path=".spec.team"),
            Column(name="Tier", path=".spec.tier", type="integer", description="1 is the most important"),
            Column(name="Escalation", path=".spec.escalationPolicyRef.name", description="Who is told"),
            READY,
            AGE,
            *NOT_READY_BECAUSE,
        ),
    ),
    Kind(
        model=WorkloadRecord,
        plural="workloadrecords",
        short="wr",
        columns=(
            Column(name="Kind", path=".spec.targetRef.kind"),
            Column(name="Workload", path=".spec.targetRef.name"),
            Column(name="Healthy", path=".spec.revisions[-1:].revision", type="integer", description="The revision last seen healthy"),
            Column(name="Quarantined", path=".spec.quarantined[-1:].revision", type="integer", description="The revision rolled back last"),
            AGE,
        ),
    ),
    Kind(
        model=HealingPolicy,
        plural="healingpolicies",
        short=None,
        namespaced=False,
        stored_defaults=(".spec.mode",),
        columns=(
            Column(name="Mode", path=".spec.mode", description="How far automation may go at most"),
            READY,
            Column(name="Storm", path=".status.stormSinceTime", type="date", description="Since when too much fails at once"),
            AGE,
            Column(name="Default", path=".spec.defaultEscalationPolicyRef.name", wide=True, description="Who is told where no owner is known"),
            *NOT_READY_BECAUSE,
        ),
    ),
)

API_VERSION_FIELD: Final = {"type": "string", "description": "Version of this schema, for example prunella.dev/v1alpha1."}
KIND_FIELD: Final = {"type": "string", "description": "Kind of the object, in CamelCase."}


def schema_of(kind: Kind) -> dict[str, Any]:
    """Render the structural schema of a whole object."""
    properties: dict[str, Any] = {"apiVersion": API_VERSION_FIELD, "kind": KIND_FIELD, "metadata": {"type": "object"}}
    for part, intent in (("spec", True), ("status", False)):
        if field := kind.model.model_fields.get(part):
            properties[part] = structural(field.annotation, f".{part}", Style(intent=intent, stored_defaults=kind.stored_defaults))
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


def definitions() -> tuple[dict[str, Any], ...]:
    """Render every CustomResourceDefinition."""
    return tuple(definition(kind) for kind in KINDS)


def render() -> dict[str, str]:
    """Render the files of `crds/` by name: one a kind, and the kustomization that lists them."""
    files = {f"{kind.plural}.yaml": _text(definition(kind)) for kind in KINDS}
    kustomization = {"apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": sorted(files)}
    return files | {KUSTOMIZATION: _text(kustomization)}


class _NoAliases(yaml.SafeDumper):
    """Writes a repeated part out in full: anchors are YAML for machines."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is PyYAML's
        return True


def _text(document: dict[str, Any]) -> str:
    return HEADER + yaml.dump(document, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=150)
