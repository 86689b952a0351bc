"""References, conditions and metadata that every kind shares."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from .base import Instant, Name, Rule, Sentence, ShortName, WireModel, entries
from .names import ConditionStatus

Labels = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], entries(64)]


class ObjectRef(WireModel):
    """One object of the cluster. With a uid it is that very object, and no other of the same name."""

    api_version: Annotated[str, Field(min_length=1, max_length=317)]
    """Group and version, for example 'apps/v1'."""
    kind: ShortName
    """Kind in CamelCase, for example 'Deployment'."""
    name: Name
    """Name of the object."""
    namespace: Annotated[str, Field(max_length=63)] | None = None
    """Namespace; absent means that of the referring object."""
    uid: Annotated[str, Field(max_length=64)] | None = None
    """Uid of the object that is meant; another object of the same name does not count."""


class LocalRef(WireModel):
    """An entry by its name, in the place that the field's description says."""

    name: Name
    """Name of the entry."""


class NamespacedRef(WireModel):
    """An object by namespace and name; without a namespace, that of the referring object."""

    name: Name
    """Name of the object."""
    namespace: Annotated[str, Field(max_length=63)] | None = None
    """Namespace of the object; absent means that of the referring object."""


class Condition(WireModel):
    """One observation about the object, in the form that kubectl wait, Argo CD and Flux understand."""

    type: Annotated[str, Field(min_length=1, max_length=63)]
    """What is observed, for example Ready or Resolved."""
    status: ConditionStatus
    """True, False, or Unknown where it could not be told."""
    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    """metadata.generation that the observation was made from."""
    last_transition_time: Instant
    """When `status` last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=63)]
    """Why, in one CamelCase word that programs may compare."""
    message: Sentence = ""
    """Why, in a sentence for people."""


def _left_to_the_rule(schema: dict[str, Any]) -> None:
    """Let CEL refuse an empty selector: its sentence says what to do, 'Required value' does not."""
    schema.pop("required")
    schema["properties"]["matchLabels"].pop("minProperties")
    schema["x-kubernetes-validations"] = [rule.wire() for rule in LabelSelector.rules]


class LabelSelector(WireModel):
    """Labels that must all be there. Empty is refused: an empty selector would mean everything."""

    model_config = ConfigDict(json_schema_extra=_left_to_the_rule)
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.matchLabels) && size(self.matchLabels) > 0",
            "must name at least one label in matchLabels: an empty selector would mean everything",
        ),
    )
    match_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(min_length=1, max_length=16)]
    """Label names with the value each must have."""


class OwnerReference(WireModel):
    """The controller's half of an ownerReference."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class Metadata(WireModel):
    """The part of metadata that Prunella reads or writes."""

    name: Name
    namespace: str | None = None
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    creation_timestamp: Instant | None = None
    deletion_timestamp: Instant | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


def key_of(metadata: Metadata) -> tuple[str, str]:
    """Namespace and name, the identity under which a queue and a cache know an object."""
    return (metadata.namespace or "", metadata.name)
