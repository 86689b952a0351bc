"""captureEvidence: adds the log tail and Events to the Incident. It changes nothing and never fails a run."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus

from .step import ANY, Done, Evidence, LiveFacts, Next, StepKind, nothing


class CaptureEvidence(WireModel):
    """Add log tail and Events to the Incident. Never fails a run."""

    tail_lines: Annotated[int, Field(ge=1, le=200)] = 20
    """Lines from the end of the failing container's log."""


def plan(params: CaptureEvidence, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """Once."""
    return Done(message="evidence was taken") if done else Evidence(tail_lines=params.tail_lines)


KIND: Final = StepKind(
    name="captureEvidence", params=CaptureEvidence, impact=StepImpact.READ, kinds=ANY, rights=(), needs=nothing, plan=plan, bounded=True
)
