"""What is told to a person or a channel, independent of how it travels."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from prunella.api.incident import Incident
from prunella.api.names import MessageKind, Priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message for one receiver. Text is redacted already; `key` makes a repeat recognisable at the provider."""

    key: str
    """<incident uid>/<message key>: the provider's dedup or idempotency key."""
    kind: MessageKind
    receiver: str
    incident: Incident
    priority: Priority
    title: str
    """One line: what is wrong or what was done."""
    text: str
    """A few sentences, with the command that acknowledges and the one that explains."""
    time: datetime
    sequence: int = 0
    dedup_key: str = ""
    """One per Incident and episode: pages trigger it, acknowledgement and stand-down end it (PagerDuty's dedup_key)."""
    event: str = "escalated"
    """The CloudEvents predicate: detected, acknowledged, escalated, remediated, resolved, ..."""
    links: tuple[tuple[str, str], ...] = ()
    details: dict[str, str] = field(default_factory=dict)
