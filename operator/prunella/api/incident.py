"""Incident: the story of one fault of one target.

`spec` holds what opened it and what people do to it; `status` is fact and only the operator writes it. `status.phase` renders the state and
nothing reads it back. At most one Incident is open per target; its name is deterministic, so that the create is the election.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import Instant, Name, Rule, Sentence, ShortName, Text, WireModel, items
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
    """What the source said was wrong; status.cause refines it."""
    summary: Sentence = ""
    """What was seen, in a sentence."""
    labels: Labels = {}
    """The alert's labels, trimmed."""


class Source(WireModel):
    """Who saw the fault, and the signal that opened the Incident."""

    kind: SourceKind
    """Watch and Alertmanager are written by the operator; a person says Person, or leaves `source` out."""
    signal: OpeningSignal | None = None
    """The signal that opened the Incident, as it was seen then."""


class Reporter(WireModel):
    """A person who reported the fault."""

    name: Name
    """Who reported it."""
    contact: Annotated[str, Field(max_length=253)] | None = None
    """How to reach the reporter, for people to read."""
    time: Instant | None = None
    """When it was reported."""


class Acknowledgement(WireModel):
    """A person has taken the Incident. Stops the escalation of that episode."""

    by: Name
    """Your user name; the API server refuses any other."""
    episode: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The episode that is acknowledged; status.episode names the current one."""
    note: Sentence | None = None
    """What others should know, for example what you are trying."""


class Hold(WireModel):
    """A person keeps automation away from the target. Paging goes on."""

    by: Name
    """Your user name; the API server refuses any other."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why automation must keep away."""
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

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.title == oldSelf.title", "title must not change: say what is known now in resolution.summary, or report another Incident"),
        Rule("self.targetRef == oldSelf.targetRef", "targetRef must not change: an Incident is about one object; report another Incident for another object"),
        Rule(
            "has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",
            "source must not change: it is how the Incident was opened; leave it as it is",
        ),
    )

    title: Annotated[str, Field(min_length=1, max_length=256)]
    """One line that says what is wrong. Never changes."""
    target_ref: ObjectRef
    """What is hurt: an object of this namespace. Never changes."""
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
    """The last relapse inside the watch window."""
    cancelled_time: Instant | None = None
    """It turned out not to be a fault of its own, for example a duplicate."""


class Provenance(WireModel):
    """Who knew one of the times."""

    name: ShortName
    """Name of the time, for example 'startedTime'."""
    source: ShortName
    """Signal, Operator, Human or Reconcile."""
    by: Annotated[str, Field(max_length=253)] | None = None
    """The user or component, where it is known."""
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
    """Identity of the signal: 'watch/<cause>' or 'alert/<fingerprint>'."""
    source: SourceKind
    """Who sees it."""
    state: SignalState
    """What the source said last."""
    cause: Cause = Cause.ALERT
    """What the source says is wrong."""
    first_seen_time: Instant
    """First sight in the current activity; the dwell counts from here."""
    last_seen_time: Instant
    """Last sight of it firing."""
    started_time: Instant | None = None
    """When the fault began, by the best knowledge of the source."""
    alert_start_time: Instant | None = None
    """Alertmanager's startsAt."""
    last_resolved_end_time: Instant | None = None
    """endsAt of the newest resolve: a firing that started before it is stale."""
    count: Count = 1
    """How often it was seen firing."""
    summary: Sentence = ""
    """What was seen, in a sentence."""
    labels: Labels = {}
    """The alert's labels, trimmed."""


class Evidence(WireModel):
    """What was seen when it happened; it is gone from the cluster later."""

    name: ShortName
    """logs, events, or what a Runbook named."""
    pod: Annotated[str, Field(max_length=253)] | None = None
    """Pod that it was taken from."""
    container: Annotated[str, Field(max_length=253)] | None = None
    """Container that it was taken from."""
    text: Text = ""
    """What was seen; secrets are blacked out."""
    truncated: bool = False
    """Whether older lines were cut off."""
    captured_time: Instant | None = None
    """When it was taken."""


class Decision(WireModel):
    """Why a Runbook was chosen, is waiting, or was left alone."""

    time: Instant
    """When it was decided, last."""
    about: Name
    """Name of the Runbook."""
    verdict: Verdict
    """Chosen, NotChosen, Waiting or Refused."""
    reason: ShortName
    """Why, in one CamelCase word."""
    message: Sentence = ""
    """Why, in a sentence for people."""


class RemediationSummary(WireModel):
    """One attempt in a line; the Remediation of that name holds the whole."""

    name: Name
    """Name of the Remediation, in the same namespace."""
    runbook: Name
    """Name of the Runbook."""
    attempt: Annotated[int, Field(ge=1, le=1000)]
    """Which attempt at this target and bad revision it is."""
    phase: RemediationPhase
    """Where the attempt stands."""
    outcome: Outcome | None = None
    """How it ended; absent while it runs."""
    message: Sentence = ""
    """What it did, or why it did not, in a sentence."""


