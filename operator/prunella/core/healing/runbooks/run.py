"""Where a run stands: which of its steps comes next, by the records of what was done.

The rule this module protects: the records are the only memory. Whoever goes on with a run, after a crash or as the next leader, goes on at the same
step; and as the run only ever goes forward, it ends.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Final

from prunella.api.names import OnFailure, StepState
from prunella.api.remediation import StepStatus
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core.healing.steps import registry
from prunella.core.world import Evaluate, Unevaluable

UNDO: Final = "undo/"
"""How the record of an effect begins that takes another one back."""


def records_of(step: RunbookStep, records: Sequence[StepStatus]) -> tuple[StepStatus, ...]:
    """What is stored of one step's effects, in order."""
    return tuple(one for one in records if step_name(one) == step.name)


def next_name(step: RunbookStep, records: Sequence[StepStatus]) -> str:
    """What the record of the step's next effect is called."""
    number = len(records_of(step, records))
    return step.name if number == 0 else f"{step.name}/{number}"


def intent_id(uid: str, name: str) -> str:
    """Identity of the effect whose record has that name, in the attempt of that uid: whoever goes on with the run comes to the same."""
    return hashlib.sha256(f"{uid}/{name}".encode()).hexdigest()[:16]


def step_name(record: StepStatus) -> str:
    """The step that a record is of: a step may have several effects, `<step>/<n>`; one that takes back is of none."""
    return "" if record.name.startswith(UNDO) else record.name.partition("/")[0]


def current(steps: Sequence[RunbookStep], records: Sequence[StepStatus]) -> RunbookStep | None:
    """The step that the run is at; None where every step is behind it. Whether that step is done already is for its plan to say."""
    last = next((one for one in reversed(records) if step_name(one)), None)
    if last is None:
        return steps[0] if steps else None
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


def takes_back(steps: Sequence[RunbookStep], records: Sequence[StepStatus]) -> StepStatus | None:
    """The failed record because of which the run takes back what it did; None where it goes on."""
    return next((one for one in records if one.state is StepState.FAILED and step_name(one) and on_failure(steps, one) is OnFailure.UNDO), None)


def to_take_back(records: Sequence[StepStatus]) -> tuple[StepStatus, ...]:
    """Effects that were done and not taken back yet, the last one first."""
    settled = {one.name.removeprefix(UNDO) for one in records if one.name.startswith(UNDO) and one.state is not StepState.INTENDED}
    done = (one for one in reversed(records) if step_name(one) and one.state is StepState.APPLIED and one.intent is not None)
    return tuple(one for one in done if one.name not in settled and ("/" not in one.name or not _never_undone(one)))


def _never_undone(record: StepStatus) -> bool:
    """Of what is done many times over, such as evictions, and can't be taken back, the first record says so for all: a run has a hundred at most."""
    kind = registry.KINDS.get(record.action)
    return kind is not None and kind.undo is None


def undoes(runbook: Runbook) -> bool:
    """Whether what it did is taken back where recovery is not proved: as it says, and always before another one is tried."""
    return runbook.spec.verify.undo_on_failure or runbook.spec.next_ref is not None


def undoes_failure(runbook: Runbook) -> bool:
    """Whether what it did is taken back where a step fails."""
    return undoes(runbook) or any(step.on_failure.does is OnFailure.UNDO for step in runbook.spec.steps)


def undoable(records: Sequence[StepStatus]) -> bool:
    """Whether any of what was done can be taken back and was not yet."""
    return any((kind := registry.KINDS.get(one.action)) is not None and kind.undo is not None for one in to_take_back(records))


def taken_back(records: Sequence[StepStatus]) -> str:
    """What became of taking back, in a sentence."""
    undone = [one for one in records if one.name.startswith(UNDO)]
    left = [one for one in undone if one.state is not StepState.APPLIED]
    if not undone:
        return "nothing had been changed"
    if not left:
        return "what was done was taken back"
    return "; ".join(f"{one.name.removeprefix(UNDO)} was not taken back: {one.message}" for one in left)


def left(untaken: Sequence[StepStatus]) -> str:
    """What a run leaves that ends before it took them back, in a sentence. What has a time of its own may end later."""
    names = tuple(dict.fromkeys(step_name(one) for one in untaken))
    return f"not taken back: {', '.join(names)}"


def wanted(step: RunbookStep, variables: Mapping[str, object], records: Sequence[StepStatus], evaluate: Evaluate) -> bool | Unevaluable:
    """Whether a step's condition holds; true where it has none."""
    if step.when is None:
        return True
    return evaluate(step.when, {**variables, "steps": told(records)})


def told(records: Sequence[StepStatus]) -> dict[str, object]:
    """What a condition may read of the steps before: how each stands, and its outputs."""
    return {
        step_name(one): {"state": str(one.state), "outputs": dict(one.outcome.after) if one.outcome is not None else {}}
        for one in records
        if step_name(one)
    }
