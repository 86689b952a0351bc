"""What still stands of an Incident: signals that fire, a report that nobody closed, an attempt under way, recoveries that did not last.

The rule this module protects: silenced is not over, held is not over, and only what fires wakes people.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident, IncidentStatus, Signal
from prunella.api.marks import FREEZE
from prunella.api.names import RemediationPhase, SignalState, SourceKind, StepState
from prunella.api.remediation import Remediation

FLAPS: Final = 3
FLAP_WINDOW: Final = timedelta(hours=1)
OPEN_STATES: Final = frozenset({SignalState.FIRING, SignalState.SUPPRESSED, SignalState.STALE})


def firing(status: IncidentStatus) -> tuple[Signal, ...]:
    """Signals that fire now."""
    return tuple(signal for signal in status.signals if signal.state is SignalState.FIRING)


def not_over(status: IncidentStatus) -> tuple[Signal, ...]:
    """Signals that keep the Incident from being over: they fire, are silenced, or wait for confirmation."""
    return tuple(signal for signal in status.signals if signal.state in OPEN_STATES)


def reported(incident: Incident) -> bool:
    """Whether a person's report stands: it counts as firing until somebody says that it is over."""
    return incident.source_kind is SourceKind.PERSON and incident.spec.resolution is None


def phase_of(remediation: Remediation) -> RemediationPhase:
    """The attempt's phase; one that nobody looked at yet is Pending."""
    return remediation.status.phase or RemediationPhase.PENDING


def unknown(remediations: tuple[Remediation, ...]) -> Remediation | None:
    """The attempt whose effect can't be known: it ends by a person only, and counts as firing."""
    return next((one for one in remediations if phase_of(one) is RemediationPhase.UNKNOWN), None)


def froze(remediation: Remediation) -> bool:
    """Whether the attempt froze a rollout: the revision before serves, and the newest one is still broken."""
    return any(one.action == FREEZE and one.intent is not None and one.state is StepState.APPLIED for one in remediation.status.steps)


def untried(remediation: Remediation) -> bool:
    """Whether the attempt asked people, nobody answered in time, and nothing was changed: it says nothing of what it would have done."""
    expired = any(one.type == "Approved" and one.reason == "ApprovalExpired" for one in remediation.status.conditions)
    return expired and remediation.status.effect_time is None


def at_work(remediations: tuple[Remediation, ...]) -> tuple[Remediation, ...]:
    """Attempts that will end by themselves but have not yet."""
    return tuple(one for one in remediations if not phase_of(one).final and phase_of(one) is not RemediationPhase.UNKNOWN)


def fault_since(status: IncidentStatus) -> datetime | None:
    """Since when the fault is there that is seen now: first sight of what the watch sees, in this episode. An earlier one was another fault."""
    seen = (one.first_seen_time for one in firing(status) if one.source is SourceKind.WATCH)
    return max((*(one.triggered_time for one in status.episodes[-1:]), *seen), default=None)


def recoveries(status: IncidentStatus, now: datetime) -> tuple[datetime, ...]:
    """When episodes ended within the last hour, oldest first."""
    ends = (one.resolved_time for one in status.episodes)
    return tuple(sorted(end for end in ends if end is not None and now - end < FLAP_WINDOW))


def flapping_until(status: IncidentStatus, now: datetime) -> datetime | None:
    """Until when it counts as flapping: three recoveries within an hour. None where it does not."""
    recent = recoveries(status, now)
    return recent[-FLAPS] + FLAP_WINDOW if len(recent) >= FLAPS else None
