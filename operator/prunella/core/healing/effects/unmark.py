"""The mark of a temporary measure: what it says to whoever finds it, and how it comes off the object with the change that ends it.

The rule this module protects: one request does both, and insists on the mark: it can't be done twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from prunella.api.marks import MARKED_LABEL, TEMPORARY_ANNOTATION

from .effect import Json, Patch, part_of

MARK: Final = f"/metadata/annotations/{TEMPORARY_ANNOTATION.replace('/', '~1')}"


def told(raw: Json) -> Mapping[str, object] | None:
    """What the mark on an object says: nothing where it can't be read; None where it bears none."""
    mark = part_of(raw, MARK)
    if mark is None:
        return None
    try:
        found = json.loads(str(mark))
        json.dumps(found, ensure_ascii=False).encode()  # what JSON can spell and UTF-8 can't could never be told to anybody
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def unmarked(patch: Patch, raw: Json) -> Patch:
    """A patch that takes an effect back, with the mark of it taken off in the same request."""
    borne = told(raw)
    if borne is None or borne.get("path") != patch.guarded_path:  # another measure's mark ends that one
        return patch
    off: tuple[Json, ...] = ({"op": "test", "path": MARK, "value": part_of(raw, MARK)}, {"op": "remove", "path": MARK})
    return replace(patch, operations=(*patch.operations, *off, *label_off(raw)))


def label_off(raw: Json) -> tuple[Json, ...]:
    """What takes off the label beside the mark, where there is one."""
    metadata = raw.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    there = isinstance(labels, Mapping) and MARKED_LABEL in labels
    return ({"op": "remove", "path": f"/metadata/labels/{MARKED_LABEL.replace('/', '~1')}"},) if there else ()
