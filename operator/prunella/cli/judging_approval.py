"""What `lint` says of a Runbook's approval: one that is never asked for, and one that is asked for though the mode says Auto.

The rule it protects: who reads a Runbook knows from it whether people are asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from prunella.api.names import Mode
from prunella.api.runbook import Runbook
from prunella.core.healing.steps import registry

from .documents import Document, Trouble


def approval(document: Document, runbook: Runbook) -> Iterator[Trouble]:
    """Warnings: it works, but not as it reads."""
    mode = runbook.spec.mode
    if "approval" in document.data["spec"] and mode.rank < Mode.APPROVE.rank:
        message = f"spec.approval is never asked for: mode {mode} only shows; raise spec.mode to Approve or Auto, or leave spec.approval out"
        yield document.trouble(("spec", "approval"), message, warning=True)
    asks = [step.name for step in runbook.spec.steps if step.action in registry.KINDS and registry.kind_of(step).approval_always]
    if asks and mode is Mode.AUTO:
        message = f"spec.mode Auto acts as Approve: step '{asks[0]}' is never done without approval; write Approve"
        yield document.trouble(("spec", "mode"), message, warning=True)
