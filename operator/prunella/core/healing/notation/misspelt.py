"""What to do about a name in a condition that is not there: the nearest one that is, or all that it may read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Final

_NO_NAME: Final = re.compile(r"undeclared reference to '(\w+)")
_NO_KEY: Final = re.compile(r"Key not found in map : \"([^\"]+)\"")
_TEXT: Final = re.compile(
    r"""[rR](?:"{3}[\s\S]*?"{3}|'{3}[\s\S]*?'{3}|"[^"\n]*"|'[^'\n]*')"""
    r"""|"{3}(?:\\[\s\S]|[^\\])*?"{3}|'{3}(?:\\[\s\S]|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|//[^\n]*"""
)
"""A string literal of CEL, or a comment."""
_PATH: Final = re.compile(r"(?<![\w.])(?:incident|target|alert|parameters)(?:\s*\.\s*[A-Za-z_]\w*\b(?!\s*\())+")
"""Members of what a condition may read, up to a function that is called on them."""
_WORD: Final = re.compile(r"\w+")
OPEN: Final = "labels"
"""Whose keys are anybody's."""


def field(expression: str, variables: Mapping[str, object]) -> str | None:
    """What is wrong with the first member that is not there; None where all are.

    The engine itself does not tell of one beside a false (`&&`) or a true (`||`), so that with empty values it may never come to light.
    """
    bare = _TEXT.sub(lambda found: " " * len(found[0]), expression)
    for path in _PATH.finditer(bare):
        place, value = "", variables
        for word in _WORD.finditer(bare, path.start(), path.end()):
            if word[0] not in value:
                # a root that is not there is told of by the engine
                return f"{place} has no '{word[0]}' (column {word.start() + 1}); {nearest(word[0], tuple(value))}" if place else None
            inner, place = value[word[0]], f"{place}.{word[0]}" if place else word[0]
            if word[0] == OPEN or not isinstance(inner, Mapping):
                break
            value = inner
    return None


def remedy(why: str, expression: str, variables: Mapping[str, object]) -> str:
    """The end of the sentence in which the engine says `why` there is no answer; empty where no name is at fault."""
    name = _NO_NAME.search(why)
    if name is not None:
        return f"; {nearest(name[1], tuple(variables))}"
    key = _NO_KEY.search(why)
    if key is None:
        return ""
    read = ((column, keys) for place, keys in _maps("", variables) if (column := _column(expression, place, key[1])) is not None)
    column, keys = next(read, (None, ()))
    if column is not None:
        return f" (column {column}); {nearest(key[1], keys)}"
    alone = re.search(rf"(?<!\w){re.escape(key[1])}(?!\w)", expression)
    return f" (column {alone.start() + 1})" if alone is not None else ""


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


def _column(expression: str, place: str, key: str) -> int | None:
    """Where a key of that map is read, from 1; None where it isn't."""
    read = rf"(?<![\w.]){re.escape(place)}(?:\.(?P<field>{re.escape(key)})(?!\w)|\[['\"](?P<index>{re.escape(key)})['\"]\])"
    found = re.search(read, expression)
    return found.start(found.lastgroup or 0) + 1 if found is not None else None
