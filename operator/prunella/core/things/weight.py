"""How much a fault of a thing counts, where no replicas say how much capacity is lost.

The rule this module protects: a page at night is for what hurts. What only prevents something later is a trend, and what is merely untidy is hygiene.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from prunella.api.names import Cause, Urgency


class Lost(Enum):
    """How much of what it serves is lost."""

    NOTHING = "nothing"
    PART = "part"
    MOST = "most"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """The two inputs of the priority, each with its words."""

    lost: Lost = Lost.PART
    why: str = "capacity not known"
    urgency: Urgency = Urgency.HIGH

    @property
    def pace(self) -> str:
        """The urgency in words."""
        return {Urgency.HIGH: "failing now", Urgency.MEDIUM: "a trend", Urgency.LOW: "hygiene"}[self.urgency]


_WEIGHTS: Final = {
    Cause.JOB_FAILED: Weight(lost=Lost.NOTHING, why="nothing that serves is lost"),
    Cause.SERVICE_WITHOUT_ENDPOINTS: Weight(lost=Lost.MOST, why="nothing answers"),
    Cause.NODE_NOT_READY: Weight(lost=Lost.PART, why="a node is lost"),
    Cause.NODE_FLAPPING: Weight(lost=Lost.PART, why="a node comes and goes"),
    Cause.NODE_FAULT: Weight(lost=Lost.PART, why="a node can't be relied on"),
    Cause.NODE_PRESSURE: Weight(lost=Lost.NOTHING, why="what is evicted tells of itself"),
    Cause.LEFTOVER_CORDON: Weight(lost=Lost.NOTHING, why="a node takes no pods", urgency=Urgency.LOW),
    Cause.SCALED_TO_ZERO: Weight(lost=Lost.NOTHING, why="it may be meant", urgency=Urgency.LOW),
    Cause.FAILED_PODS_PILED_UP: Weight(lost=Lost.NOTHING, why="they are only left over", urgency=Urgency.LOW),
    Cause.API_SERVICE_DOWN: Weight(lost=Lost.PART, why="an API is lost"),
    Cause.CERTIFICATE_EXPIRING: Weight(lost=Lost.PART, why="who calls it refuses it once it has expired", urgency=Urgency.MEDIUM),
    Cause.STUCK_TERMINATING: Weight(lost=Lost.NOTHING, why="nothing that serves is lost", urgency=Urgency.MEDIUM),
    Cause.VOLUME_CLAIM_PENDING: Weight(lost=Lost.NOTHING, why="what waits for the volume tells of itself"),
    Cause.VOLUME_CLAIM_LOST: Weight(lost=Lost.MOST, why="the volume is lost"),
    Cause.AUTOSCALER_AT_MAXIMUM: Weight(lost=Lost.NOTHING, why="no capacity lost yet", urgency=Urgency.MEDIUM),
    Cause.AUTOSCALER_BLIND: Weight(lost=Lost.NOTHING, why="no capacity lost yet"),
    Cause.QUOTA_EXCEEDED: Weight(lost=Lost.PART, why="something is refused"),
    Cause.DISRUPTION_BUDGET_DEADLOCK: Weight(lost=Lost.NOTHING, why="only evictions are held up", urgency=Urgency.MEDIUM),
    Cause.CRON_JOB_FAILING: Weight(lost=Lost.NOTHING, why="nothing that serves is lost"),
}


def of(cause: str | Cause | None) -> Weight:
    """The weight of a cause; that of any workload's is failing now, with its capacity told elsewhere."""
    return _WEIGHTS.get(Cause(cause), Weight()) if cause is not None else Weight()
