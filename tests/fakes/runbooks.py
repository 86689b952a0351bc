"""Runbooks: those that ship, read from their files, and small ones for one test."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import yaml

from prunella.api.common import Metadata
from prunella.api.names import Cause, Mode
from prunella.api.runbook import Check, Match, Runbook, RunbookSpec, RunbookStep, Verify, WorkloadHealthy
from prunella.core.healing.steps.roll_back import RollBack

FOLDER = Path(__file__).resolve().parents[2] / "runbooks"


@cache
def shipped(name: str = "roll-back-bad-rollout") -> Runbook:
    """A shipped Runbook as it ships."""
    document = yaml.safe_load((FOLDER / f"{name}.yaml").read_text())
    return Runbook.model_validate({key: value for key, value in document.items() if key not in {"apiVersion", "kind"}})


HEALTHY = Check(name="healthy", workload_healthy=WorkloadHealthy())
ROLL_BACK = RunbookStep(name="rollback", roll_back=RollBack())


def runbook(name: str = "roll-back", *steps: RunbookStep, namespace: str = "prunella-system", **spec: Any) -> Runbook:
    """A Runbook in Auto for crash loops of a rollout, that rolls back unless it is told other steps."""
    defaults: dict[str, Any] = {
        "title": "Roll back",
        "match": Match(causes=(Cause.ROLLOUT_CRASH_LOOP,), dwell_seconds=10, min_restarts=2),
        "mode": Mode.AUTO,
        "steps": steps or (ROLL_BACK,),
        "verify": Verify(stabilize_seconds=10, interval_seconds=5, successes=3, timeout_seconds=300, checks=(HEALTHY,)),
    }
    meta = Metadata(name=name, namespace=namespace, uid=f"uid-{name}", generation=1)
    return Runbook(metadata=meta, spec=RunbookSpec(**(defaults | spec)))
