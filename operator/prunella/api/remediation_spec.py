"""What an attempt is to do, and for whom: written once, by the operator or by a person who asks for a run. Only approvals are added."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Final

from pydantic import Field, TypeAdapter, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

from .base import Instant, Name, Rule, Sentence, WireModel, entries, items
from .common import ObjectRef
from .names import ApprovalVerdict, Cause, Mode
from .self_service import Value

Hash = Annotated[str, Field(max_length=64)]

MOST_APPROVALS: Final = 20
"""So many words of people one attempt takes."""


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


Said = Annotated[str, Field(max_length=64), WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64})]
"""An instant as somebody wrote it. It is only shown: one that lies before the year 1 in UTC must not make the whole record unreadable."""

_INSTANT: Final = TypeAdapter[datetime](Instant)


class Approval(WireModel):
    """What one person said to the plan. Appended by that person, and never changed."""

    by: Name
    """Your user name; the API server refuses any other, and whoever asked for the attempt."""
    plan_hash: Annotated[str, Field(min_length=1, max_length=64)]
    """The plan that you saw: status.asking.planHash where a step of the run asks, else spec.planHash, or status.pinned.planHash of a run that a
    person asked for. Said to another it is void."""
    verdict: ApprovalVerdict
    """Approved permits the plan; one Denied ends the attempt."""
    groups: Annotated[tuple[Name, ...], items(20)] = ()
    """Those of your groups that `status.asking.approvers` asks for; the API server refuses any that you are not in."""
    comment: Sentence | None = None
    """Why, for whoever reads it later."""
    time: Said | None = None
    """When you said it, by your clock; nothing is decided by it."""

    @property
    def said_time(self) -> datetime | None:
        """`time`, where it is an instant that can be shown."""
        try:
            return _INSTANT.validate_python(self.time) if self.time is not None else None
        except ValidationError:
            return None


def _unchanged(name: str, required: bool) -> str:  # noqa: FBT001
    """CEL that says so of one field. An optional value of CEL would say it shorter, and its cost can't be bounded."""
    same = f"self.{name} == oldSelf.{name}"
    return same if required else f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || {same})"


_PLANNED = ("attempt", "mode", "planHash")
_FOUND = ("accusedRevision", "dueTime", "cause", "after")


def _any(*names: str, of: str = "self") -> str:
    """CEL: one of these fields is there."""
    return " || ".join(f"has({of}.{name})" for name in names)


def _all(*names: str) -> str:
    """CEL: all of these fields are there."""
    return " && ".join(f"has(self.{name})" for name in names)


class RemediationSpec(WireModel):
    """What is to be done to what, and for whom. Only approvals are ever added."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.approvals) || (has(self.approvals) && oldSelf.approvals.all(said, said in self.approvals))",
            "must keep every approval as it was said: approvals are only appended; to stop automation set spec.hold on the Incident",
        ),
        Rule(
            f"has(self.incidentRef) ? {_all(*_PLANNED)} : !({_any(*_PLANNED, *_FOUND)})",
            "must have attempt, mode and planHash with incidentRef, and without it none of them, nor accusedRevision, dueTime, cause or after: what "
            "a run that a person asks for would do is found out by the operator",
        ),
        Rule(
            "has(self.incidentRef) || !(has(self.targetRef.uid) || "
            + _any("uid", "generation", "sha256", "serviceAccountName", of="self.runbookRef")
            + ")",
            "must name targetRef and runbookRef by their names alone where incidentRef is absent: the operator pins the rest in status.pinned",
        ),
        Rule(
            "!has(self.incidentRef) || !has(self.parameters) || size(self.parameters) == 0",
            "must have parameters only where incidentRef is absent: a person chooses them",
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

    incident_ref: IncidentRef | None = None
    """The Incident that this attempt is for; absent where a person asks for a run. Not an owner: the audit outlives the Incident."""
    target_ref: ObjectRef
    """What is mended: this very object, and no other of the same name."""
    runbook_ref: RunbookRef
    """The Runbook exactly as it was when the attempt was made."""
    parameters: Annotated[dict[str, Value], entries(16)] = {}
    """What a person who asks for a run chooses, as text: the Runbook's `spec.parameters` says what there is."""
    attempt: Annotated[int, Field(ge=1, le=1000)] = 1
    """Which attempt at this target and this bad revision it is."""
    accused_revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that is accused."""
    mode: Mode = Mode.OBSERVE
    """The effective mode when the attempt was made. Suggest only shows what would be done."""
    requested_by: Name
    """Who asked for it: your own user name, which the API server compares; or prunella."""
    plan_hash: Hash = ""
    """Hash of the plan that the Incident showed."""
    due_time: Instant | None = None
    """When the effect is due."""
    cause: Cause | None = None
    """What was wrong when the attempt was made."""
    after: Annotated[tuple[Name, ...], items(20)] = ()
    """The attempts that did not help, and after which this one is tried, as the `nextRef` of their Runbooks says."""
    approvals: Annotated[tuple[Approval, ...], items(MOST_APPROVALS, "by", "planHash")] = ()
    """What people said, one word each to one plan; only appended. For the mode Approve, and for the step `approve`."""
