"""Incident: the story of one fault of one target.

`spec` holds what opened it and what people do to it; `status` is fact and only the operator writes it. `status.phase` renders the state and
nothing reads it back. At most one Incident is open per target; its name is deterministic, so that the create is the election.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Instant, Name, Sentence, ShortName, Text, WireModel, items
from .common import Condition, Labels, Metadata, NamespacedRef, ObjectRef
from .escalation_policy import EscalationPolicySpec
from .names import (
    Cause,
    EscalationState,
    Impact,
    MessageKind,
    MessageState,
    Outcome,
    Phase,
    Priority,
    RemediationPhase,
    RemediationState,
    SignalState,
    SourceKind,
    Urgency,
    Verdict,
)

Count = Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
Timing = Annotated[int, Field(ge=0, le=2_147_483_647)]


class OpeningSignal(WireModel):
    """The signal that opened the Incident, as it was seen then. It stands in spec because the API server drops status on create."""

    key: Annotated[str, Field(min_length=1, max_length=512)]
    """Identity of the signal: 'watch/<cause>' or 'alert/<fingerprint>'."""
    started_time: Instant
    """When the fault began, by the best knowledge of the source."""
    lower_bound: bool = False
    """Whether the fault may have begun earlier than startedTime says."""
    seen_time: Instant | None = None
    """When the operator saw the signal."""
    alert_start_time: Instant | None = None
    """Alertmanager's startsAt, for ordering only: it differs between peers."""
    cause: Cause = Cause.ALERT
    summary: Sentence = ""
    labels: Labels = {}
    """The alert's labels, trimmed."""


class Source(WireModel):
    """Who saw the fault, and the signal that opened the Incident."""

    kind: SourceKind
    signal: OpeningSignal | None = None


class Reporter(WireModel):
    """A person who reported the fault."""

    name: Name
    contact: Annotated[str, Field(max_length=253)] | None = None
    """How to reach the reporter, for people to read."""
    time: Instant | None = None


class Acknowledgement(WireModel):
    """A person has taken the Incident. Stops the escalation of that episode."""

    by: Name
    """Your user name; the API server refuses any other."""
    episode: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The episode that is acknowledged; status.episode names the current one."""
    note: Sentence | None = None


class Hold(WireModel):
    """A person keeps automation away from the target. Paging goes on."""

    by: Name
    """Your user name; the API server refuses any other."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    until_time: Instant | None = None
    """When the hold ends; absent means until it is removed."""


class Resolution(WireModel):
    """A person says that the fault is over."""

    by: Name
    """Your user name; the API server refuses any other."""
    summary: Annotated[str, Field(min_length=1, max_length=1024)]
    """What was wrong and what mended it."""


class IncidentSpec(WireModel):
    """What opened the Incident, and what people do to it."""

    title: Annotated[str, Field(min_length=1, max_length=256)]
    """One line that says what is wrong."""
    target_ref: ObjectRef
    """What is hurt. Never changes."""
    source: Source | None = None
    """Who saw it; absent means a person. Never changes."""
    impact: Impact | None = None
    """Stated by a person: wins over the computed one."""
    urgency: Urgency | None = None
    """Stated by a person: wins over the computed one."""
    reporters: Annotated[tuple[Reporter, ...], items(50, "name")] = ()
    """People who reported it."""
    acknowledgement: Acknowledgement | None = None
    """Set it to stop the paging: you have it."""
    hold: Hold | None = None
    """Set it to keep automation away."""
    resolution: Resolution | None = None
    """Set it to say that the fault is over."""


class Times(WireModel):
    """Instants of the story. Each is written once; `provenance` says who knew it."""

    started_time: Instant | None = None
    """The fault began."""
    detected_time: Instant | None = None
    """Monitoring, the watch or a person knew."""
    received_time: Instant | None = None
    """Prunella knew."""
    triggered_time: Instant | None = None
    """The Incident was opened for action."""
    notified_time: Instant | None = None
    """The first message to a person was accepted by its channel."""
    automation_started_time: Instant | None = None
    """The first Remediation stored its intent."""
    acknowledged_time: Instant | None = None
    """A person took it."""
    mitigated_time: Instant | None = None
    """It stopped hurting."""
    resolved_time: Instant | None = None
    """Start of the healthy period that was proved."""
    resolution_confirmed_time: Instant | None = None
    """The proof was complete."""
    last_reopened_time: Instant | None = None
    cancelled_time: Instant | None = None


