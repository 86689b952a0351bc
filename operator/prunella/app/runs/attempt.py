"""One attempt's record: small pure changes of a RemediationStatus."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import ConditionStatus, Outcome, RemediationPhase, StepState
from prunella.api.remediation import Remediation, RemediationStatus, StepOutcome, StepStatus
from prunella.api.runbook import Runbook
from prunella.api.step_failure import Retrying
from prunella.core.draft import set_condition
from prunella.core.healing.guards import approval, history
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import filling, plan, run
from prunella.core.healing.runs.overridden import Overridden
from prunella.core.healing.steps import registry
from prunella.core.people.notices import TOLD

LIVE_END: Final = {
    "TargetHealthy": Outcome.RECOVERED_ITSELF,
    "TargetChanged": Outcome.STALE,
    "HumanOverride": Outcome.SUPERSEDED,
    "QuarantinedReapplied": Outcome.SUPERSEDED,
}
"""Live refusals that end a run: they can't change back."""
YOUNG: Final = timedelta(seconds=10)
NUMBERS_STAND: Final = timedelta(seconds=15)
"""So long a sentence stands after its attempt was to be looked at again, though its numbers changed."""
_NUMBER: Final = re.compile(r"[0-9]+")


def runbook_of(remediation: Remediation, runbooks: Iterable[Runbook]) -> Runbook | None:
    """The Runbook that the attempt is pinned to, with what was chosen for it; None where it is gone, or was changed since."""
    pinned = remediation.spec.runbook_ref
    for one in runbooks:
        if (one.metadata.namespace, one.metadata.name) == (pinned.namespace, pinned.name):
            same = plan.runbook_sha256(one) == pinned.sha256 and one.spec.service_account_name == pinned.service_account_name
            made = filling.filled(one, remediation.spec.parameters) if same else ""
            return None if isinstance(made, str) else made
    return None


def open_step(remediation: Remediation) -> StepStatus | None:
    """The intent that has no outcome yet."""
    return next((step for step in remediation.status.steps if step.state is StepState.INTENDED), None)


def replace_step(status: RemediationStatus, step: StepStatus) -> RemediationStatus:
    """The status with one step's record replaced by what became of it: it is not tried again."""
    return status.model_copy(update={"steps": tuple(step if one.name == step.name else one for one in status.steps), "retrying": None})


def marked(
    remediation: Remediation, name: str, state: StepState, message: str, now: datetime, after: Mapping[str, str] = MappingProxyType({})
) -> Remediation:
    """The attempt with the record of what changed nothing: evidence, a page, a step that was skipped or failed before its effect."""
    record = StepStatus(name=name, state=state, message=message[:1024], outcome=StepOutcome(observed_time=now, after=dict(after)))
    phase = remediation.status.phase or RemediationPhase.PENDING  # Dispatched means that an intent is stored: this is none
    status = remediation.status.model_copy(update={"phase": phase, "steps": (*remediation.status.steps, record), "asking": None, "retrying": None})
    return remediation.model_copy(update={"status": status})


def failed(remediation: Remediation, step: StepStatus, message: str, now: datetime | None = None) -> Remediation:
    """The attempt with that step failed; with an outcome where it is known since when."""
    outcome = StepOutcome(observed_time=now, message=message[:1024]) if now is not None else step.outcome
    record = step.model_copy(update={"state": StepState.FAILED, "message": message[:1024], "outcome": outcome})
    return remediation.model_copy(update={"status": replace_step(remediation.status, record)})


def again(remediation: Remediation, retrying: Retrying) -> Remediation:
    """The attempt of which a step is tried again."""
    update = {"phase": remediation.status.phase or RemediationPhase.PENDING, "retrying": retrying}
    return remediation.model_copy(update={"status": remediation.status.model_copy(update=update)})


def told(remediation: Remediation) -> bool:
    """Whether a step of it told somebody something."""
    return any(one.outcome is not None and TOLD in one.outcome.after for one in remediation.status.steps)


def spent(remediation: Remediation, now: datetime) -> Remediation:
    """The attempt as one that was begun: else what it did without an intent would be done again and again."""
    status = remediation.status.model_copy(update={"started_time": remediation.status.started_time or now})
    return remediation.model_copy(update={"status": status})


def unbegun(remediation: Remediation) -> Remediation:
    """The attempt without the intent that has no outcome yet."""
    steps = tuple(step for step in remediation.status.steps if step.state is not StepState.INTENDED)
    return remediation.model_copy(update={"status": remediation.status.model_copy(update={"steps": steps})})


def verifying(remediation: Remediation, now: datetime) -> Remediation:
    """The attempt whose steps are done: its recovery is to be proved from now on."""
    status = remediation.status.model_copy(update={"phase": RemediationPhase.VERIFYING, "verify_started_time": now})
    return remediation.model_copy(update={"status": status})


