"""Effects: the few things that Prunella ever does to an object that is not its own. A step makes them, one place executes them.

The rule this module protects: an effect carries its own preconditions, so that it lands on the object that was judged or not at all.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar, Final, TypeAlias

from prunella.api.common import ObjectRef
from prunella.api.step_failure import Transient
from prunella.core.healing.notation import places

from .creation import Create, Unmake
from .outside import Call, EndSilence, Silence

TEMPLATE: Final = "/spec/template"
PATH_KEY: Final = "guardedPath"
"""Key of an intent's `before` under which the guarded part's place stands."""
WROTE_KEY: Final = "wroteSha256"
"""Key of an intent's `before` for an effect that leaves no stamp: the hash of the guarded part as it writes it. A value that is there is done."""

Json: TypeAlias = Mapping[str, object]
"""A decoded JSON object, read only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """An RFC 6902 patch whose `test` operations are its preconditions. The intent's stamp is one of its operations."""

    action: ClassVar[str] = "Patch"
    target: ObjectRef
    operations: tuple[Json, ...]
    guarded_path: str = TEMPLATE
    """The part of the object whose state was judged: a place as in `places`."""
    pointer: str = ""
    """How its operations spell that place, where it names an element of a list; or the list around it, where they write all of that. Empty where they
    spell it the same."""
    before: Mapping[str, str] = field(default_factory=dict)
    """The guarded state in words, for the record."""
    stamped: bool = True
    """Whether the patch writes the intent id onto the target, so that it can be recognised afterwards."""
    does: str
    """What it does, in a sentence for the timeline."""
    marks: Mapping[str, str] = field(default_factory=dict)
    """Annotations that go onto the target with the stamp."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that go onto the target with the stamp."""
    labelled: bool = True
    """Whether the target had labels when it was judged."""
    annotated: bool = True
    """Whether the target had annotations when it was judged: the stamp goes beside them, else it brings the map along."""
    subresource: str = ""
    """The part of the target that is written by a right of its own, for example scale. It has no annotations, so it bears no stamp."""
    confidential: bool = False
    """Whether what is written may be a secret: not even a hash of it is kept, for of a short value that would tell what it is."""

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps: the guarded state in words, and where it stands if that is not the pod template."""
        elsewhere = self.guarded_path not in {TEMPLATE, "/metadata/managedFields"}
        return {**self.before, **({PATH_KEY: self.guarded_path} if elsewhere else {})}

    @property
    def sha256(self) -> str:
        """Hash of the operations, stored with the intent; empty where they are confidential."""
        if self.confidential:
            return ""
        return hashlib.sha256(
            json.dumps([self.operations, *self.marks.items(), *self.labels.items()], sort_keys=True, default=dict).encode()
        ).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod:
    """Deletion of one pod, with its uid and resourceVersion as preconditions. Only for pods that are not Ready and have an owner."""

    action: ClassVar[str] = "Delete"
    target: ObjectRef
    resource_version: str
    does: str
    """What it does, in a sentence for the timeline."""
    before: Mapping[str, str] = field(default_factory=dict)
    last: bool = False
    """Whether no other pod has to go after it."""

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps."""
        return dict(self.before)

    @property
    def sha256(self) -> str:
        """Hash of what identifies the request."""
        return hashlib.sha256(f"delete/{self.target.uid}/{self.resource_version}".encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict:
    """Eviction of one pod, with its uid as precondition: disruption budgets are asked. It never becomes a deletion."""

    action: ClassVar[str] = "Evict"
    target: ObjectRef
    does: str
    """What it does, in a sentence for the timeline."""
    before: Mapping[str, str] = field(default_factory=dict)
    last: bool = False
    """Whether no other pod has to go after it."""

    @property
    def record(self) -> dict[str, str]:
        """What the intent keeps."""
        return dict(self.before)

    @property
    def sha256(self) -> str:
        """Hash of what identifies the request."""
        return hashlib.sha256(f"evict/{self.target.uid}".encode()).hexdigest()


ClusterEffect: TypeAlias = Patch | DeletePod | Evict | Create | Unmake
"""What the API server does."""
Effect: TypeAlias = ClusterEffect | Silence | EndSilence | Call
GOES: Final = frozenset({DeletePod.action, Evict.action, Unmake.action})
"""Actions that are done once their target is gone, or on its way out."""


class Settled(Enum):
    """What the target shows of an intent whose outcome is not stored."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"
    """The guarded state is as before: the same intent may run."""
    CHANGED = "changed"
    """Neither our stamp nor the state before: it can't be known."""
    GONE = "gone"
    """The target is gone, or another uid bears its name."""
    TRACELESS = "traceless"
    """It leaves nothing by which it could be recognised: it can't be known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """The API server confirmed the effect."""

    after: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplied:
    """The API server refused the effect, and nothing changed. `reason` is one of names.md: TargetChanged, HumanOverride, MissingPermission, or ''."""

    reason: str
    message: str
    transient: Transient | None = None
    """Why the same request may be taken a moment later; None where it is a finding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What the API server said to the same request with dryRun=All."""

    accepted: bool
    waits: bool = False
    """Whether it would be turned away now and may be taken later: a disruption budget has no room."""
    message: str = ""
    diff: str = ""
    """The changed lines of the guarded part as YAML, '-' and '+'."""


def part_of(stored: Json, path: str) -> object:
    """The part of an object at a place such as /spec/template; None where it is not there."""
    return places.part(stored, path)


def labelled(stored: Json) -> bool:
    """Whether an object as it was read has a map of labels."""
    metadata = stored.get("metadata")
    return isinstance(metadata, Mapping) and isinstance(metadata.get("labels"), Mapping)


def annotated(stored: Json) -> bool:
    """Whether an object as it was read has a map of annotations. JSON patch can't add to a map that isn't there."""
    metadata = stored.get("metadata")
    return isinstance(metadata, Mapping) and isinstance(metadata.get("annotations"), Mapping)


def guarded_sha256(part: object) -> str:
    """Hash of the guarded part of an object as it was read, over canonical JSON: stored with the intent, compared after a crash."""
    return hashlib.sha256(json.dumps(part, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
