"""Remediation: one attempt to mend one target.

The create under the name `<incident>-<n>` is the election. `spec` never changes but for the approvals that people append; `status.steps` is
the once-only protocol's memory: an intent is stored before its effect, the outcome after it; without one it is settled by looking at the target.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field
from pydantic.alias_generators import to_camel

from .base import Instant, Name, Rule, Sentence, ShortName, Text, WireModel, entries, items
from .common import Condition, Metadata, ObjectRef
from .names import ApprovalVerdict, CheckResult, Mode, Outcome, RemediationPhase, StepState

Hash = Annotated[str, Field(max_length=64)]
Facts = Annotated[dict[str, Annotated[str, Field(max_length=1024)]], entries(16)]


class IncidentRef(WireModel):
    """The Incident that this attempt is for. Not an ownerReference: the audit outlives the Incident."""

    name: Name
    """Name of the Incident, in the same namespace."""
    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """Uid of the Incident."""


class RunbookRef(WireModel):
    """The Runbook exactly as it was when the attempt was made."""

    namespace: Annotated[str, Field(max_length=63)]
    """Namespace of the Runbook."""
    name: Name
    """Name of the Runbook."""
    uid: Annotated[str, Field(max_length=64)] = ""
    """Uid of the Runbook."""
    generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] = 0
    """The Runbook's metadata.generation when the attempt was made."""
    sha256: Hash = ""
    """Hash of the Runbook's spec."""
    service_account_name: Name | None = None
    """ServiceAccount of the Runbook's namespace that the attempt acts as; absent where it acts as the operator."""


class Approval(WireModel):
    """What one person said to the plan. Appended by that person, and never changed."""

    by: Name
    """Your user name; the API server refuses any other, and whoever asked for the attempt."""
    plan_hash: Annotated[str, Field(min_length=1, max_length=64)]
    """The plan that you saw: spec.planHash. What is said to another plan counts for nothing."""
    verdict: ApprovalVerdict
    """Approved permits the plan; one Denied ends the attempt."""
    comment: Sentence | None = None
    """Why, for whoever reads it later."""
    time: Instant | None = None
    """When you said it, by your clock; nothing is decided by it."""


def _unchanged(name: str, required: bool) -> str:  # noqa: FBT001
    """CEL that says so of one field. An optional value of CEL would say it shorter, and its cost can't be bounded."""
    same = f"self.{name} == oldSelf.{name}"
    return same if required else f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || {same})"


class RemediationSpec(WireModel):
    """What is to be done to what, and for whom. Only approvals are ever added."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.approvals) || (has(self.approvals) && oldSelf.approvals.all(said, said in self.approvals))",
            "must keep every approval as it was said: approvals are only appended; to stop automation set spec.hold on the Incident",
        ),
    )

    @classmethod
    def schema_rules(cls) -> tuple[Rule, ...]:
        """All rules, with the one that holds every field but approvals as it was planned."""
        fixed = (_unchanged(to_camel(name), field.is_required()) for name, field in cls.model_fields.items() if name != "approvals")
        return (
            Rule(
                " && ".join(fixed),
                "must not change: a Remediation is one attempt, exactly as it was planned; to stop automation set spec.hold on the Incident",
            ),
            *cls.rules,
        )

    incident_ref: IncidentRef
    """The Incident that this attempt is for. Not an owner: the audit outlives the Incident."""
    target_ref: ObjectRef
    """What is mended: this very object, and no other of the same name."""
    runbook_ref: RunbookRef
    """The Runbook exactly as it was when the attempt was made."""
    attempt: Annotated[int, Field(ge=1, le=1000)]
    """Which attempt at this target and this bad revision it is."""
    accused_revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that is accused."""
    mode: Mode
    """The effective mode when the attempt was made. Suggest only shows what would be done."""
    requested_by: Name
    """Who asked for it: a user, or prunella."""
    plan_hash: Hash
    """Hash of the plan that the Incident showed."""
    due_time: Instant | None = None
    """When the effect is due."""
    approvals: Annotated[tuple[Approval, ...], items(20, "by")] = ()
    """What people said to the plan, one word each; only appended. For the mode Approve."""


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
    epoch: Annotated[int, Field(ge=0, le=2_147_483_647)] = 0
    """Highest number of a leader's term that wrote here, by the Lease: a process of an earlier term stores no intent; its other writes keep it."""
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
    verify_started_time: Instant | None = None
    """When verification began."""
    healthy_since_time: Instant | None = None
    """Start of the healthy period that was proved."""
    ended_time: Instant | None = None
    """When the attempt ended."""
    next_eligible_time: Instant | None = None
    """When a Pending attempt is looked at again."""
    approval_deadline_time: Instant | None = None
    """Until when the plan must have been approved and begun; absent where nobody was asked."""
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()
    """RemediationAllowed says which guard refuses and why; Approved what people said to the plan, if they were asked; Succeeded how it ended."""


class Remediation(WireModel):
    """One attempt to mend one target: its plan, its guards, its steps with intent and outcome, and its proof."""

    metadata: Metadata
    spec: RemediationSpec
    status: RemediationStatus = RemediationStatus()