def waiting(remediation: Remediation, refusal: Refusal, again: datetime, now: datetime) -> Remediation:
    """The attempt that a refusal holds up until then: its step begins anew afterwards. Why one takes back what it did is not forgotten over it."""
    status = remediation.status
    said = refusal.message[:1024] if status.ending is None else status.message
    changes = {"phase": status.phase or RemediationPhase.PENDING, "message": said, "next_eligible_time": again, "retrying": None}
    status = status.model_copy(update=changes)
    return remediation.model_copy(update={"status": allowed(status, ConditionStatus.FALSE, refusal.reason, refusal.message, now)})


def is_news(remediation: Remediation, refusal: Refusal, now: datetime) -> bool:
    """Whether the refusal says anything that does not stand on the attempt.

    Another reason or other words are news at once. Numbers and instants may be others each second: they are news once what stands there is outdated,
    because it was to hold until an instant that is past. So whoever reads finds no old sentence, and a count that goes on is no stream of writes.
    """
    status = remediation.status
    said = next((one for one in status.conditions if one.type == "RemediationAllowed"), None)
    message = refusal.message[:1024]
    if status.phase is None or said is None or said.reason != refusal.reason:
        return True
    if _NUMBER.sub("0", said.message) != _NUMBER.sub("0", message):
        return True
    return said.message != message and (status.next_eligible_time is None or now >= status.next_eligible_time + NUMBERS_STAND)


def young(remediation: Remediation, now: datetime) -> bool:
    """Whether it was made a moment ago. One that waits for longer says so, and keeps no place from others meanwhile."""
    made = remediation.metadata.creation_timestamp
    return made is None or now - made < YOUNG


def taking_back(remediation: Remediation, outcome: Outcome, message: str) -> Remediation:
    """The attempt that did not prove recovery, before what it did is taken back: how it will end is known."""
    return remediation.model_copy(update={"status": remediation.status.model_copy(update={"ending": outcome, "message": message[:1024]})})


def ending(remediation: Remediation, runbook: Runbook) -> tuple[Outcome, str] | None:
    """How an attempt that takes back what it did will end, and why; None for one that goes on."""
    if remediation.status.ending is not None:
        return remediation.status.ending, remediation.status.message
    failed = run.takes_back(runbook.spec.steps, remediation.status.steps)
    return (Outcome.ABORTED, f"step {failed.name} failed: {failed.message}") if failed is not None else None


def retried(incident: Incident, remediation: Remediation) -> bool:
    """Whether a person said retry after it was found that the attempt's effect can't be known."""
    said, since = incident.status.last_handled_retry_time, history.unknown_since(remediation)
    return said is not None and since is not None and said > since


def allowed(status: RemediationStatus, value: ConditionStatus, reason: str, message: str, now: datetime) -> RemediationStatus:
    """The status with its condition RemediationAllowed."""
    return _with(status, "RemediationAllowed", value, reason, message, now)


def succeeded(status: RemediationStatus, value: ConditionStatus, reason: str, message: str, now: datetime) -> RemediationStatus:
    """The status with its summary condition."""
    return _with(status, "Succeeded", value, reason, message, now)


def approved(remediation: Remediation, value: ConditionStatus, reason: str, message: str, now: datetime) -> Remediation:
    """The attempt with its condition Approved."""
    return remediation.model_copy(update={"status": _with(remediation.status, approval.APPROVED, value, reason, message, now)})


def unasked(remediation: Remediation, refusal: Refusal, now: datetime) -> Remediation:
    """The attempt as it ends while people are asked, by a refusal: what they said to it is void, or is not needed any more."""
    status = remediation.status
    if status.asking is None and (status.approval_deadline_time is None or status.started_time is not None):
        return remediation
    reason = approval.CHANGED if isinstance(refusal, approval.PlanChanged | Overridden) or refusal.reason == "TargetChanged" else approval.AWAITS
    message = f"nobody is asked any more: {refusal.message}"
    return approved(remediation, ConditionStatus.FALSE, reason, message, now)


def _with(status: RemediationStatus, type_: str, value: ConditionStatus, reason: str, message: str, now: datetime) -> RemediationStatus:
    conditions = set_condition(status.conditions, type_, value, reason, message, now=now, generation=1)
    return status.model_copy(update={"conditions": conditions, "observed_generation": 1})


def is_all(runbook: Runbook, remediation: Remediation, step: StepStatus, *, last: bool) -> bool:
    """Whether nothing can follow this effect: it is of the last step, and the step has no more of them at such a target."""
    final = runbook.spec.steps[-1]
    if run.step_name(step) != final.name or registry.kind_of(final).goes_on:
        return False
    return last or remediation.spec.target_ref.kind not in registry.kind_of(final).several
