"""A place in an object: the keys on the way to it, as in RFC 6901, and an element of a list by its name instead of its number.

The rule this module protects: what is looked for again later is looked for by name. A number means another element as soon as one came before it, so
a number is only ever part of a request, which insists on the name that stands there. Most elements are named by `name`; a taint is by key and effect.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

ANY: Final = r"\[name=([^\]/]+)\]"
"""The key of an element of a list, whatever its name."""
_NAMED: Final = re.compile(r"\[([a-z]+=[^\]/,]+(?:,[a-z]+=[^\]/,]+)*)\]")


class Located(NamedTuple):
    """Where a place is in an object as it was read."""

    pointer: str
    """For requests: an element of a list by its number."""
    named: tuple[tuple[str, str], ...]
    """Pointer to the name of each such element, and that name: a request that uses the pointer must insist on them."""


def named(name: str) -> str:
    """The key of the element of that name, for example in /webhooks/[name=a.example.com]/failurePolicy."""
    return element(name=name)


def element(**fields: str) -> str:
    """The key of the element with these fields, for example in /spec/taints/[key=example.com~1x,effect=NoSchedule]."""
    return f"[{','.join(f'{field}={key(text)}' for field, text in fields.items())}]"


def key(text: str) -> str:
    """A key as it stands in a path: its slashes are escaped."""
    return text.replace("~", "~0").replace("/", "~1")


def located(stored: Mapping[str, object], path: str) -> Located | None:
    """Where a place is; None where an element that it names is not there, or is there twice. A key that is not there is no hindrance."""
    found: object = stored
    pointer, names = "", list[tuple[str, str]]()
    for token in _tokens(path):
        fields, index = _fields(token), _index(found, token)
        if fields and index is None:
            return None
        pointer += f"/{token if index is None else index}"
        names += [(f"{pointer}/{field}", text) for field, text in fields.items()]
        found = _into(found, token)
    return Located(pointer, tuple(names))


def part(stored: Mapping[str, object], path: str) -> object:
    """What stands at a place; None where nothing does."""
    found: object = stored
    for token in _tokens(path):
        found = _into(found, token)
    return found


def fits(path: str, value: object) -> bool:
    """Whether a value can stand at a place: where that is an element of a list, it bears the name by which it is found there, or there is none."""
    fields = _fields(_tokens(path)[-1])
    return not fields or value is None or (isinstance(value, Mapping) and fields.items() <= value.items())


def _tokens(path: str) -> list[str]:
    return path.strip("/").split("/")


def _fields(token: str) -> dict[str, str]:
    """What an element is named by; nothing where the key names none."""
    found = _NAMED.fullmatch(token)
    return {field: _unescaped(text) for field, _, text in (one.partition("=") for one in found.group(1).split(","))} if found is not None else {}


def _unescaped(text: str) -> str:
    return text.replace("~1", "/").replace("~0", "~")


def _into(found: object, token: str) -> object:
    if isinstance(found, Mapping):
        return found.get(_unescaped(token))
    index = _index(found, token)
    return found[index] if index is not None and isinstance(found, Sequence) else None


def _index(found: object, token: str) -> int | None:
    """The number of the one element of a list that bears the name."""
    wanted = _fields(token)
    if not wanted or not isinstance(found, Sequence) or isinstance(found, str):
        return None
    numbers = [
        number for number, one in enumerate(found) if isinstance(one, Mapping) and all(one.get(field) == text for field, text in wanted.items())
    ]
    return numbers[0] if len(numbers) == 1 else None
