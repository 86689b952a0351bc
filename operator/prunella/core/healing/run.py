"""Where a run stands: which of its steps comes next, by the records of what was done.

The rule this module protects: the records are the only memory. Whoever goes on with a run, after a crash or as the next leader, goes on at the same
step; and as the run only ever goes forward, it ends.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prunella.api.names import OnFailure, StepState
from prunella.api.remediation import StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.world import Evaluate, Unevaluable


def records_of(step: RunbookStep, records: Sequence[StepStatus]) -> tuple[StepStatus, ...]:
    """What is stored of one step's effects, in order."""
    return tuple(one for one in records if step_name(one) == step.name)


def step_name(record: StepStatus) -> str:
    """The step that a record is of: a step may have several effects, `<step>/<n>`."""
    return record.name.partition("/")[0]


def current(steps: Sequence[RunbookStep], records: Sequence[StepStatus]) -> RunbookStep | None:
    """The step that the run is at; None where every step is behind it. Whether that step is done already is for its plan to say."""
    if not records:
        return steps[0] if steps else None
    last = records[-1]
    step = next((one for one in steps if one.name == step_name(last)), None)
    if step is None:
        return None
    if last.state is StepState.FAILED:
        return after_failure(steps, step)
    if last.state is StepState.SKIPPED:
        return following(steps, step)
    return step


def following(steps: Sequence[RunbookStep], step: RunbookStep) -> RunbookStep | None:
    """The step after this one."""
    behind = steps[steps.index(step) + 1 :]
    return behind[0] if behind else None


def after_failure(steps: Sequence[RunbookStep], step: RunbookStep) -> RunbookStep | None:
    """The step with which a run goes on after this one failed. A goTo that points back goes nowhere: the run would never end."""
    wanted = step.on_failure.go_to
    if wanted is None:
        return following(steps, step)
    return next((one for one in steps[steps.index(step) + 1 :] if one.name == wanted), None)


def on_failure(steps: Sequence[RunbookStep], record: StepStatus) -> OnFailure:
    """What the failure of that record's effect does to the run."""
    return next((one.on_failure.does for one in steps if one.name == step_name(record)), OnFailure.ABORT)


def wanted(step: RunbookStep, variables: Mapping[str, object], records: Sequence[StepStatus], evaluate: Evaluate) -> bool | Unevaluable:
    """Whether a step's condition holds; true where it has none."""
    if step.when is None:
        return True
    return evaluate(step.when, {**variables, "steps": told(records)})


def told(records: Sequence[StepStatus]) -> dict[str, object]:
    """What a condition may read of the steps before: how each stands, and its outputs."""
    return {step_name(one): {"state": str(one.state), "outputs": dict(one.outcome.after) if one.outcome is not None else {}} for one in records}
