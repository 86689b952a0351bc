"""The parts of an Incident's status that say what was seen, decided and done, and when."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Instant, Name, Sentence, ShortName, Text, WireModel, items
from .common import Labels, NamespacedRef
from .names import Cause, Outcome, RemediationPhase, SignalState, SourceKind, Verdict
from .shadow_verdict import ShadowVerdict

Count = Annotated[int, Field(ge=0, le=9_007_199_254_740_991)]
Timing = Annotated[int, Field(ge=0, le=2_147_483_647)]


class Times(WireModel):
    """When each thing happened first, written once, and when it stopped hurting last. `provenance` says who knew it, `episodes` has those of each."""

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
    """Whole seconds between the times of the first episode, and how long all of them hurt; absent where a time is."""

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
    """resolvedTime − startedTime of all episodes together, without the healthy gaps between them (TTR)."""


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


class Episode(WireModel):
    """One stretch of hurting, from trigger to recovery, with the times that it had."""

    number: Annotated[int, Field(ge=1, le=1_000_000)]
    """1 for the first, then counting up."""
    started_time: Instant
    """It began to hurt."""
    detected_time: Instant | None = None
    """Monitoring, the watch or a person knew."""
    received_time: Instant | None = None
    """Prunella knew."""
    triggered_time: Instant
    """It was opened for action."""
    notified_time: Instant | None = None
    """The first message to a person was accepted by its channel."""
    automation_started_time: Instant | None = None
    """The first Remediation stored its intent."""
    acknowledged_time: Instant | None = None
    """A person took it."""
    ack_expired_count: Count = 0
    """How often an acknowledgement ended without a recovery: its time ran out, or the priority was raised."""
    mitigated_time: Instant | None = None
    """It stopped hurting."""
    resolved_time: Instant | None = None
    """Start of the healthy period that was proved."""
    resolution_confirmed_time: Instant | None = None
    """The proof was complete."""
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
    since_time: Instant | None = None
    """Since when the fault holds that the plan is about: the dwell counts from here."""
    due_time: Instant | None = None
    """When the effect is due: dwell over and conditions hold."""


class ShadowPlan(WireModel):
    """A plan that was due, to which every guard agreed, and that only the mode kept from being carried out; and whether it would have been right."""

    runbook_ref: NamespacedRef
    """The Runbook that made the plan."""
    sha256: Annotated[str, Field(max_length=64)]
    """Hash of the Runbook's spec without the mode."""
    summary: Sentence
    """What it would have done."""
    actions: Annotated[tuple[ShortName, ...], items(20)] = ()
    """The actions of its steps, in order."""
    revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that was there."""
    to_revision: Annotated[str, Field(max_length=253)] | None = None
    """Hash of the revision that it would have gone back to."""
    due_time: Instant
    """When it would have begun."""
    verdict: ShadowVerdict | None = None
    """Whether it would have been right; reached once, when the Incident ends."""
    verdict_time: Instant | None = None
    """When that was told."""
    reason: Sentence = ""
    """Why, in a sentence."""
