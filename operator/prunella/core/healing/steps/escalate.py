"""escalate: the owner is paged now, whatever the policy's delays are. It changes nothing on the cluster and is always allowed."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus

from .step import ANY, Done, LiveFacts, Next, PageNow, StepKind, nothing


class Escalate(WireModel):
    """Page the owner now, whatever the policy's delays are."""

    message: Annotated[str, Field(max_length=512)] = ""
    """What is added to the page."""


def plan(params: Escalate, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """Once."""
    if done:
        return Done(message="the owner was paged")
    return PageNow(message=params.message or f"{live.subject.short}: the Runbook asks for a person")


KIND: Final = StepKind(name="escalate", params=Escalate, impact=StepImpact.NOTIFY, kinds=ANY, rights=(), needs=nothing, plan=plan, bounded=True)
