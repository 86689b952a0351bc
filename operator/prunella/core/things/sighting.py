"""What every detector of a thing is given besides the thing, and what it answers.

The rule this module protects: level, not edge. The same thing at the same instant gives the same answer; what can't be told from it is not found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import Cause
from prunella.core.detect.look import OPEN_AFTER_SECONDS, quote
from prunella.core.facts import Finding
from prunella.core.subject import Thing

from .past import NO_PAST, Past

OPEN_AFTER: Final[Mapping[Cause, int]] = {
    Cause.API_SERVICE_DOWN: 60,
    Cause.AUTOSCALER_AT_MAXIMUM: 900,
    Cause.AUTOSCALER_BLIND: 900,
    Cause.CERTIFICATE_EXPIRING: 3600,
    Cause.CRON_JOB_FAILING: 0,
    Cause.DISRUPTION_BUDGET_DEADLOCK: 900,
    Cause.JOB_FAILED: 0,
    Cause.LEFTOVER_CORDON: 0,
    Cause.NODE_FAULT: 300,
    Cause.NODE_FLAPPING: 0,
    Cause.NODE_NOT_READY: 60,
    Cause.NODE_PRESSURE: 300,
    Cause.QUOTA_EXCEEDED: 60,
    Cause.SERVICE_WITHOUT_ENDPOINTS: 60,
    Cause.STUCK_TERMINATING: OPEN_AFTER_SECONDS[Cause.STUCK_TERMINATING],
    Cause.VOLUME_CLAIM_LOST: 0,
    Cause.VOLUME_CLAIM_PENDING: 60,
}
"""Seconds that a finding must hold before its Incident opens, where the HealingPolicy's `detectors` say nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """The instant of a look, and what it is judged by."""

    now: datetime
    open_after_seconds: Mapping[str, int] = field(default_factory=dict)
    """By cause, what the HealingPolicy says."""
    past: Past = NO_PAST

    def patience(self, cause: Cause) -> timedelta:
        """How long a finding of that cause must hold."""
        return timedelta(seconds=self.open_after_seconds.get(cause, OPEN_AFTER[cause]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """The finding, if there is one, and the next instant at which the answer may change without an event."""

    finding: Finding | None = None
    look_again: datetime | None = None
    settled: bool = True
    """False where neither a fault nor its end can be told."""
    opens: bool = True
    """False where it is so old a story that it opens no Incident. One that is open stays so."""


NOTHING: Final = Sighting()
UNTOLD: Final = Sighting(settled=False)


def found(
    thing: Thing, cause: Cause, what: str, since: datetime, at: At, *, opens: bool = True, pods: tuple[str, ...] = (), container: str = ""
) -> Sighting:
    """A finding about the thing that holds since then. What is dated in the future by another clock holds since now at the latest."""
    began = min(since, at.now)
    due = began + at.patience(cause)
    finding = Finding(
        cause=cause,
        subject=thing,
        summary=f"{thing.name}: {what}"[:1024],
        started_time=began,
        open_time=due,
        failing_pods=pods,
        failing_container=container,
    )
    return Sighting(finding=finding, look_again=due if due > at.now else None, opens=opens)


def told(reason: str, message: str) -> str:
    """A condition's reason and message as they stand in a sentence."""
    said = quote(message)
    return f"{reason}: {said}" if reason and said else reason or said or "no reason is told"
