"""A Secret of type kubernetes.io/tls that the HealingPolicy names: its certificate expires, and nothing has renewed it.

The rule this module protects: of such a Secret only the times of its certificate are known here, never its key. What could not be read is neither
well nor a fault. One that cert-manager keeps is told of by its Certificate, and by nothing else; a Certificate that is only said to keep it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import ClassVar, Final

from prunella.api.names import Cause
from prunella.core.subject import Thing

from .leaf import Validity
from .sighting import NOTHING, UNTOLD, At, Sighting, found

TYPE: Final = "kubernetes.io/tls"
CERTIFICATE_KEY: Final = "tls.crt"
LAST_THIRD: Final = 3
"""A certificate is due in this part of its life, as it is for cert-manager,"""
AT_MOST: Final = timedelta(days=21)
"""and not earlier than that before its end."""


class Unread(Enum):
    """Why there is nothing to judge although the Secret may be there."""

    FORBIDDEN = "forbidden"


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSecret(Thing):
    """The Secret, with the times of its leaf."""

    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "Secret"

    holds: Validity | None = None
    """From when until when its certificate holds; None where it can't be read."""
    unreadable: str = ""
    """What is wrong with it, where it can't."""
    keeper: str = ""
    """Name of the Certificate, in its namespace, that is said to keep it. It may be long gone."""
    managed: bool = False
    """Whether that Certificate is known to be there."""

    @property
    def due_time(self) -> datetime | None:
        """From when on it should have been renewed. None where that is not for us to tell."""
        if self.holds is None or self.managed:
            return None
        life = self.holds.not_after - self.holds.not_before
        return self.holds.not_after - min(life / LAST_THIRD, AT_MOST)


def detect(one: TlsSecret, at: At) -> Sighting:
    """CertificateExpiring, from when its certificate should have been renewed."""
    if one.managed:
        return NOTHING
    if one.holds is None or one.due_time is None:
        return UNTOLD
    if at.now < one.due_time:
        return Sighting(look_again=one.due_time)
    ends = f"{one.holds.not_after:%Y-%m-%d %H:%M}"
    over = at.now >= one.holds.not_after
    what = f"its certificate expired at {ends}" if over else f"its certificate expires at {ends}, and nothing has renewed it"
    sighting = found(one, Cause.CERTIFICATE_EXPIRING, what, one.due_time, at)
    turns = [time for time in (sighting.look_again, one.holds.not_after) if time is not None and time > at.now]
    return Sighting(finding=sighting.finding, look_again=min(turns, default=None))
