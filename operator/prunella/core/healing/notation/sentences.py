"""`${target.name}` in a sentence for people: a name for what it stands for, once.

The rule this module protects: who names an object writes no sentence. Only names of this list are filled in, a value that looks like a placeholder
stays text, and no value is long. What a sentence is sent in (JSON, chat) escapes it again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

LONGEST: Final = 253
"""Characters of a value that are told: those of a name."""
KNOWN: Final[Mapping[str, tuple[str, ...]]] = {
    "incident": ("name", "namespace", "cause", "priority"),
    "target": ("kind", "name", "namespace", "ready", "desired"),
}
_PLACEHOLDER: Final = re.compile(r"\$\{([^{}]*)\}")
_OUTPUT: Final = re.compile(r"steps\.([^.]+)\.outputs\.([^.]+)")


def filled(text: str, variables: Mapping[str, object]) -> str:
    """The text with each `${name}` that is known replaced; '(unknown)' where there is no value for it."""
    return _PLACEHOLDER.sub(lambda found: _value(found.group(1), variables), text)


def wrong_with(text: str, steps: Mapping[str, object]) -> str | None:
    """What is wrong with the placeholders of a text, for a linter; None where each is known. `steps` are those before it, as conditions see them."""
    for name in _PLACEHOLDER.findall(text):
        output = _OUTPUT.fullmatch(name)
        known = _value(name, {"steps": steps}) != _UNKNOWN if output else any(name == f"{part}.{key}" for part, keys in KNOWN.items() for key in keys)
        if not known:
            names = ", ".join(f"{part}.{key}" for part, keys in KNOWN.items() for key in keys)
            return f"'${{{name}}}' is not known; there are {names}, and steps.<an earlier step>.outputs.<key>"
    return None


_UNKNOWN: Final = "(unknown)"


def _value(name: str, variables: Mapping[str, object]) -> str:
    path = name.split(".")
    if _OUTPUT.fullmatch(name) is None and not (len(path) == 2 and path[1] in KNOWN.get(path[0], ())):  # noqa: PLR2004 - a part and its key
        return _UNKNOWN
    found: object = variables
    for key in path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return str(found)[:LONGEST] if isinstance(found, str | int) and found != "" else _UNKNOWN
