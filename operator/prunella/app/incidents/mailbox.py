"""What came in for one Incident and waits for its next decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from prunella.api.incident import Incident
from prunella.core.draft import Draft
from prunella.core.facts import AlertFacts
from prunella.core.world import Answers, Capture, Delivery, Preparation

_Same: TypeAlias = tuple[str, str, datetime | None]


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A decision that was sent to be stored, and no answer has come."""

    before: Incident
    draft: Draft
    alerts: Sequence[AlertFacts]
    """What it took in."""

    def stands_on(self, incident: Incident) -> bool:
        """Whether the Incident, read since, shows just that."""
        return incident.metadata.uid == self.before.metadata.uid and incident.status == self.draft.status


@dataclass
class Mailbox:
    """What came in for one Incident since its last write."""

    alerts: list[AlertFacts] = field(default_factory=list)
    refused: dict[_Same, AlertFacts] = field(default_factory=dict)
    """Those of them whose sender was told that they could not be stored. They wait all the same, for the sender may give up."""
    deliveries: list[Delivery] = field(default_factory=list)
    capture: Capture | None = None
    preparation: Preparation | None = None
    answers: Answers | None = None
    dirty_since: datetime | None = None
    """Since when counts wait to be written."""
    received: int = 0
    """How many alerts ever came in."""
    judged: int = 0
    """How many of them a decision has taken in: they are stored, or are counts that are written later."""
    unanswered: Unanswered | None = None
    """What was sent last, until it is known to be stored."""

    def put(self, alerts: Sequence[AlertFacts]) -> int:
        """Alerts came in; one that was refused and is sent again is the same delivery. Returns how many ever came in."""
        again = {id(old) for one in alerts if (old := self.refused.pop(_same(one), None)) is not None}
        if again:
            self.alerts = [one for one in self.alerts if id(one) not in again]
        self.alerts.extend(alerts)
        self.received += len(alerts)
        return self.received

    def refuse(self, alerts: Sequence[AlertFacts]) -> None:
        """Their sender is told that they could not be stored."""
        waiting = {id(one) for one in self.alerts}
        self.refused.update({_same(one): one for one in alerts if id(one) in waiting})

    def stored(self, alerts: Sequence[AlertFacts]) -> None:
        """A decision stands on the Incident, with these alerts and all else that it took in."""
        self.known(alerts)
        self.capture = None

    def known(self, alerts: Sequence[AlertFacts]) -> None:
        """Of these alerts nothing waits to be written, and nothing that was written waits to be recognised."""
        gone = {id(one) for one in alerts}
        self.alerts = [one for one in self.alerts if id(one) not in gone]
        self.refused = {key: one for key, one in self.refused.items() if id(one) not in gone}
        self.dirty_since = None
        self.unanswered = None


def _same(alert: AlertFacts) -> _Same:
    """What a sender repeats where it was refused; only when it came differs."""
    return alert.fingerprint, alert.state, alert.starts_time
