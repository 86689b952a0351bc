"""Complaints by whom they are about, kept by the changes of their shelves."""

from __future__ import annotations

from collections import defaultdict
from typing import TypeVar

from prunella.core.things.complaint import Complaint

from .shelf import Change, Key

K = TypeVar("K")
Quota = tuple[str, str]
"""Namespace and name."""


class Said:
    """An Event comes, is counted up, and goes after an hour."""

    def __init__(self) -> None:
        self._about: defaultdict[str, dict[Key, Complaint]] = defaultdict(dict)
        self._by_quota: defaultdict[Quota, dict[Key, Complaint]] = defaultdict(dict)

    def change(self, change: Change[Complaint]) -> None:
        """An Event came, changed or went."""
        before, after = change.before, change.after
        if before is not None:
            _drop(self._about, before.uid, change.key)
            _drop(self._by_quota, (before.namespace, before.quota), change.key)
        if after is not None:
            self._about[after.uid][change.key] = after
        if after is not None and after.quota:
            self._by_quota[after.namespace, after.quota][change.key] = after

    def about(self, uid: str) -> tuple[Complaint, ...]:
        """What is said about an object."""
        return tuple(self._about[uid].values()) if uid in self._about else ()

    def by_quota(self, namespace: str, name: str) -> tuple[Complaint, ...]:
        """What a quota refused."""
        return tuple(self._by_quota[namespace, name].values()) if (namespace, name) in self._by_quota else ()


def _drop(index: dict[K, dict[Key, Complaint]], of: K, key: Key) -> None:
    siblings = index.get(of)
    if siblings is not None:
        siblings.pop(key, None)
        if not siblings:
            del index[of]
