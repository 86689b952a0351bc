"""What a controller says in an Event that it could not do: the only evidence of some faults.

The rule this module protects: Events are kept for an hour and may be left out, so the absence of one proves nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_QUOTA: Final = re.compile(r"exceeded quota: ([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?), requested: (\S+), used: \S+, limited: \S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Complaint:
    """An Event of type Warning about one object."""

    namespace: str
    kind: str
    name: str
    uid: str
    """Of the object that it is about."""
    reason: str
    message: str
    first_time: datetime | None = None
    last_time: datetime | None = None

    @property
    def quota(self) -> str:
        """The ResourceQuota that refused something, by name; empty where it is about something else."""
        return refusing_quota(self.message)

    @property
    def requested(self) -> Mapping[str, str]:
        """What was asked of that quota: quantities by resource."""
        found = _QUOTA.search(self.message)
        pairs = (part.partition("=") for part in found.group(3).split(",")) if found else ()
        return {name: amount for name, _, amount in pairs if name and amount}


def refusing_quota(message: str) -> str:
    """The ResourceQuota that refused something, by name, in the API server's words; empty where they are about something else."""
    found = _QUOTA.search(message)
    return found.group(1) if found else ""
