"""One attempt's record: small pure changes of a RemediationStatus."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prunella.api.names import ConditionStatus, Outcome, StepState
from prunella.api.remediation import Remediation, RemediationStatus, StepOutcome, StepStatus
from prunella.api.runbook import Runbook, RunbookStep
from prunella.core.draft import set_condition
from prunella.core.facts import SHORT_KIND
from prunella.core.healing import plan
from prunella.core.healing.steps import registry

LIVE_END: Final = {
    "TargetHealthy": Outcome.RECOVERED_ITSELF,
    "TargetChanged": Outcome.STALE,
    "HumanOverride": Outcome.SUPERSEDED,
    "QuarantinedReapplied": Outcome.SUPERSEDED,
}
"""Live refusals that end a run: they can't change back."""


def runbook_of(remediation: Remediation, runbooks: Iterable[Runbook]) -> Runbook | None:
    """The Runbook that the attempt is pinned to; None where it is gone, or was changed since."""
    pinned = remediation.spec.runbook_ref
    for one in runbooks:
        if (one.metadata.namespace, one.metadata.name) == (pinned.namespace, pinned.name):
            return one if plan.runbook_sha256(one) == pinned.sha256 else None
    return None


def open_step(remediation: Remediation) -> StepStatus | None:
    """The intent that has no outcome yet."""
    return next((step for step in remediation.status.steps if step.state is StepState.INTENDED), None)


def replace_step(status: RemediationStatus, step: StepStatus) -> RemediationStatus:
    """The status with one step's record replaced."""
    return status.model_copy(update={"steps": tuple(step if one.name == step.name else one for one in status.steps)})


def failed(remediation: Remediation, step: RunbookStep, message: str, now: datetime) -> Remediation:
    """The attempt with the record that this step failed before anything was changed by it."""
    record = StepStatus(
        name=step.name, state=StepState.FAILED, message=message[:1024], outcome=StepOutcome(observed_time=now, message=message[:1024])
    )
    return remediation.model_copy(update={"status": remediation.status.model_copy(update={"steps": (*remediation.status.steps, record)})})


def spent(remediation: Remediation, now: datetime) -> Remediation:
    """The attempt as one that was begun: else what it did without an intent would be done again and again."""
    status = remediation.status.model_copy(update={"started_time": remediation.status.started_time or now})
    return remediation.model_copy(update={"status": status})


def unbegun(remediation: Remediation) -> Remediation:
    """The attempt without the intent that has no outcome yet."""
    steps = tuple(step for step in remediation.status.steps if step.state is not StepState.INTENDED)
    return remediation.model_copy(update={"status": remediation.status.model_copy(update={"steps": steps})})


def allowed(status: RemediationStatus, value: ConditionStatus, reason: str, message: str, now: datetime) -> RemediationStatus:
    """The status with its condition RemediationAllowed."""
    return _with(status, "RemediationAllowed", value, reason, message, now)


def succeeded(status: RemediationStatus, value: ConditionStatus, reason: str, message: str, now: datetime) -> RemediationStatus:
    """The status with its summary condition."""
    return _with(status, "Succeeded", value, reason, message, now)


def _with(status: RemediationStatus, type_: str, value: ConditionStatus, reason: str, message: str, now: datetime) -> RemediationStatus:
    conditions = set_condition(status.conditions, type_, value, reason, message, now=now, generation=1)
    return status.model_copy(update={"conditions": conditions, "observed_generation": 1})


def is_all(runbook: Runbook, remediation: Remediation, step: StepStatus, *, last: bool) -> bool:
    """Whether nothing can follow this effect: it is of the last step, and no broken pod of a StatefulSet may have to go after it."""
    final = runbook.spec.steps[-1]
    if step.name.split("/", 1)[0] != final.name:
        return False
    return last or not registry.kind_of(final).accuses or remediation.spec.target_ref.kind != "StatefulSet"


def effect_text(step: StepStatus) -> str:
    """What an applied effect did, for the timeline."""
    intent = step.intent
    if intent is None:
        return step.message
    if intent.action == "Delete":
        return f"pod {intent.target_ref.name} was deleted: it was not ready and held the rollout up"
    target = f"{SHORT_KIND.get(intent.target_ref.kind, intent.target_ref.kind.lower())}/{intent.target_ref.name}"
    if "toRevision" in intent.before:
        accused = intent.before.get("revision", "the other one")
        return f"{target} runs the template of revision {intent.before['toRevision']} again; {accused} is quarantined"
    return f"the pods of {target} are being made anew"
