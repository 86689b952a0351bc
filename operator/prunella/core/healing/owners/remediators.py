"""Which projects bring a broken node into a safe state and back, and how they are asked: an object made of a template, by the name of the node.

The contract is that of medik8s: the kind of the template is that of the object with `Template` behind it, `spec.template.spec` becomes the spec, both
live in one namespace, and the condition Succeeded tells the outcome. The rule this module protects: only kinds that report it are here. What deletes
the machine is not, because who has machines mends nodes by them; nor is what runs a script and says nothing about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from prunella.core.healing.effects.effect import Json, part_of

TEMPLATE: Final = "Template"
NODE_NAME: Final = "remediation.medik8s.io/node-name"
"""Annotation of an object that bears another name than its node: a node may have several, by several templates."""
EXCLUDED: Final = "remediation.medik8s.io/exclude-from-remediation"
"""Label by which people keep a node from all of them."""
SUCCEEDED: Final = "Succeeded"


class Remediator(NamedTuple):
    """A kind of object that has a node remediated."""

    api_version: str
    kind: str
    plural: str

    @property
    def group(self) -> str:
        """Its API group."""
        return self.api_version.partition("/")[0]

    @property
    def template(self) -> str:
        """The kind of its templates."""
        return f"{self.kind}{TEMPLATE}"

    @property
    def templates(self) -> str:
        """Plural of that."""
        return f"{self.template.lower()}s"


REMEDIATORS: Final = (
    Remediator("fence-agents-remediation.medik8s.io/v1alpha1", "FenceAgentsRemediation", "fenceagentsremediations"),
    Remediator("self-node-remediation.medik8s.io/v1alpha1", "SelfNodeRemediation", "selfnoderemediations"),
    Remediator("storage-based-remediation.medik8s.io/v1alpha1", "StorageBasedRemediation", "storagebasedremediations"),
)


def of_template(kind: str) -> Remediator:
    """Whom a template of that kind is for. Raises KeyError where nobody is known for it."""
    return {one.template: one for one in REMEDIATORS}[kind]


def node_of(raw: Json) -> str:
    """The node that an object is for."""
    annotations = part_of(raw, "/metadata/annotations")
    named = annotations.get(NODE_NAME) if isinstance(annotations, Mapping) else None
    return str(named or part_of(raw, "/metadata/name"))


def condition(raw: Json, type_: str) -> Json:
    """One of its conditions; empty where it does not have that one."""
    found = part_of(raw, "/status/conditions")
    listed = found if isinstance(found, list | tuple) else ()
    return next((one for one in listed if isinstance(one, Mapping) and part_of(one, "/type") == type_), {})
