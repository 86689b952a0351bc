"""The Runbooks that were not chosen: those that came near, each with its reason, and in one line how many are for another cause altogether.

The rule it protects: what a tired person reads first is what could have helped. Nothing is kept back: the one line says how to see each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from .healing.runbooks.match import OTHER_CAUSE
from .lines import Row

LABEL: Final = "considered"
BY_FLAG: Final = "they are for other causes; --guards shows each"
BY_YAML: Final = "they are for other causes; -o yaml shows each"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """A Runbook that was considered and left."""

    runbook: str
    reason: str
    message: str


def considered(left: Iterable[Left], *, every: bool, others: str = BY_FLAG) -> Iterator[Row]:
    """A row for each; unless `every` is wanted, several that are for other causes are one row, which says `others`."""
    known = list(left)
    far = [one for one in known if one.reason == OTHER_CAUSE]
    together = not every and len(far) > 1
    for one in known:
        if not (together and one.reason == OTHER_CAUSE):
            yield Row(label=LABEL, what=f"{one.runbook}: no, {one.reason}", why=one.message)
    if together:
        yield Row(label=LABEL, what=f"{len(far)} {'others' if len(far) < len(known) else 'Runbooks'}: no, {OTHER_CAUSE}", why=others)
