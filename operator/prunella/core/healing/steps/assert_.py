"""assert: what must be true for the run to go on, asked of what was just read."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.api.runbook import Expression
from prunella.core.world import Unevaluable

from .step import ANY, Condition, Done, Failed, LiveFacts, Next, Note, StepKind, nothing


class Assert(WireModel):
    """Go on only where a condition holds; else, and where it can't be told, the step fails with its message."""

    that: Expression
    """CEL over `incident`, `target`, `alert`, `steps`, for example 'target.ready > 0'."""
    message: Annotated[str, Field(min_length=1, max_length=512)]
    """What it means that it does not hold, for whoever is called."""


def plan(params: Assert, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """Once."""
    if done:
        return Done(message=f"'{params.that}' held")
    verdict = live.evaluate(params.that, live.variables)
    if isinstance(verdict, Unevaluable):
        return Failed(message=f"{params.message}: whether '{params.that}' holds could not be told: {verdict.why}")
    return Note(message=f"'{params.that}' holds") if verdict else Failed(message=f"{params.message}: '{params.that}' does not hold")


def conditions(params: Assert) -> tuple[Condition, ...]:
    """Its one condition."""
    return (Condition(field="that", expression=params.that),)


KIND: Final = StepKind(
    name="assert",
    params=Assert,
    impact=StepImpact.READ,
    kinds=ANY,
    rights=(),
    needs=nothing,
    plan=plan,
    conditions=conditions,
    fixed=frozenset({"that"}),
)