class Provenance(WireModel):
    """Who knew one of the times."""

    name: ShortName
    """Name of the time, for example 'startedTime'."""
    source: ShortName
    """Signal, Operator, Human or Reconcile."""
    by: Annotated[str, Field(max_length=253)] | None = None
    lower_bound: bool = False
    """The true instant may lie before it."""


class Durations(WireModel):
    """Whole seconds between the times of the last episode; absent where one of them is."""

    detect_seconds: Timing | None = None
    """detectedTime − startedTime (TTD)."""
    receive_seconds: Timing | None = None
    """receivedTime − detectedTime (TTI)."""
    notify_seconds: Timing | None = None
    """notifiedTime − triggeredTime (TTN)."""
    start_remediation_seconds: Timing | None = None
    """automationStartedTime − triggeredTime (TTE)."""
    acknowledge_seconds: Timing | None = None
    """acknowledgedTime − triggeredTime (TTA)."""
    mitigate_seconds: Timing | None = None
    """mitigatedTime − startedTime (TTM)."""
    resolve_seconds: Timing | None = None
    """resolvedTime − startedTime without the healthy gaps between episodes (TTR)."""


class Signal(WireModel):
    """One source's view of the fault."""

    key: Annotated[str, Field(min_length=1, max_length=512)]
    source: SourceKind
    state: SignalState
    cause: Cause = Cause.ALERT
    first_seen_time: Instant
    """First sight in the current activity; the dwell counts from here."""
    last_seen_time: Instant
    started_time: Instant | None = None
    alert_start_time: Instant | None = None
    """Alertmanager's startsAt."""
    last_resolved_end_time: Instant | None = None
    """endsAt of the newest resolve: a firing that started before it is stale."""
    count: Count = 1
    """How often it was seen firing."""
    summary: Sentence = ""
    labels: Labels = {}


class Evidence(WireModel):
    """What was seen when it happened; it is gone from the cluster later."""

    name: ShortName
    """logs, events, or what a Runbook named."""
    pod: Annotated[str, Field(max_length=253)] | None = None
    container: Annotated[str, Field(max_length=253)] | None = None
    text: Text = ""
    truncated: bool = False
    captured_time: Instant | None = None


class Decision(WireModel):
    """Why a Runbook was chosen, is waiting, or was left alone."""

    time: Instant
    about: Name
    """Name of the Runbook."""
    verdict: Verdict
    reason: ShortName
    message: Sentence = ""


class RemediationSummary(WireModel):
    """One attempt in a line; the Remediation of that name holds the whole."""

    name: Name
    runbook: Name
    attempt: Annotated[int, Field(ge=1, le=1000)]
    phase: RemediationPhase
    outcome: Outcome | None = None
    message: Sentence = ""


class Message(WireModel):
    """A page, a notice or a stand-down. Stored as Pending before it is sent; the key goes to the provider, so that a repeat is recognised."""

    key: Annotated[str, Field(min_length=1, max_length=512)]
    """episode/run/loop/step/receiver for a page."""
    kind: MessageKind
    receiver: Name
    """Name of the receiver in HealingPolicy."""
    state: MessageState
    method: Annotated[str, Field(max_length=63)] | None = None
    """The receiver's method that delivered it, or was tried last."""
    created_time: Instant
    sent_time: Instant | None = None
    attempts: Annotated[int, Field(ge=0, le=1000)] = 0
    step: Annotated[str, Field(max_length=63)] | None = None
    """Step of the EscalationPolicy, or catchAll."""
    text: Sentence = ""
    error: Sentence | None = None