class Message(WireModel):
    """A page, a notice or a stand-down. Stored as Pending before it is sent; the key goes to the provider, so that a repeat is recognised."""

    key: Annotated[str, Field(min_length=1, max_length=512)]
    """episode/run/loop/step/receiver for a page."""
    kind: MessageKind
    """A page wakes somebody; a notice and a stand-down never do."""
    receiver: Name
    """Name of the receiver in HealingPolicy."""
    state: MessageState
    """Pending is stored before anything is sent."""
    method: Annotated[str, Field(max_length=63)] | None = None
    """The receiver's method that delivered it, or was tried last."""
    created_time: Instant
    """When it was decided to send it."""
    sent_time: Instant | None = None
    """When the channel accepted it."""
    attempts: Annotated[int, Field(ge=0, le=1000)] = 0
    """How often sending was tried."""
    step: Annotated[str, Field(max_length=63)] | None = None
    """Step of the EscalationPolicy, or catchAll."""
    text: Sentence = ""
    """What is said."""
    error: Sentence | None = None
    """Why the last attempt failed."""


class Escalation(WireModel):
    """Where paging stands. The policy is frozen per run, so that an edit does not change a run under way."""

    policy_ref: NamespacedRef | None = None
    """The EscalationPolicy in use."""
    policy_generation: Count | None = None
    """metadata.generation of the policy that was frozen."""
    policy: EscalationPolicySpec | None = None
    """The frozen copy."""
    state: EscalationState = EscalationState.IDLE
    """Where paging stands."""
    run: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """Counts the runs; each episode begins a new one."""
    loop: Annotated[int, Field(ge=0, le=1000)] = 0
    """How often the ladder was climbed again in this run."""
    step: Annotated[int, Field(ge=0, le=1000)] = 0
    """Index of the next step that is due."""
    step_started_time: Instant | None = None
    """When the previous step started (triggeredTime before the first)."""
    next_action_time: Instant | None = None
    """When the next step is due; absent when nobody else is going to be told."""
    messages: Annotated[tuple[Message, ...], items(64, "key")] = ()
    """Pages, notices and stand-downs, with what became of them."""


class Episode(WireModel):
    """One stretch of hurting, from trigger to recovery."""

    number: Annotated[int, Field(ge=1, le=1_000_000)]
    """1 for the first, then counting up."""
    started_time: Instant
    """It began to hurt."""
    triggered_time: Instant
    """It was opened for action."""
    acknowledged_time: Instant | None = None
    """A person took it."""
    resolved_time: Instant | None = None
    """Start of the healthy period that was proved."""
    reason: ShortName
    """Why it began: Opened, or why it was reopened."""


class TimelineEntry(WireModel):
    """One thing that happened."""

    sequence: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """Counts on even where old entries were dropped; the Event of it bears the same number."""
    time: Instant
    """When it happened."""
    what: ShortName
    """A CamelCase name; those of the Events list also become an Event."""
    message: Sentence
    """What happened, in a sentence."""
    by: Annotated[str, Field(max_length=253)] = "prunella"
    """Who did it: a user, or prunella."""


class Owner(WireModel):
    """Whose it is, and how that was found."""

    team: Annotated[str, Field(max_length=253)] | None = None
    """Team that owns the target."""
    tier: Annotated[int, Field(ge=1, le=4)] | None = None
    """Importance of the service, 1 is the highest; from its CatalogEntry."""
    escalation_policy_ref: NamespacedRef | None = None
    """The EscalationPolicy that says who is told."""
    resolved_by: Sentence = ""
    """The path that led here, for example 'CatalogEntry shop/checkout'."""


class Plan(WireModel):
    """What would be done, or is about to be."""

    runbook: Name
    """Name of the Runbook that made the plan."""
    hash: Annotated[str, Field(max_length=64)]
    """Identity of the plan: the Runbook, the target and what would change."""
    summary: Sentence
    """One sentence, for example 'roll back deploy/checkout 15 -> 14'."""
    due_time: Instant | None = None
    """When the effect is due: dwell over and conditions hold."""


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
    """Instants of the story. Each is written once."""
    provenance: Annotated[tuple[Provenance, ...], items(32, "name")] = ()
    """Who knew each of the times."""
    durations: Durations = Durations()
    """Whole seconds between the times: how long it took to detect, tell, act, mitigate, resolve."""
    episodes: Annotated[tuple[Episode, ...], items(10, "number")] = ()
    """The last stretches of hurting, oldest first."""
    signals: Annotated[tuple[Signal, ...], items(100, "key")] = ()
    """What each source says of the fault; watch and alerts join here."""
    evidence: Annotated[tuple[Evidence, ...], items(8)] = ()
    """Log tail and Events as they were when the Incident opened."""
    plan: Plan | None = None
    """What automation would do, or is about to do."""
    decisions: Annotated[tuple[Decision, ...], items(20)] = ()
    """Each Runbook that was considered, with what was decided about it and why."""
    remediations: Annotated[tuple[RemediationSummary, ...], items(20, "name")] = ()
    """The attempts to mend the target, oldest first."""
    escalation: Escalation = Escalation()
    """Who was told, and who is told next."""
    timeline: Annotated[tuple[TimelineEntry, ...], items(50, "sequence")] = ()
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
    last_handled_retry: Annotated[str, Field(max_length=253)] | None = None
    """Value of the annotation prunella.dev/retry that was acted on last."""
    last_handled_retry_time: Instant | None = None
    """When it was acted on: attempts that ended before it hold nothing back."""
    conditions: Annotated[tuple[Condition, ...], items(24, "type")] = ()
    """Acknowledged, Mitigated, Resolved and RemediationAllowed, with reasons; others only while they are true."""


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
