"""The attempts of one namespace as a live list showed them at one instant, and whether that instant is late enough.

The rule this module protects: what is decided about an Incident rests on attempts that are no older than the Incident. A later write of the Incident
is found out by compare-and-swap; attempts from before its last write would not be.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

from prunella.api.incident import Incident
from prunella.api.remediation import Remediation

_MOST_DIGITS: Final = 9
"""Nobody makes a milliard attempts."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A namespace's attempts."""

    attempts: tuple[Remediation, ...]
    version: str
    """The list's resourceVersion: every write up to it shows in the list."""

    def of(self, incident: Incident) -> tuple[Remediation, ...]:
        """Those of that very Incident, by uid, in the order of their numbers. A run that a person asked for is its own story."""
        return tuple(sorted(_own(self.attempts, incident.metadata.uid), key=_number))

    def shows_all_before(self, version: str) -> bool:
        """Whether the list is no older than an object of that resourceVersion. False where they are no numbers, and can't be compared."""
        return self.version.isdecimal() and version.isdecimal() and int(self.version) >= int(version)


class Lists(Protocol):
    """Who lists."""

    async def remediations_in(self, namespace: str) -> Listing:
        """A live list of a namespace."""


async def attempts_of(incident: Incident, listing: Awaitable[Listing], store: Lists) -> tuple[Remediation, ...]:
    """Its attempts, by a list that was read beside it; by another one where somebody wrote the Incident between the two."""
    read = await listing
    if not read.shows_all_before(incident.metadata.resource_version):
        read = await store.remediations_in(incident.metadata.namespace or "")
    return read.of(incident)


def _own(attempts: Iterable[Remediation], uid: str) -> Iterable[Remediation]:
    return (one for one in attempts if one.story_uid == uid)


def _number(remediation: Remediation) -> tuple[int, str]:
    tail = remediation.metadata.name.rpartition("-")[2]
    return (int(tail) if tail.isdecimal() and len(tail) <= _MOST_DIGITS else 0, remediation.metadata.name)
