"""Remediation: one attempt to mend one target.

The create under the name `<incident>-<n>` is the election. A person asks for a run by one without `incidentRef`: what the operator makes of it is
pinned in status. `spec` never changes but for the approvals that people append; `status.steps` is the once-only protocol's memory: an intent is
stored before its effect, the outcome after it; without one it is settled by looking at the target.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field

from .asking import Asking
from .base import Instant, Name, Rule, Sentence, ShortName, Text, WireModel, entries, items
from .common import Condition, Metadata, ObjectRef
from .incident_telling import Message
from .names import CheckResult, Mode, Outcome, RemediationPhase, StepState
from .remediation_spec import Approval, Hash, IncidentRef, RemediationSpec, RunbookRef
from .step_failure import Retrying

__all__ = [
    "Approval",
    "GuardVerdict",
    "Hash",
    "IncidentRef",
    "Intent",
    "Measurement",
    "Pinned",
    "Remediation",
    "RemediationSpec",
    "RemediationStatus",
    "RunbookRef",
    "StepOutcome",
    "StepStatus",
]

Facts = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], entries(16)]


class GuardVerdict(WireModel):
    """One guard's answer."""

    name: ShortName
    """Name of the guard."""
    allowed: bool
    """Whether the guard lets the attempt pass."""
    reason: Annotated[str, Field(max_length=63)] | None = None
    """Why not, in one CamelCase word."""
    message: Sentence = ""
    """Why not, in a sentence for people."""


class Intent(WireModel):
    """Stored before the effect. Not stored means not executed."""

    id: Annotated[str, Field(min_length=1, max_length=64)]
    """Identity of the intent; the target bears it as annotation prunella.dev/intent-id."""
    epoch: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    """Number of the leader's term that stored it, by the Lease."""
    action: ShortName
    """What is done: Patch, Delete, Evict, Create, Silence, EndSilence or Call."""
    target_ref: ObjectRef
    """The object that is changed, uid included."""
    patch_sha256: Hash = ""
    """Hash of what is written."""
    does: Sentence = ""
    """What it does, in a sentence."""
    written_time: Instant
    """When the intent was stored."""
    tries: Annotated[int, Field(ge=1, le=2_147_483_647)] = 1
    """How often it was stored to be sent, this time included. The deadline is that of the first."""
    approved_by: Annotated[tuple[Name, ...], items(20)] = ()
    """Who had approved the plan; empty where nobody had to."""
    deadline_time: Instant
    """Not started after it."""
    before: Facts = {}
    """The guarded state, for the person who reads and for the recovery."""


class StepOutcome(WireModel):
    """Stored after the effect."""

    observed_time: Instant
    """When the outcome was seen."""
    after: Facts = {}
    """The guarded state afterwards."""
    message: Sentence = ""
    """What became of it, in a sentence."""


class StepStatus(WireModel):
    """One effect of the run."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """The Runbook's step, with '/<n>' where a step has several effects."""
    action: Annotated[str, Field(max_length=63)] = ""
    """What the step is, for example rollBack."""
    state: StepState
    """Where the effect stands: Intended is stored before it, Applied after it."""
    message: Sentence = ""
    """What was done, or why not, in a sentence."""
    intent: Intent | None = None
    """What is about to be done. Stored before the effect."""
    outcome: StepOutcome | None = None
    """What became of it. Stored after the effect; an intent without one is settled by looking at the target."""


class Measurement(WireModel):
    """One look of a verification check."""

    check: ShortName
    """Name of the check."""
    started_time: Instant
    """When the question was asked."""
    finished_time: Instant
    """When the answer was there."""
    value: Annotated[str, Field(max_length=1024)] = ""
    """What was seen."""
    result: CheckResult
    """Success needs data; no data is Inconclusive, a failed question is Error."""


