"""waitFor: the run goes on once a condition holds, and fails where it does not in time.

The rule this module protects: what can't be told does not hold. The wait begins with a record, so that a restart of the operator does not begin it
anew.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.api.runbook import Expression
from prunella.core.healing.notation.queries import Unfillable
from prunella.core.world import Unevaluable

from .query import PromQL, question
from .step import ANY, Ask, Condition, Done, Failed, LiveFacts, Next, Note, StepKind, Wait, nothing

WAITED: Final = "waitedSeconds"


class WaitFor(WireModel):
    """Wait until a condition holds, of the target or of a value of Prometheus. Where it does not in time, the step fails."""

    until: Expression
    """CEL over `incident`, `target`, `alert`, `steps`; with promql over `value` alone. For example 'target.ready == target.desired'."""
    promql: PromQL | None = None
    """A query whose single value is waited for; no data and a failed question are waited out. ${target.name} inserts one escaped label value."""
    interval_seconds: Annotated[int, Field(ge=2, le=300)] = 10
    """How often it is looked; a change of the target is seen at once."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 300
    """After so long the step fails. Once something was changed, the whole run ends after 600 s."""


def plan(params: WaitFor, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """A record when the wait begins, another when it ends."""
    if any(one.outcome is not None and WAITED in one.outcome.after for one in done):
        return Done(message=f"'{params.until}' held")
    seen = _look(params, live)
    if isinstance(seen, Ask):
        return seen
    since = next((one.outcome.observed_time for one in done if one.outcome is not None), live.now)
    waited = int((live.now - since).total_seconds())
    if not seen:
        return Note(message=f"'{params.until}' holds after {waited} s", outputs={WAITED: str(waited)})
    if not done:
        return Note(message=f"waits until '{params.until}' holds, for {params.timeout_seconds} s at most: {seen}")
    end = since + timedelta(seconds=params.timeout_seconds)
    if live.now >= end:
        return Failed(message=f"'{params.until}' did not hold within {params.timeout_seconds} s: {seen}")
    return Wait(until_time=min(live.now + timedelta(seconds=params.interval_seconds), end), message=f"waits until '{params.until}' holds: {seen}")


def _look(params: WaitFor, live: LiveFacts) -> str | Ask:
    """Why it does not hold; empty where it does."""
    variables = live.variables
    if params.promql is not None:
        asked = question(params.promql, live)
        if isinstance(asked, Unfillable):
            return f"the query can't be asked: {asked.why}"
        answer = live.values.get(asked)
        if answer is None:
            return Ask(reads=(asked,))
        if answer.value is None:
            return f"Prometheus gave no value: {answer.error or answer.missing or 'no data'}"
        variables = {"value": answer.value}
    verdict = live.evaluate(params.until, variables)
    if isinstance(verdict, Unevaluable):
        return f"it could not be told: {verdict.why}"
    return "" if verdict else "it does not yet"


def conditions(params: WaitFor) -> tuple[Condition, ...]:
    """What is waited for."""
    return (Condition(field="until", expression=params.until, of_value=params.promql is not None),)


def queries(params: WaitFor) -> tuple[tuple[str, str], ...]:
    """Its query, if it has one."""
    return (("promql", params.promql),) if params.promql is not None else ()


KIND: Final = StepKind(
    name="waitFor",
    params=WaitFor,
    impact=StepImpact.READ,
    kinds=ANY,
    rights=(),
    needs=nothing,
    plan=plan,
    conditions=conditions,
    queries=queries,
    fixed=frozenset({"until", "promql"}),
    outputs={WAITED: "How long it took, in seconds, as text."},
)
