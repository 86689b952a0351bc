"""RFC 6901: the part of a document that a JSON pointer names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final


class Missing:
    """The type of `MISSING`."""


MISSING: Final = Missing()
"""There is no such part: not the same as a part that is null."""


def part(document: object, pointer: str) -> object:
    """The part of a decoded document; `MISSING` where it isn't there."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        if isinstance(document, Mapping) and key in document:
            document = document[key]
        elif isinstance(document, Sequence) and not isinstance(document, str) and key.isdecimal() and int(key) < len(document):
            document = document[int(key)]
        else:
            return MISSING
    return document