class Escalation(WireModel):
    """Where paging stands. The policy is frozen per run, so that an edit does not change a run under way."""

    policy_ref: NamespacedRef | None = None
    policy_generation: Count | None = None
    policy: EscalationPolicySpec | None = None
    """The frozen copy."""
    state: EscalationState = EscalationState.IDLE
    run: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    loop: Annotated[int, Field(ge=0, le=1000)] = 0
    step: Annotated[int, Field(ge=0, le=1000)] = 0
    """Index of the next step that is due."""
    step_started_time: Instant | None = None
    """When the previous step started (triggeredTime before the first)."""
    next_action_time: Instant | None = None
    messages: Annotated[tuple[Message, ...], items(64, "key")] = ()


class Episode(WireModel):
    """One stretch of hurting, from trigger to recovery."""

    number: Annotated[int, Field(ge=1, le=1_000_000)]
    started_time: Instant
    triggered_time: Instant
    acknowledged_time: Instant | None = None
    resolved_time: Instant | None = None
    reason: ShortName
    """Why it began: Opened, or why it was reopened."""


class TimelineEntry(WireModel):
    """One thing that happened."""

    sequence: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Counts on even where old entries were dropped; the Event of it bears the same number."""
    time: Instant
    what: ShortName
    """A CamelCase name; those of the Events list also become an Event."""
    message: Sentence
    by: Annotated[str, Field(max_length=253)] = "prunella"


class Owner(WireModel):
    """Whose it is, and how that was found."""

    team: Annotated[str, Field(max_length=253)] | None = None
    tier: Annotated[int, Field(ge=1, le=4)] | None = None
    escalation_policy_ref: NamespacedRef | None = None
    resolved_by: Sentence = ""
    """The path that led here, for example 'CatalogEntry shop/checkout'."""


class Plan(WireModel):
    """What would be done, or is about to be."""

    runbook: Name
    hash: Annotated[str, Field(max_length=64)]
    summary: Sentence
    """One sentence, for example 'roll back deploy/checkout 15 -> 14'."""
    due_time: Instant | None = None
    """When the effect is due: dwell over and conditions hold."""


class IncidentStatus(WireModel):
    """Fact: what was seen, decided, done and told, with its times."""

    observed_generation: Count | None = None
    phase: Phase | None = None
    """Rendering of the state for people."""
    cause: Cause | None = None
    priority: Priority | None = None
    impact: Impact | None = None
    urgency: Urgency | None = None
    priority_reason: Sentence | None = None
    """The inputs of the priority."""
    target: Annotated[str, Field(max_length=317)] | None = None
    """Kind and name, ready for the column."""
    remediation: Sentence | None = None
    """What automation did, ready for the column."""
    remediation_state: RemediationState | None = None
    summary: Sentence | None = None
    """What is wrong, in one sentence, as it is known now."""
    accused_revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that the evidence accuses."""
    owner: Owner | None = None
    episode: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    reopen_count: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    times: Times = Times()
    provenance: Annotated[tuple[Provenance, ...], items(32, "name")] = ()
    durations: Durations = Durations()
    episodes: Annotated[tuple[Episode, ...], items(10, "number")] = ()
    signals: Annotated[tuple[Signal, ...], items(100, "key")] = ()
    evidence: Annotated[tuple[Evidence, ...], items(8)] = ()
    plan: Plan | None = None
    decisions: Annotated[tuple[Decision, ...], items(20)] = ()
    remediations: Annotated[tuple[RemediationSummary, ...], items(20, "name")] = ()
    escalation: Escalation = Escalation()
    timeline: Annotated[tuple[TimelineEntry, ...], items(50, "sequence")] = ()
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
    last_handled_retry: Annotated[str, Field(max_length=253)] | None = None
    """Value of the annotation prunella.dev/retry that was acted on last."""
    conditions: Annotated[tuple[Condition, ...], items(24, "type")] = ()


class Incident(WireModel):
    """One fault of one target: what was seen, decided, done and told, with its times."""

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
