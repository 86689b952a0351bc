"""query: a number of Prometheus, for the steps after it. No number is a failure, and never health."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.notation.queries import Unfillable, about_target

from .step import ANY, Ask, Done, Failed, LiveFacts, Next, Note, Queried, StepKind, nothing

PromQL = Annotated[str, Field(min_length=1, max_length=2048)]


class Query(WireModel):
    """Ask Prometheus for one value, which later steps may read. No data and a failed question are failures of the step."""

    promql: PromQL
    """The query; it must come to one value. ${target.name} and the like insert one escaped label value."""


def plan(params: Query, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """Once."""
    if done:
        return Done(message="Prometheus was asked")
    asked = question(params.promql, live)
    if isinstance(asked, Unfillable):
        return Failed(message=f"the query can't be asked: {asked.why}")
    answer = live.values.get(asked)
    if answer is None:
        return Ask(reads=(asked,))
    if answer.value is None:
        return Failed(message=f"Prometheus gave no value: {answer.error or answer.missing or 'no data'}", transient=answer.transient)
    return Note(message=f"Prometheus says {answer.value:g}", outputs={"value": repr(answer.value)})


def question(promql: str, live: LiveFacts) -> Queried | Unfillable:
    """The query about the target, as it is sent."""
    subject = live.subject
    filled = about_target(promql, subject.kind, subject.namespace, subject.name)
    return filled if isinstance(filled, Unfillable) else Queried(filled)


def queries(params: Query) -> tuple[tuple[str, str], ...]:
    """Its one query."""
    return (("promql", params.promql),)


KIND: Final = StepKind(
    name="query",
    params=Query,
    impact=StepImpact.READ,
    kinds=ANY,
    rights=(),
    needs=nothing,
    plan=plan,
    queries=queries,
    fixed=frozenset({"promql"}),
    outputs={"value": "The number, as text: `double(steps.<name>.outputs.value) > 0.5`."},
)
