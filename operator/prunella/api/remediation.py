"""Remediation: one attempt to mend one target.

The create under the name `<incident>-<n>` is the election. `spec` never changes; `status.steps` is the once-only protocol's memory: an intent is
stored before its effect, the outcome after it, and an intent without an outcome is settled by looking at the target.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Instant, Name, Sentence, ShortName, Text, WireModel, entries, items
from .common import Condition, Metadata, ObjectRef
from .names import CheckResult, Mode, Outcome, RemediationPhase, StepState

Hash = Annotated[str, Field(max_length=64)]
Facts = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], entries(16)]


class IncidentRef(WireModel):
    """The Incident that this attempt is for. Not an ownerReference: the audit outlives the Incident."""

    name: Name
    uid: Annotated[str, Field(min_length=1, max_length=64)]


class RunbookRef(WireModel):
    """The Runbook exactly as it was when the attempt was made."""

    namespace: Annotated[str, Field(max_length=63)]
    name: Name
    uid: Annotated[str, Field(max_length=64)] = ""
    generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] = 0
    sha256: Hash = ""
    """Hash of the Runbook's spec."""


class RemediationSpec(WireModel):
    """What is to be done to what, and for whom. Immutable."""

    incident_ref: IncidentRef
    target_ref: ObjectRef
    runbook_ref: RunbookRef
    attempt: Annotated[int, Field(ge=1, le=1000)]
    """Which attempt at this target and this bad revision it is."""
    accused_revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that is accused."""
    mode: Mode
    requested_by: Name
    plan_hash: Hash
    """Hash of the plan that the Incident showed."""
    due_time: Instant | None = None
    """When the effect is due."""


class GuardVerdict(WireModel):
    """One guard's answer."""

    name: ShortName
    allowed: bool
    reason: Annotated[str, Field(max_length=63)] | None = None
    message: Sentence = ""


class Intent(WireModel):
    """Stored before the effect. Not stored means not executed."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    epoch: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    action: ShortName
    """Patch or Delete."""
    target_ref: ObjectRef
    patch_sha256: Hash = ""
    written_time: Instant
    deadline_time: Instant
    """Not started after it."""
    before: Facts = {}
    """The guarded state, for the person who reads and for the recovery."""


class StepOutcome(WireModel):
    """Stored after the effect."""

    observed_time: Instant
    after: Facts = {}
    message: Sentence = ""


class StepStatus(WireModel):
    """One effect of the run."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Runbook's step, with '/<n>' where a step has several effects."""
    state: StepState
    message: Sentence = ""
    intent: Intent | None = None
    outcome: StepOutcome | None = None


class Measurement(WireModel):
    """One look of a verification check."""

    check: ShortName
    started_time: Instant
    finished_time: Instant
    value: Annotated[str, Field(max_length=1024)] = ""
    result: CheckResult


class RemediationStatus(WireModel):
    """Where the attempt stands."""

    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    phase: RemediationPhase | None = None
    outcome: Outcome | None = None
    message: Sentence = ""
    epoch: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    plan_hash: Hash = ""
    plan: Sentence = ""
    """What is done, in one sentence."""
    diff: Text = ""
    """What changes, as the server-side dry run saw it."""
    guards: Annotated[tuple[GuardVerdict, ...], items(20, "name")] = ()
    steps: Annotated[tuple[StepStatus, ...], items(40, "name")] = ()
    measurements: Annotated[tuple[Measurement, ...], items(60)] = ()
    started_time: Instant | None = None
    """When the first intent was stored."""
    effect_time: Instant | None = None
    """When the last effect was seen applied."""
    verify_started_time: Instant | None = None
    healthy_since_time: Instant | None = None
    """Start of the healthy period that was proved."""
    ended_time: Instant | None = None
    next_eligible_time: Instant | None = None
    """When a Pending attempt is looked at again."""
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()


class Remediation(WireModel):
    """One attempt to mend one target: its plan, its guards, its steps with intent and outcome, and its proof."""

    metadata: Metadata
    spec: RemediationSpec
    status: RemediationStatus = RemediationStatus()