class Pinned(WireModel):
    """What the operator made of a run that a person asked for, before anything was done. It stands in for what `spec` leaves out."""

    target_ref: ObjectRef
    """The very object that the run is for."""
    runbook_ref: RunbookRef
    """The Runbook exactly as it was then."""
    attempt: Annotated[int, Field(ge=1, le=1000)]
    """Which attempt at this target and this bad revision it is."""
    accused_revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that is accused."""
    mode: Mode
    """The effective mode."""
    plan_hash: Hash
    """Hash of the plan: an approval names it."""
    due_time: Instant
    """When the run was accepted: quotas count from here."""


class RemediationStatus(WireModel):
    """Where the attempt stands."""

    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    """metadata.generation that this status was made from."""
    phase: RemediationPhase | None = None
    """Pending, Dispatched, Verifying and Unknown hold the target; Succeeded, Failed and Cancelled are final."""
    outcome: Outcome | None = None
    """How the attempt ended; absent until then."""
    message: Sentence = ""
    """Where it stands, in a sentence."""
    ending: Outcome | None = None
    """How it will end, once what it did has been taken back; absent where nothing is taken back because recovery was not proved."""
    target_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    """metadata.generation of the target when an attempt ended that did not help: whoever changes it afterwards has it."""
    epoch: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    """Highest number of a leader's term that wrote here, by the Lease: a process of an earlier term stores no intent; its other writes keep it."""
    pinned: Pinned | None = None
    """What was made of a run that a person asked for; absent until it was accepted, and where the operator made the attempt."""
    plan_hash: Hash = ""
    """Hash of the plan that was made from the live target."""
    plan: Sentence = ""
    """What is done, in one sentence."""
    diff: Text = ""
    """What changes, as the server-side dry run saw it."""
    guards: Annotated[tuple[GuardVerdict, ...], items(20, "name")] = ()
    """Every guard's answer; the first refusal is the reason."""
    steps: Annotated[tuple[StepStatus, ...], items(100, "name")] = ()
    """The effects, each with intent and outcome."""
    measurements: Annotated[tuple[Measurement, ...], items(60)] = ()
    """The looks of the verification, oldest first."""
    started_time: Instant | None = None
    """When the first intent was stored."""
    effect_time: Instant | None = None
    """When the last effect was seen applied."""
    claim_time: Instant | None = None
    """Since when fields that the run wrote may be ours by field ownership; absent before, and once that was taken off them again."""
    verify_started_time: Instant | None = None
    """When verification began."""
    healthy_since_time: Instant | None = None
    """Start of the healthy period that was proved."""
    ended_time: Instant | None = None
    """When the attempt ended."""
    next_eligible_time: Instant | None = None
    """When a Pending attempt is looked at again."""
    asking: Asking | None = None
    """What people are asked in the middle of the run; absent where no step of it asks now."""
    retrying: Retrying | None = None
    """The step that is tried again after an error that may pass by itself; absent where none is."""
    messages: Annotated[tuple[Message, ...], items(64)] = ()
    """Of a run that a person asked for: who was told that it waits for approval. Stored as Pending before it is sent."""
    approval_deadline_time: Instant | None = None
    """Until when the plan must have been approved and begun; absent where nobody was asked."""
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()
    """RemediationAllowed says which guard refuses and why; Approved what people said to the plan, if they were asked; Succeeded how it ended."""


class Remediation(WireModel):
    """One attempt to mend one target: its plan, its guards, its steps with intent and outcome, and its proof."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "has(self.spec.incidentRef) || !self.metadata.name.matches('-[0-9]+$')",
            "must not have a name that ends in '-' and a number: attempts at Incidents are called so; choose another name",
        ),
    )

    metadata: Metadata
    spec: RemediationSpec
    status: RemediationStatus = RemediationStatus()

    @classmethod
    def read(cls, stored: object) -> Self:
        """What the API server stored; of a run that a person asked for, with what was pinned in the places that the person left out."""
        return super().read(stored).with_pinned()

    def with_pinned(self) -> Self:
        """The same, as all who read attempts know them: what was pinned stands in spec. The API server takes no spec where a status is written."""
        pinned = self.status.pinned
        if pinned is None or not self.is_request:
            return self
        return self.model_copy(update={"spec": self.spec.model_copy(update={name: getattr(pinned, name) for name in type(pinned).model_fields})})

    @property
    def is_request(self) -> bool:
        """Whether a person asks for this run; else the operator made it for an Incident."""
        return self.spec.incident_ref is None

    @property
    def accepted(self) -> bool:
        """Whether it counts as an attempt: the operator made it, or took it on."""
        return not self.is_request or self.status.pinned is not None

    @property
    def story_uid(self) -> str:
        """Uid of what tells its story: its Incident, or itself."""
        return self.spec.incident_ref.uid if self.spec.incident_ref is not None else self.metadata.uid
