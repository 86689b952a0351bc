"""Alertmanager, Prometheus, transports and telemetry, as a test sets them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from prunella.api.healing_policy import ReceiverMethod
from prunella.app.errors import OutcomeUnknown
from prunella.core.facts import UNKNOWN, AlertFacts, UnknownT
from prunella.core.healing.effects.effect import Applied, NotApplied, Settled
from prunella.core.healing.effects.outside import Call, EndSilence, Silence
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

    async def rule_for_seconds(self, alertname: str, severity: str = "") -> int | UnknownT:
        self.asked.append(alertname)
        return self.rules.get(f"{alertname}/{severity}", self.rules.get(alertname, UNKNOWN))

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
class FakeSilences:
    """Alertmanager's silences, by the intent that made them."""

    standing: dict[str, Silence] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Every one that was ever made, by intent."""
    lost: str = ""
    """'before' or 'after': the next request never arrives, or its answer is lost."""
    away: bool = False

    async def make(self, silence: Silence, intent_id: str) -> Applied | NotApplied:
        if self.away:
            return NotApplied(reason="", message="no Alertmanager could be reached: nothing was silenced")
        lost, self.lost = self.lost, ""
        if lost != "before":
            self.made.append(intent_id)
            self.standing[intent_id] = silence
        if lost:
            raise OutcomeUnknown("no answer")
        return Applied(after={"silenceId": f"s-{len(self.made)}"})

    async def end(self, effect: EndSilence) -> Applied | NotApplied:
        ended = self.standing.pop(effect.silenced_by, None)
        return Applied(after={"ended": str(int(ended is not None))})

    async def settle(self, intent_id: str, silenced_by: str) -> Settled | UnknownT:
        if self.away:
            return UNKNOWN
        there = (silenced_by or intent_id) in self.standing
        return Settled.APPLIED if there is not bool(silenced_by) else Settled.NOT_APPLIED


@dataclass
class FakeCalls:
    """Receivers that are called."""

    got: list[tuple[str, Call]] = field(default_factory=list)
    """What arrived, by intent."""
    answer: Applied | NotApplied | None = field(default_factory=lambda: Applied(after={"status": "202"}))
    """None: no answer comes."""

    async def make(self, call: Call, intent_id: str) -> Applied | NotApplied:
        self.got.append((intent_id, call))
        if self.answer is None:
            raise OutcomeUnknown("no answer")
        return self.answer


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
