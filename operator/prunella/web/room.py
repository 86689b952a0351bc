"""How much may be under way at once: bodies from their first byte until their alerts are stored.

The rule this module protects: hundreds of small bodies wait side by side, and nothing that is sent fills the memory. Large ones are few at a time:
reading and taking in ten thousand alerts costs many times their bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

MOST: Final = 512
MOST_BYTES: Final = 64 * 1024 * 1024
LARGE: Final = 256 * 1024
"""Bytes beyond which a body is a large one: some two hundred alerts."""
MOST_LARGE: Final = 8


class FullError(Exception):
    """There is no room for it now."""


class Room:
    """Counts bodies and their bytes."""

    def __init__(self, *, most: int = MOST, most_bytes: int = MOST_BYTES, large: int = LARGE, most_large: int = MOST_LARGE) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._large = large
        self._most_large = most_large
        self._bodies: dict[Place, int] = {}

    @contextmanager
    def place(self, announced: int) -> Iterator[Place]:
        """Room for one body of so many bytes, or of yet unknown length (0), until it is left. Raises FullError."""
        place = Place(self)
        try:
            self.hold(place, announced)
            yield place
        finally:
            self._bodies.pop(place, None)

    def hold(self, place: Place, size: int) -> None:
        """Let a body have that many bytes, and never fewer than it had. Raises FullError."""
        if size <= self._bodies.get(place, -1):
            return
        others = [held for one, held in self._bodies.items() if one is not place]
        if len(others) >= self._most or sum(others) + size > self._most_bytes:
            raise FullError
        if size > self._large and sum(held > self._large for held in others) >= self._most_large:
            raise FullError
        self._bodies[place] = size


class Place:
    """One body's room."""

    def __init__(self, room: Room) -> None:
        self._room = room

    def hold(self, size: int) -> None:
        """The body has that many bytes by now. Raises FullError."""
        self._room.hold(self, size)
