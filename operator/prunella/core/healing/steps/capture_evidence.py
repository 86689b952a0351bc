"""captureEvidence: adds the log tail and Events to the Incident. It changes nothing and never fails a run."""

from __future__ import annotations

from typing import Final

from prunella.api.remediation import StepStatus
from prunella.api.runbook import CaptureEvidence, RunbookStep

from .step import Done, Evidence, LiveFacts, Next, Right, StepKind


def plan(step: RunbookStep, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """Once."""
    if done:
        return Done(message="evidence was taken")
    wanted = step.capture_evidence or CaptureEvidence()
    return Evidence(tail_lines=wanted.tail_lines)


def rights(kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """None beyond the operator's reads."""
    return ()


KIND: Final = StepKind(field="capture_evidence", plan=plan, rights=rights, impact="Read")
