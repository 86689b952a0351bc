"""How often a Runbook may try, and who must agree first."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import Rule, Seconds, WireModel

_FAILURES, _OF = 3, 5


class ErrorBudget(WireModel):
    """How often a Runbook may fail before a person has to look at the Runbook itself."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"(has(self.failures) ? self.failures : {_FAILURES}) <= (has(self.of) ? self.of : {_OF})",
            "must not ask for more failures than attempts: lower failures or raise of",
        ),
    )

    failures: Annotated[int, Field(ge=1, le=100)] = _FAILURES
    """So many failed attempts among the last ones are too many: Auto acts as Approve for a day."""
    of: Annotated[int, Field(ge=1, le=100)] = _OF
    """How many of its last attempts are looked at, whatever their target; those of a day at most, and since the Runbook was changed."""


class Limits(WireModel):
    """What stands here wins over the HealingPolicy."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Attempts per target and bad revision, then a person."""
    min_healthy_seconds: Seconds = 3600
    """A relapse within it is the next attempt; after it the count starts anew."""
    cooldown_seconds: Seconds | None = None
    """Least time between two attempts at one target and one bad revision."""
    error_budget: ErrorBudget = ErrorBudget()
    """How often it may fail, over all targets, before Auto acts as Approve."""


class ApprovalTerms(WireModel):
    """Who must agree before anything is changed, where the effective mode is Approve."""

    required: Annotated[int, Field(ge=1, le=10)] = 1
    """How many different people must approve the plan. Whoever asked for it is none of them."""
    expires_seconds: Annotated[int, Field(ge=60, le=86_400)] = 1800
    """After so long an attempt that has not begun ends, and somebody is paged. It never approves itself."""
