"""What is read of each foreign object, and nothing else: typed msgspec structs for the JSON of lists and watches.

The rule this module protects: memory and time are spent on fields that decide something. Whatever isn't named here is skipped by the decoder.
"""

from __future__ import annotations

from datetime import datetime
from typing import Generic, TypeVar

import msgspec

Strings = dict[str, str]


class Wire(msgspec.Struct, rename="camel", gc=False, frozen=True):
    """Camel case on the wire; acyclic, so the garbage collector needn't look at it."""


class OwnerReference(Wire, frozen=True):
    """Of an object to its owner."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


class Meta(Wire, frozen=True):
    """metadata."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    labels: Strings | None = None
    annotations: Strings | None = None
    finalizers: list[str] | None = None
    owner_references: list[OwnerReference] | None = None

    @property
    def controller(self) -> OwnerReference | None:
        """The one owner that controls it."""
        return next((owner for owner in self.owner_references or () if owner.controller), None)


class Object(Wire, frozen=True):
    """Anything of which only the metadata counts: a Namespace, a bookmark."""

    metadata: Meta = Meta()


class ScaleTarget(Wire, frozen=True):
    """What an autoscaler scales."""

    kind: str = ""
    name: str = ""


class AutoscalerSpec(Wire, frozen=True):
    """spec of a HorizontalPodAutoscaler."""

    scale_target_ref: ScaleTarget = ScaleTarget()
    min_replicas: int | None = None
    max_replicas: int = 0


class AutoscalerCondition(Wire, frozen=True):
    """An entry of an autoscaler's conditions."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class AutoscalerStatus(Wire, frozen=True):
    """status of a HorizontalPodAutoscaler."""

    current_replicas: int | None = None
    conditions: list[AutoscalerCondition] | None = None


class Autoscaler(Object, frozen=True):
    """A HorizontalPodAutoscaler."""

    spec: AutoscalerSpec = AutoscalerSpec()
    status: AutoscalerStatus = AutoscalerStatus()


T = TypeVar("T")


class ListMeta(Wire, frozen=True):
    """metadata of a list."""

    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class Listed(msgspec.Struct, Generic[T], gc=False, frozen=True):
    """A page of a list."""

    metadata: ListMeta = ListMeta()
    items: list[T] | None = None


class Event(msgspec.Struct, Generic[T], gc=False, frozen=True):
    """A line of a watch."""

    type: str
    object: T


class Status(Wire, frozen=True):
    """What the API server sends in place of an object when something is wrong."""

    code: int = 0
    reason: str = ""
    message: str = ""
