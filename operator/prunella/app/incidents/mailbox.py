"""What came in for one Incident and waits for its next decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from prunella.core.facts import AlertFacts
from prunella.core.world import Answers, Capture, Delivery, Preparation


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
