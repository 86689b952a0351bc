"""Alertmanager, Prometheus, transports and telemetry, as a test sets them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prunella.api.healing_policy import ReceiverMethod
from prunella.core.facts import UNKNOWN, AlertFacts, UnknownT
from prunella.core.people.message import Envelope
from prunella.core.world import QueryValue


@dataclass
class FakeAlertmanager:
    """Implements the port `AlertSource`."""

    listed: dict[str, AlertFacts] | UnknownT = UNKNOWN
    polls: int = 0

    async def active(self) -> Mapping[str, AlertFacts] | UnknownT:
        self.polls += 1
        return self.listed


@dataclass
class FakeQueries:
    """Implements the port `Queries`."""

    values: list[QueryValue] = field(default_factory=list)
    """One answer after the other; the last one is repeated."""
    rules: dict[str, int] = field(default_factory=dict)
    active: dict[str, datetime] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def value(self, query: str, now: datetime) -> QueryValue:
        self.asked.append(query)
        return self.values.pop(0) if len(self.values) > 1 else self.values[0]

    async def rule_for_seconds(self, alertname: str) -> int | UnknownT:
        self.asked.append(alertname)
        return self.rules.get(alertname, UNKNOWN)

    async def alert_active_time(self, alertname: str, labels: Mapping[str, str]) -> datetime | UnknownT:
        return self.active.get(alertname, UNKNOWN)


@dataclass
class FakeDeliver:
    """Implements the port `Deliver`: everything arrives."""

    sent: list[Envelope] = field(default_factory=list)

    async def deliver(self, method: ReceiverMethod, envelope: Envelope) -> None:
        self.sent.append(envelope)

    def to(self, kind: str) -> list[str]:
        """Receivers of messages of that kind, in order."""
        return [one.receiver for one in self.sent if one.kind == kind]


@dataclass
class FakeTelemetry:
    """Implements the port `Telemetry`."""

    counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = field(default_factory=Counter)
    gauges: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)
    seen: list[tuple[str, float]] = field(default_factory=list)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name, tuple(sorted(labels.items()))] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges[name, tuple(sorted(labels.items()))] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        self.seen.append((name, value))

    def counted(self, name: str, **labels: str) -> int:
        return self.counts[name, tuple(sorted(labels.items()))]
