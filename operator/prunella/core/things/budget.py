"""A PodDisruptionBudget that never permits an eviction: each drain of a node waits for it for ever.

The rule this module protects: pods that are just not healthy are their workload's fault. Only a budget that demands every pod it covers is at fault.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from prunella.api.names import Cause
from prunella.core.subject import Thing

from .sighting import NOTHING, UNTOLD, At, Sighting, found


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget(Thing):
    """A PodDisruptionBudget as its controller counts it."""

    api_version: ClassVar[str] = "policy/v1"
    kind: ClassVar[str] = "PodDisruptionBudget"

    counted: bool = True
    """Whether its controller has seen what stands in it now."""
    allowed: int = 0
    healthy: int = 0
    desired: int = 0
    expected: int = 0
    since: datetime | None = None
    """Since when it permits none, by its condition."""


def detect(budget: Budget, at: At) -> Sighting:
    """DisruptionBudgetDeadlock."""
    if not budget.counted:
        return UNTOLD
    if budget.allowed > 0 or budget.expected <= 0 or budget.desired < budget.expected or budget.healthy < budget.desired:
        return NOTHING
    what = (
        f"it permits no eviction although all {budget.expected} of its pods are healthy, for it demands {budget.desired}: no node that has one of "
        "them can be drained"
    )
    return found(budget, Cause.DISRUPTION_BUDGET_DEADLOCK, what, budget.since or at.now, at)
