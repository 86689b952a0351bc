"""What came in for one Incident and waits for its next decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from prunella.api.incident import Incident
from prunella.core.draft import Draft
from prunella.core.facts import AlertFacts
from prunella.core.world import Answers, Capture, Delivery, Preparation


@dataclass(frozen=True, slots=True)
class Unanswered:
    """A decision that was sent to be stored, and no answer has come."""

    before: Incident
    draft: Draft
    alerts: int
    """How many it took in: the first that waited."""

    def stands_on(self, incident: Incident) -> bool:
        """Whether the Incident, read since, shows just that."""
        return incident.metadata.uid == self.before.metadata.uid and incident.status == self.draft.status


@dataclass
class Mailbox:
    """What came in for one Incident since its last write."""

    alerts: list[AlertFacts] = field(default_factory=list)
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

    def stored(self, alerts: int) -> None:
        """A decision stands on the Incident, with the first so many alerts and all else that it took in."""
        self.known(alerts)
        self.capture = None

    def known(self, alerts: int) -> None:
        """Of the first so many alerts nothing waits to be written, and nothing that was written waits to be recognised."""
        del self.alerts[:alerts]
        self.dirty_since = None
        self.unanswered = None
