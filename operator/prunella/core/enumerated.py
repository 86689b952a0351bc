"""A few of many by name, for a sentence: whoever reads it wants the first ones and how many there are, and no list."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

NAMED: Final = 3
"""So many stand in a sentence by name."""


def some(names: Iterable[str]) -> str:
    """shop/a, shop/b, shop/c and 27 more."""
    known = sorted(names)
    more = f" and {len(known) - NAMED} more" if len(known) > NAMED else ""
    return f"{', '.join(known[:NAMED])}{more}"
