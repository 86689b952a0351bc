"""escalate: the owner is paged now, whatever the policy's delays are. It changes nothing on the cluster and is always allowed."""

from __future__ import annotations

from typing import Final

from prunella.api.remediation import StepStatus
from prunella.api.runbook import Escalate, RunbookStep

from .step import Done, LiveFacts, Next, PageNow, Right, StepKind


def plan(step: RunbookStep, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """Once."""
    if done:
        return Done(message="the owner was paged")
    wanted = step.escalate or Escalate()
    return PageNow(message=wanted.message or f"{live.facts.workload.short}: the Runbook asks for a person")


def rights(kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """None."""
    return ()


KIND: Final = StepKind(field="escalate", plan=plan, rights=rights, impact="Notify")
