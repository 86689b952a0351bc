"""The objects of one kind as the last list and watch told, with the versions that say which word is newer.

The rule this module protects: an older word never replaces a newer one, and a deletion that nobody told us of is made up for by the next list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")
Key = tuple[str, str]
"""Namespace and name."""


class Seen(NamedTuple, Generic[T]):
    """An object as a list or a watch showed it. `value` is None where it could not be read, and `why` says so."""

    key: Key
    uid: str
    version: str
    value: T | None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Change(Generic[T]):
    """What happened to one key: None before means new, None after means gone (or unreadable)."""

    key: Key
    before: T | None
    after: T | None


class Shelf(Generic[T]):
    """All of one kind, by namespace and name. Each real change is told to `tell`, after it can be read here."""

    def __init__(self, tell: Callable[[Change[T]], None]) -> None:
        self._seen: dict[Key, Seen[T]] = {}
        self._tell = tell

    def get(self, key: Key) -> T | None:
        """The object of that key, where it is there and readable."""
        seen = self._seen.get(key)
        return seen.value if seen else None

    def values(self) -> Iterator[T]:
        """Every readable object."""
        return (seen.value for seen in list(self._seen.values()) if seen.value is not None)

    def uids(self, namespace: str | None) -> dict[Key, str]:
        """Uid of every key, of one namespace where one is named."""
        return {key: seen.uid for key, seen in self._seen.items() if namespace is None or key[0] == namespace}

    def version(self, key: Key) -> str:
        """The resourceVersion last seen under a key."""
        seen = self._seen.get(key)
        return seen.version if seen else ""

    def put(self, seen: Seen[T], *, listed: bool) -> None:
        """Take an object in. A list is the truth; a watch event that is older than what is known is a replay and is ignored."""
        before = self._seen.get(seen.key)
        if before is not None and before.uid == seen.uid:
            if before.version == seen.version or (not listed and _older(seen.version, before.version)):
                return
        elif before is not None:
            # Another object bears the name: the old one is gone, even if nobody said so.
            self.remove(seen.key, before.uid)
            before = None
        self._seen[seen.key] = seen
        self._tell(Change(seen.key, before.value if before else None, seen.value))

    def remove(self, key: Key, uid: str) -> None:
        """Take an object out, if that very object is still there."""
        seen = self._seen.get(key)
        if seen is not None and seen.uid == uid:
            del self._seen[key]
            self._tell(Change(key, seen.value, None))


def _older(version: str, than: str) -> bool:
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)
