"""Runbook: know-how. What it fits, how far it may go, what it does, and how recovery is proved."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import Name, Seconds, ShortName, WireModel, items
from .common import Condition, LabelSelector, Metadata
from .names import Cause, Mode, OnFailure

Expression = Annotated[str, Field(min_length=1, max_length=1024)]
PositiveSeconds = Annotated[int, Field(ge=1, le=86_400)]


class TargetMatch(WireModel):
    """Which objects the Runbook may be used on; absent restricts nothing."""

    kinds: Annotated[tuple[ShortName, ...], items(16)] = ()
    """Kinds, for example Deployment."""
    selector: LabelSelector | None = None
    """Labels of the target; an empty selector is refused."""


class Match(WireModel):
    """When the Runbook fits. An empty match fits nothing."""

    causes: Annotated[tuple[Cause, ...], items(32)] = ()
    """Causes of the Incident; any one is enough."""
    alerts: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=512)], ...], items(32)] = ()
    """Alertmanager matchers, for example '{alertname="KubeDeploymentRolloutStuck"}'; any one is enough."""
    targets: TargetMatch | None = None
    when: Expression | None = None
    """CEL over `incident`, `target`, `alert`: must be true as well."""
    dwell_seconds: Seconds | None = None
    """Least time that the signal holds before an action, from its first sight. Default: 120 for image pulls, else 60."""
    min_restarts: Annotated[int, Field(ge=0, le=100)] | None = None
    """Least restarts before an action, for crash loops. Default: 3."""


class Limits(WireModel):
    """What stands here wins over the HealingPolicy."""

    max_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    """Attempts per target and bad revision, then a person."""
    min_healthy_seconds: Seconds = 3600
    """A relapse within it is the next attempt; after it the count starts anew."""
    cooldown_seconds: Seconds | None = None
    """Least time between two attempts at one target and one bad revision."""


class RollBack(WireModel):
    """Put back the pod template of the revision last seen healthy. Deployment, StatefulSet, DaemonSet."""

    to: Literal["KnownGood"] = "KnownGood"


class Restart(WireModel):
    """Restart the workload's pods as `kubectl rollout restart` does."""


class CaptureEvidence(WireModel):
    """Add log tail and Events to the Incident. Never fails a run."""

    tail_lines: Annotated[int, Field(ge=1, le=200)] = 20


class Escalate(WireModel):
    """Page the owner now, whatever the policy's delays are."""

    message: Annotated[str, Field(max_length=512)] = ""


class StepFailure(WireModel):
    """What a failed step does to the run."""

    action: OnFailure = OnFailure.ABORT


class RunbookStep(WireModel):
    """One action, exactly one a step."""

    name: ShortName
    """Unique in the Runbook."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    on_failure: StepFailure = StepFailure()
    roll_back: RollBack | None = None
    restart: Restart | None = None
    capture_evidence: CaptureEvidence | None = None
    escalate: Escalate | None = None


class WorkloadHealthy(WireModel):
    """observedGeneration current, updated = available = desired, no restart since the effect."""


class PromQL(WireModel):
    """A query whose single value decides. `${…}` inserts one escaped label value; no data is Inconclusive."""

    query: Annotated[str, Field(min_length=1, max_length=2048)]
    success: Expression
    """CEL over `value` that proves recovery, for example 'value < 0.01'."""
    failure: Expression
    """CEL over `value` that proves the fault; neither means Inconclusive."""


class AlertCleared(WireModel):
    """No alert of the Incident fires any more, by an immediate poll of Alertmanager."""


class Check(WireModel):
    """One question, exactly one a check."""

    name: ShortName
    optional: bool = False
    """It may be Inconclusive, never a Failure."""
    workload_healthy: WorkloadHealthy | None = None
    promql: PromQL | None = None
    alert_cleared: AlertCleared | None = None


class Verify(WireModel):
    """How recovery is proved."""

    stabilize_seconds: Seconds = 60
    """Wait after the effect before the first look."""
    interval_seconds: PositiveSeconds = 20
    successes: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive looks that must succeed."""
    timeout_seconds: PositiveSeconds = 600
    failure_limit: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive failures of a promql check that end it; a workload may take until the timeout."""
    error_limit: Annotated[int, Field(ge=1, le=100)] = 4
    inconclusive_limit: Annotated[int, Field(ge=1, le=100)] = 3
    watch_seconds: Seconds = 600
    """Afterwards a relapse reopens the Incident."""
    checks: Annotated[tuple[Check, ...], items(16, "name", minimum=1)]


class RunbookSpec(WireModel):
    """What the Runbook fits, how far it may go, what it does, and how recovery is proved."""

    title: Annotated[str, Field(min_length=1, max_length=256)]
    """One line for people."""
    match: Match
    mode: Mode = Mode.OBSERVE
    """Ceiling of this Runbook; namespace and HealingPolicy can only lower it."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 50
    """Among Runbooks that fit, the highest is taken; a tie is reported, not guessed."""
    service_account_name: Name | None = None
    """For a Runbook outside the operator's namespace: the account it acts as."""
    limits: Limits = Limits()
    steps: Annotated[tuple[RunbookStep, ...], items(20, "name", minimum=1)]
    verify: Verify


class RunbookStatus(WireModel):
    """Whether the Runbook can be used."""

    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()


class Runbook(WireModel):
    """Know-how: what it fits, how far it may go, what it does, and how recovery is proved."""

    metadata: Metadata
    spec: RunbookSpec
    status: RunbookStatus = RunbookStatus()
