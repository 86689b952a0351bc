"""Incident: the story of one fault of one target.

`spec` holds what opened it and what people do to it; `status` is fact and only the operator writes it. `status.phase` renders the state and
nothing reads it back. At most one Incident is open per target; its name is deterministic, so that the create is the election.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from .base import Instant, Rule, Sentence, WireModel, items
from .common import Condition, Metadata, NamespacedRef
from .incident_changes import Change
from .incident_facts import (
    Count,
    Decision,
    Durations,
    Episode,
    Evidence,
    Owner,
    Plan,
    Provenance,
    RemediationSummary,
    ShadowPlan,
    Signal,
    TimelineEntry,
    Times,
)
from .incident_spec import Acknowledgement, Hold, IncidentSpec, OpeningSignal, Reporter, Resolution, Source
from .incident_telling import Escalation, Message
from .names import Cause, Impact, Phase, Priority, RemediationState, SourceKind, Urgency

__all__ = [
    "Acknowledgement",
    "Change",
    "Decision",
    "Durations",
    "Episode",
    "Escalation",
    "Evidence",
    "Hold",
    "Incident",
    "IncidentSpec",
    "IncidentStatus",
    "Message",
    "OpeningSignal",
    "Owner",
    "Plan",
    "Provenance",
    "RemediationSummary",
    "Reporter",
    "Resolution",
    "ShadowPlan",
    "Signal",
    "Source",
    "TimelineEntry",
    "Times",
]


_CURRENT: Final = "has(self.status) && has(self.status.episode) ? self.status.episode : 1"
_SAID_BEFORE: Final = (
    "oldSelf.hasValue() && has(oldSelf.value().spec.acknowledgement)"
    " && oldSelf.value().spec.acknowledgement.episode == self.spec.acknowledgement.episode"
)
"""What stands already is not refused again: the operator must be able to write the status beside it."""


class IncidentStatus(WireModel):
    """Fact: what was seen, decided, done and told, with its times."""

    observed_generation: Count | None = None
    """metadata.generation that this status was made from."""
    phase: Phase | None = None
    """Rendering of the state for people."""
    cause: Cause | None = None
    """What is wrong with the target, as far as it is known now. May be refined as evidence grows."""
    priority: Priority | None = None
    """P1 is the most important. Computed from impact and urgency."""
    impact: Impact | None = None
    """How much is hurt; what a person states in spec wins."""
    urgency: Urgency | None = None
    """How soon it hurts; what a person states in spec wins."""
    priority_reason: Sentence | None = None
    """The inputs of the priority."""
    target: Annotated[str, Field(max_length=317)] | None = None
    """Kind and name, ready for the column."""
    remediation: Sentence | None = None
    """What automation did, ready for the column."""
    ttr: Annotated[str, Field(max_length=32)] | None = None
    """Time to resolve as text, for example 13s, ready for the column; durations.resolveSeconds is the number."""
    remediation_state: RemediationState | None = None
    """Automation's part of the story in one word."""
    summary: Sentence | None = None
    """What is wrong, in one sentence, as it is known now."""
    accused_revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that the evidence accuses."""
    owner: Owner | None = None
    """Whose it is, and how that was found."""
    episode: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The current stretch of hurting; a relapse inside the watch window begins the next one. Acknowledge this number."""
    reopen_count: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """How often a relapse reopened this Incident."""
    times: Times = Times()
    """When each thing happened first, written once, and when it stopped hurting last."""
    provenance: Annotated[tuple[Provenance, ...], items(32)] = ()
    """Who knew each of the times."""
    durations: Durations = Durations()
    """Whole seconds between the times: how long it took to detect, tell, act, mitigate, resolve."""
    episodes: Annotated[tuple[Episode, ...], items(10)] = ()
    """The last stretches of hurting, oldest first, with the times that each had."""
    earlier_seconds: Count = 0
    """Whole seconds that the episodes hurt which are no longer listed."""
    signals: Annotated[tuple[Signal, ...], items(100)] = ()
    """What each source says of the fault; watch and alerts join here."""
    evidence: Annotated[tuple[Evidence, ...], items(8)] = ()
    """Log tail and Events as they were when the fault was seen, and those of the fault before it."""
    changes: Annotated[tuple[Change, ...], items(10)] = ()
    """What changed within half an hour before this episode began, newest first, and which of it is suspected."""
    plan: Plan | None = None
    """What automation would do, or is about to do."""
    shadow: ShadowPlan | None = None
    """The first plan that only the mode kept back, and whether it would have been right."""
    decisions: Annotated[tuple[Decision, ...], items(20)] = ()
    """Each Runbook that was considered, with what was decided about it and why."""
    remediations: Annotated[tuple[RemediationSummary, ...], items(20)] = ()
    """The attempts to mend the target, oldest first."""
    escalation: Escalation = Escalation()
    """Who was told, and who is told next."""
    timeline: Annotated[tuple[TimelineEntry, ...], items(50)] = ()
    """What happened, in order; the last 50 entries."""
    healthy_since_time: Instant | None = None
    """Start of the present healthy period of the target, while the Incident waits for it to be long enough."""
    watch_until_time: Instant | None = None
    """End of the watch window: until then a relapse reopens this Incident."""
    retry_after_time: Instant | None = None
    """When automation may look again, where a guard said so."""
    reporters: Annotated[tuple[Reporter, ...], items(50, "name")] = ()
    """Reporters in spec, and those of duplicates."""
    merged_into: NamespacedRef | None = None
    """The Incident that this one is a duplicate of."""
    parent_ref: NamespacedRef | None = None
    """The Incident of what this one fails for: while it is open, it tells people, and nothing is done here."""
    children: Annotated[tuple[NamespacedRef, ...], items(50)] = ()
    """Incidents that fail for the same cause, and are held back by this one; the first 50."""
    child_count: Count = 0
    """How many there are."""
    last_handled_retry: Annotated[str, Field(max_length=253)] | None = None
    """Value of the annotation prunella.dev/retry that was acted on last."""
    last_handled_retry_time: Instant | None = None
    """When it was acted on: attempts that ended before it hold nothing back."""
    conditions: Annotated[tuple[Condition, ...], items(24, "type")] = ()
    """Acknowledged, Mitigated, Resolved and RemediationAllowed, with reasons; others only while they are true."""


class Incident(WireModel):
    """One fault of one target: what was seen, decided, done and told, with its times."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "oldSelf.hasValue() || size(self.metadata.name) <= 240",
            "must have a name of at most 240 characters: its attempts and Events bear it, with a number; choose a shorter one",
            old_optional=True,
        ),
        Rule(
            f"!has(self.spec.acknowledgement) || self.spec.acknowledgement.episode <= ({_CURRENT}) || ({_SAID_BEFORE})",
            "must not acknowledge an episode that has not begun: status.episode names the current one",
            old_optional=True,
        ),
    )

    metadata: Metadata
    spec: IncidentSpec
    status: IncidentStatus = IncidentStatus()

    @property
    def target_namespace(self) -> str:
        """Namespace of the target; an Incident lives beside its target."""
        return self.spec.target_ref.namespace or self.metadata.namespace or ""

    @property
    def source_kind(self) -> SourceKind:
        """Who opened it; a spec without a source was written by a person."""
        return self.spec.source.kind if self.spec.source else SourceKind.PERSON
