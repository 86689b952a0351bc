"""What to do about a name in a condition that is not there: the nearest one that is, or all that it may read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

_NO_NAME: Final = re.compile(r"undeclared reference to '(\w+)")
_NO_KEY: Final = re.compile(r"Key not found in map : \"([^\"]+)\"")


def remedy(why: str, expression: str, variables: Mapping[str, object]) -> str:
    """The end of the sentence in which the engine says `why` there is no answer; empty where no name is at fault."""
    name = _NO_NAME.search(why)
    if name is not None:
        return f"; {nearest(name[1], tuple(variables))}"
    key = _NO_KEY.search(why)
    if key is None:
        return ""
    place, keys = next((one for one in _maps("", variables) if _reads(expression, one[0], key[1])), ("", ()))
    column = expression.find(key[1]) + 1
    said = f" (column {column})" if column else ""
    return f"{said}; {nearest(key[1], keys)}" if place else said


def nearest(name: str, names: tuple[str, ...]) -> str:
    """The one that was meant, or what there is."""
    near = get_close_matches(name, names, n=1)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"there is {', '.join(names)}" if names else "there is none"


def _maps(place: str, value: Mapping[str, object]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Every map that a condition may read, by its place, the deepest first."""
    inner = (one for key, part in value.items() if isinstance(part, Mapping) for one in _maps(f"{place}.{key}" if place else key, part))
    return (*inner, (place, tuple(value))) if place else tuple(inner)


def _reads(expression: str, place: str, key: str) -> bool:
    return re.search(rf"(?<![\w.]){re.escape(place)}(\.{re.escape(key)}\b|\[['\"]{re.escape(key)}['\"]\])", expression) is not None
