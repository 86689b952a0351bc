"""How many endpoints of each Service are ready: a sum over its slices, kept by their changes.

The rule this module protects: of a slice two numbers are kept, however many addresses are in it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from .shelf import Change

Named = tuple[str, str]
"""Namespace and name of a Service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """One slice."""

    namespace: str
    service: str
    ready: int
    other: int


class Answering:
    """The sums."""

    def __init__(self) -> None:
        self._ready: Counter[Named] = Counter()
        self._other: Counter[Named] = Counter()

    def change(self, change: Change[Endpoints]) -> None:
        """A slice came, changed or went."""
        for one, sign in ((change.before, -1), (change.after, 1)):
            if one is None or not one.service:
                continue
            for counter, number in ((self._ready, one.ready), (self._other, one.other)):
                counter[one.namespace, one.service] += sign * number
                if not counter[one.namespace, one.service]:
                    del counter[one.namespace, one.service]

    def of(self, namespace: str, service: str) -> tuple[int, int]:
        """How many are ready, and how many are not."""
        return self._ready[namespace, service], self._other[namespace, service]
