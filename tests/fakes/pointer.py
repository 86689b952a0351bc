"""RFC 6902 on decoded JSON: what the API server does with a JSON patch, as far as effects use it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any


class TestFailedError(Exception):
    """A `test` operation did not hold, or a path is not there."""

    __test__ = False

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def keys(path: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def patched(document: dict[str, Any], operations: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """A copy with every operation applied, or TestFailedError and nothing."""
    changed = copy.deepcopy(document)
    for operation in operations:
        _apply(changed, operation)
    return changed


def _apply(document: dict[str, Any], operation: Mapping[str, Any]) -> None:
    path = operation["path"]
    *parents, last = keys(path)
    holder: Any = document
    for key in parents:
        holder = _child(holder, key, path)
    match operation["op"]:
        case "test":
            if _child(holder, last, path, missing=None) != operation["value"]:
                raise TestFailedError(path)
        case "add":
            holder[last] = copy.deepcopy(operation["value"])
        case "replace":
            _child(holder, last, path)
            holder[last] = copy.deepcopy(operation["value"])
        case "remove":
            _child(holder, last, path)
            del holder[int(last) if isinstance(holder, list) else last]
        case other:
            raise AssertionError(other)


_REQUIRED = object()


def _child(holder: Any, key: str, path: str, missing: Any = _REQUIRED) -> Any:
    try:
        return holder[int(key)] if isinstance(holder, list) else holder[key]
    except (KeyError, IndexError, TypeError):
        if missing is _REQUIRED:
            raise TestFailedError(path) from None
        return missing
