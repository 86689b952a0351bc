"""What is stored before an effect: its intent, with the plan and the guards' word on which it rests."""

from __future__ import annotations

from datetime import datetime, timedelta

from prunella.api.names import ConditionStatus, RemediationPhase, StepState
from prunella.api.remediation import Intent, Remediation, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.healing.effects.effect import Effect
from prunella.core.healing.runbooks import run
from prunella.core.healing.runs import midrun, overridden, retries

from . import attempt
from .permit import Permitted


def intended(
    remediation: Remediation, step: RunbookStep, effect: Effect, permitted: Permitted, *, name: str, earlier: Intent | None, epoch: int, now: datetime
) -> Remediation:
    """The attempt that is about to have this effect, under that name. `earlier`: the intent that takes its try anew, and keeps its deadline."""
    intent = Intent(
        id=run.intent_id(remediation.metadata.uid, name),
        epoch=epoch,
        action=effect.action,
        target_ref=effect.target,
        patch_sha256=effect.sha256,
        does=effect.does[:1024],
        written_time=now,
        tries=retries.following_try(remediation, name, earlier),
        approved_by=midrun.approvers(remediation),
        deadline_time=earlier.deadline_time if earlier is not None else now + timedelta(seconds=step.timeout_seconds),
        before={**overridden.told(permitted.world.raw), **effect.record},
    )
    record = StepStatus(name=name, state=StepState.INTENDED, message=permitted.plan.summary, action=step.action, intent=intent)
    status = remediation.status.model_copy(
        update={
            "phase": RemediationPhase.DISPATCHED,
            "plan": permitted.plan.summary,
            "plan_hash": permitted.plan.hash,
            "diff": permitted.preparation.diff if permitted.preparation else "",
            "guards": permitted.guards,
            "steps": (*remediation.status.steps, record),
            "started_time": remediation.status.started_time or now,
            "next_eligible_time": None,
            "asking": None,
        }
    )
    status = attempt.allowed(status, ConditionStatus.TRUE, "Allowed", "all guards passed", now)
    return remediation.model_copy(update={"status": status})
