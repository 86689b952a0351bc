"""What `lint` says of a Runbook's approval: never asked for, asked for though the mode says Auto, or asked before what it is of can be shown.

The rule it protects: who reads a Runbook knows from it whether people are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prunella.api.names import Mode
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.approve import ACTION

from .documents import Document, Trouble

TELLING: Final = frozenset({"notify", "escalate", "captureEvidence"})
"""Steps that change nothing and find nothing out: what comes behind them is shown."""
FINDING: Final = frozenset({"waitFor", "query", "assert"})


def approval(document: Document, runbook: Runbook) -> Iterator[Trouble]:
    """Warnings: it works, but not as it reads."""
    mode = runbook.spec.mode
    if "approval" in document.data["spec"] and mode.rank < Mode.APPROVE.rank:
        message = f"spec.approval is never asked for: mode {mode} only shows; raise spec.mode to Approve or Auto, or leave spec.approval out"
        yield document.trouble(("spec", "approval"), message, warning=True)
    yield from _unseen(document, runbook)
    asks = [step.name for step in runbook.spec.steps if step.action in registry.KINDS and registry.kind_of(step).approval_always]
    if asks and mode is Mode.AUTO:
        message = f"spec.mode Auto acts as Approve: step '{asks[0]}' is never done without approval; write Approve"
        yield document.trouble(("spec", "mode"), message, warning=True)


def _unseen(document: Document, runbook: Runbook) -> Iterator[Trouble]:
    """Steps that find something out between a step `approve` and the first change: people are asked before that is known."""
    steps = [step for step in runbook.spec.steps if step.action in registry.KINDS]
    for index, step in enumerate(steps):
        following = next((one for one in steps[index + 1 :] if one.action not in TELLING), None) if step.action == ACTION else None
        if following is not None and following.action in FINDING:
            message = f"step '{step.name}' asks before '{following.name}' ({following.action}): nobody is shown the change behind it; ask after it"
            yield document.trouble(("spec", "steps", _place(runbook, step)), message, warning=True)


def _place(runbook: Runbook, step: RunbookStep) -> int:
    return next(index for index, one in enumerate(runbook.spec.steps) if one is step)
