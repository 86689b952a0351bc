"""What differs between two pod templates, line by line, as a person or a program reads it: a place, what is there, what should be.

The rule this module protects: a value whose name says that it is secret is never copied out of the workload that holds it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from prunella.core.redact import redact

from .effect import Json

LONGEST: Final = 4096
_LONGEST_VALUE: Final = 256
_SECRET: Final = re.compile(r"PASSW|TOKEN|SECRET|KEY|CREDENTIAL", re.IGNORECASE)
_NOTHING: Final = "(nothing)"
_HIDDEN: Final = "(hidden)"


def lines(now: Json, wanted: Json) -> tuple[str, ...]:
    """Each place that differs, in order: `spec.containers[app].image: shop/app:3 -> shop/app:2`."""
    before, after = dict(_leaves(now, "", secret=False)), dict(_leaves(wanted, "", secret=False))
    places = sorted(before.keys() | after.keys())
    differ = [place for place in places if before.get(place) != after.get(place)]
    return tuple(f"{place}: {_shown(before, place)} -> {_shown(after, place)}" for place in differ)


def told(now: Json, wanted: Json, *, most: int = LONGEST) -> str:
    """The lines, as many as there is room for."""
    kept: list[str] = []
    every = lines(now, wanted)
    for line in every:
        if sum(len(one) + 1 for one in kept) + len(line) > most - 40:
            break
        kept.append(line)
    rest = len(every) - len(kept)
    return "\n".join([*kept, *([f"… and {rest} places more"] if rest else [])])


def images(template: Json) -> dict[str, str]:
    """Image by container."""
    spec = template.get("spec")
    found: dict[str, str] = {}
    for part in ("initContainers", "containers"):
        listed = spec.get(part) if isinstance(spec, Mapping) else None
        for one in listed if isinstance(listed, Sequence) else ():
            if isinstance(one, Mapping) and one.get("image"):
                found[str(one.get("name", ""))] = str(one["image"])
    return found


def _leaves(value: object, place: str, *, secret: bool) -> Iterator[tuple[str, tuple[object, bool]]]:
    """Every value that holds no others, by its place, and whether it must not be shown."""
    if isinstance(value, Mapping) and value:
        hides = secret or (isinstance(value.get("value"), str) and _SECRET.search(str(value.get("name", ""))) is not None)
        for key, inner in value.items():
            yield from _leaves(inner, f"{place}.{key}".lstrip("."), secret=hides and key == "value")
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        for index, inner in enumerate(value):
            named = inner.get("name") if isinstance(inner, Mapping) else None
            yield from _leaves(inner, f"{place}[{named if isinstance(named, str) else index}]", secret=secret)
    else:
        yield place, (value, secret)


def _shown(leaves: Mapping[str, tuple[object, bool]], place: str) -> str:
    if place not in leaves:
        return _NOTHING
    value, secret = leaves[place]
    if secret:
        return _HIDDEN
    text = redact(" ".join(str(value).split()))
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
