"""A Certificate of cert-manager that is not renewed in time.

The rule this module protects: no Secret is read. What cert-manager says of the certificate is enough: until when it holds, and when it was to be
renewed. One that was never issued is somebody's work in progress.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from prunella.api.names import Cause
from prunella.core.facts import WorkloadCondition
from prunella.core.subject import Thing

from .sighting import NOTHING, At, Sighting, found, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate(Thing):
    """A Certificate, as its controller tells of it."""

    api_version: ClassVar[str] = "cert-manager.io/v1"
    kind: ClassVar[str] = "Certificate"

    not_after: datetime | None = None
    """Until when it holds; None where it was never issued."""
    renewal_time: datetime | None = None
    """When it is to be renewed."""
    unready: WorkloadCondition | None = None
    """Ready, where it is False."""
    issuing: WorkloadCondition | None = None
    """Issuing: True while it is being renewed, False where the last try failed."""


def detect(one: Certificate, at: At) -> Sighting:
    """CertificateExpiring, from when it was to be renewed; where that is not told, from when it has expired."""
    if one.not_after is None:
        return NOTHING
    due = min(one.renewal_time or one.not_after, one.not_after)
    if at.now < due:
        return Sighting(look_again=due)
    ends = f"{one.not_after:%Y-%m-%d %H:%M}"
    expired = f"it expired at {ends}" if at.now >= one.not_after else f"it expires at {ends} and was to be renewed at {due:%Y-%m-%d %H:%M}"
    sighting = found(one, Cause.CERTIFICATE_EXPIRING, f"{expired}{_why(one)}", due, at)
    turns = [time for time in (sighting.look_again, one.not_after) if time is not None and time > at.now]
    return Sighting(finding=sighting.finding, look_again=min(turns, default=None))


def _why(one: Certificate) -> str:
    if one.issuing is not None:
        what = "it is being renewed" if one.issuing.status == "True" else "the last try failed"
        return f"; {what} ({told(one.issuing.reason, one.issuing.message)})"
    return f"; {told(one.unready.reason, one.unready.message)}" if one.unready is not None else "; no try is told of"
