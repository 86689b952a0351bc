"""The mark of a temporary measure comes off the object with the change that ends it.

The rule this module protects: one request does both, and insists on the mark: it can't be done twice.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from prunella.api.marks import MARKED_LABEL, TEMPORARY_ANNOTATION

from .effects import Json, Patch

MARK: Final = f"/metadata/annotations/{TEMPORARY_ANNOTATION.replace('/', '~1')}"


def unmarked(patch: Patch, raw: Json) -> Patch:
    """A patch that takes an effect back, with the mark of it taken off in the same request."""
    metadata = raw.get("metadata")
    mark = (metadata.get("annotations") or {}).get(TEMPORARY_ANNOTATION) if isinstance(metadata, dict) else None
    if mark is None or _path(mark) != patch.guarded_path:  # another measure's mark ends that one
        return patch
    off: tuple[Json, ...] = ({"op": "test", "path": MARK, "value": mark}, {"op": "remove", "path": MARK})
    return replace(patch, operations=(*patch.operations, *off, *label_off(raw)))


def _path(mark: object) -> str | None:
    """The place that a mark speaks of; None where it can't be read."""
    try:
        told = json.loads(str(mark))
    except (ValueError, RecursionError):
        return None
    return str(told.get("path")) if isinstance(told, dict) else None


def label_off(raw: Json) -> tuple[Json, ...]:
    """What takes off the label beside the mark, where there is one."""
    metadata = raw.get("metadata")
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    there = isinstance(labels, Mapping) and MARKED_LABEL in labels
    return ({"op": "remove", "path": f"/metadata/labels/{MARKED_LABEL.replace('/', '~1')}"},) if there else ()
