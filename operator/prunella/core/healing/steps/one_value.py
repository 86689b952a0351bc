"""One value of one object: how most steps change something, and how it is taken back.

The rule this module protects: a value is written over the one that was judged or not at all, and is given back only where what was written still
stands. What can't be remembered is not changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.effect import PATH_KEY, Json, Patch, annotated, guarded_sha256, labelled, part_of
from prunella.core.healing.notation import places

from .step import Done, Failed, Next, Skip

WAS: Final = "was"
WROTE: Final = "wrote"
LONGEST: Final = 1024
"""Characters of a value that a record keeps."""


def write(ref: ObjectRef, raw: Json, path: str, value: object, *, does: str, told: Mapping[str, str] = MappingProxyType({})) -> Patch | Done | Failed:
    """The patch that makes the value at a place another one, an absent one (None) included; Done where it is that already."""
    was, at = part_of(raw, path), places.located(raw, path)
    if at is None:
        return Failed(message=f"{ref.kind} {ref.name} has no {path}")
    if was == value:
        return Done(message=f"{ref.kind} {ref.name} has that already")
    kept = remembered(was, value)
    if any(len(one) > LONGEST for one in kept.values()):
        return Failed(message=f"{path} of {ref.kind} {ref.name} is longer than the {LONGEST} characters that are remembered to take it back")
    return Patch(
        target=ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            *({"op": "test", "path": where, "value": name} for where, name in at.named),
            {"op": "test", "path": at.pointer, "value": was},
            {"op": "remove", "path": at.pointer}
            if value is None
            else {"op": "add" if was is None else "replace", "path": at.pointer, "value": value},
        ),
        guarded_path=path,
        pointer=at.pointer,
        annotated=annotated(raw),
        labelled=labelled(raw),
        does=does,
        before={**told, "guardedSha256": guarded_sha256(was), **kept},
    )


def remembered(was: object, value: object) -> dict[str, str]:
    """What a record keeps of a value, so that it can be given back."""
    return {WAS: _text(was), WROTE: _text(value)}


def also_insisting(patch: Patch, raw: Json, path: str) -> Patch:
    """The patch, if another part of the object stays as it was judged as well."""
    first, *rest = patch.operations
    return replace(patch, operations=(first, {"op": "test", "path": path, "value": part_of(raw, path)}, *rest))


def give_back(raw: Json, record: StepStatus) -> Next:
    """The value from before, where the present one is what was written."""
    intent = record.intent
    if intent is None or not {WAS, WROTE, PATH_KEY} <= intent.before.keys():
        return Skip(message="its record does not say what was there before")
    path, ref = intent.before[PATH_KEY], intent.target_ref
    if _text(part_of(raw, path)) != intent.before[WROTE]:
        return Skip(message=f"{path} of {ref.kind} {ref.name} is not what was written any more: that is somebody else's")
    return write(ref, raw, path, json.loads(intent.before[WAS]), does=f"{path} of {ref.kind} {ref.name} is as it was before")


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
