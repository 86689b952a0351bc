"""Every step that a Runbook may name. Adding a step is adding its file and its line here."""

from __future__ import annotations

from typing import Final

from prunella.api.runbook import RunbookStep

from . import capture_evidence, escalate, restart, roll_back
from .step import Right, StepKind

KINDS: Final = (roll_back.KIND, restart.KIND, capture_evidence.KIND, escalate.KIND)


def kind_of(step: RunbookStep) -> StepKind:
    """The kind of a step. Raises ValueError where the step names no action: the schema refuses such a Runbook."""
    for kind in KINDS:
        if getattr(step, kind.field) is not None:
            return kind
    raise ValueError(f"step '{step.name}' names no action")


def rights_of(steps: tuple[RunbookStep, ...], kind: str) -> tuple[Right, ...]:
    """Everything that the acting account must be allowed to do to a target of that kind, each once."""
    wanted: dict[Right, None] = {}
    for step in steps:
        for right in kind_of(step).rights(kind):
            wanted[right] = None
    return tuple(wanted)
