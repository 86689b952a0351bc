"""A place in an object: the keys on the way to it, as in RFC 6901, and an element of a list by its name instead of its number.

The rule this module protects: what is looked for again later is looked for by name. A number means another element as soon as one came before it, so
a number is only ever part of a request, which insists on the name that stands there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

ANY: Final = r"\[name=([^\]/]+)\]"
"""The key of an element of a list, whatever its name."""
_NAMED: Final = re.compile(ANY)


class Located(NamedTuple):
    """Where a place is in an object as it was read."""

    pointer: str
    """For requests: an element of a list by its number."""
    named: tuple[tuple[str, str], ...]
    """Pointer to the name of each such element, and that name: a request that uses the pointer must insist on them."""


def named(name: str) -> str:
    """The key of the element of that name, for example in /webhooks/[name=a.example.com]/failurePolicy."""
    return f"[name={name}]"


def key(text: str) -> str:
    """A key as it stands in a path: its slashes are escaped."""
    return text.replace("~", "~0").replace("/", "~1")


def located(stored: Mapping[str, object], path: str) -> Located | None:
    """Where a place is; None where an element that it names is not there, or is there twice. A key that is not there is no hindrance."""
    found: object = stored
    pointer, names = "", list[tuple[str, str]]()
    for token in _tokens(path):
        name, index = _NAMED.fullmatch(token), _index(found, token)
        if name is not None and index is None:
            return None
        pointer += f"/{token if index is None else index}"
        names += [(f"{pointer}/name", name.group(1))] if name is not None else []
        found = _into(found, token)
    return Located(pointer, tuple(names))


def part(stored: Mapping[str, object], path: str) -> object:
    """What stands at a place; None where nothing does."""
    found: object = stored
    for token in _tokens(path):
        found = _into(found, token)
    return found


def _tokens(path: str) -> list[str]:
    return path.strip("/").split("/")


def _into(found: object, token: str) -> object:
    if isinstance(found, Mapping):
        return found.get(token.replace("~1", "/").replace("~0", "~"))
    index = _index(found, token)
    return found[index] if index is not None and isinstance(found, Sequence) else None


def _index(found: object, token: str) -> int | None:
    """The number of the one element of a list that bears the name."""
    wanted = _NAMED.fullmatch(token)
    if wanted is None or not isinstance(found, Sequence) or isinstance(found, str):
        return None
    numbers = [number for number, one in enumerate(found) if isinstance(one, Mapping) and one.get("name") == wanted.group(1)]
    return numbers[0] if len(numbers) == 1 else None
