"""Runbook: know-how. What it fits, how far it may go, what it does, and how recovery is proved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator
from pydantic.alias_generators import to_camel
from pydantic.json_schema import SkipJsonSchema

from .base import Expression, Name, OneOf, Rule, Seconds, ShortName, WireModel, items
from .common import LabelSelector, LocalRef, Metadata
from .names import Cause, Mode
from .preconditions import Precondition
from .runbook_limits import ApprovalTerms, ErrorBudget, Limits
from .runbook_status import RunbookStatus
from .self_service import Parameter, SelfService
from .step_failure import Retries, StepFailure
from .windows import Windows

__all__ = [
    "ACCOUNT_NAME",
    "AlertCleared",
    "ApprovalTerms",
    "Blocker",
    "Check",
    "ErrorBudget",
    "Expression",
    "Limits",
    "Match",
    "Parameter",
    "PositiveSeconds",
    "Precondition",
    "PromQL",
    "Retries",
    "Runbook",
    "RunbookSpec",
    "RunbookStatus",
    "RunbookStep",
    "SelfService",
    "StepFailure",
    "TargetMatch",
    "Verify",
    "WorkloadHealthy",
]

ACCOUNT_NAME = r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?"  # of a ServiceAccount
PositiveSeconds = Annotated[int, Field(ge=1, le=86_400)]


class TargetMatch(WireModel):
    """Which objects the Runbook may be used on; absent restricts nothing."""

    kinds: Annotated[tuple[ShortName, ...], items(16)] = ()
    """Kinds, for example Deployment."""
    selector: LabelSelector | None = None
    """Labels of the target; an empty selector is refused."""


class Match(WireModel):
    """When the Runbook fits: one of the causes or one of the alerts, and all the rest. An empty match fits nothing."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "(has(self.causes) && size(self.causes) > 0) || (has(self.alerts) && size(self.alerts) > 0)",
            "must name causes or alerts: a match without either fits nothing",
        ),
    )

    causes: Annotated[tuple[Cause, ...], items(32)] = ()
    """Causes of the Incident; any one is enough."""
    alerts: Annotated[tuple[Annotated[str, Field(min_length=1, max_length=512)], ...], items(32)] = ()
    """Alertmanager matchers, for example '{alertname="KubeDeploymentRolloutStuck"}'; any one is enough."""
    targets: TargetMatch | None = None
    """Which objects the Runbook may be used on; absent restricts nothing."""
    when: Expression | None = None
    """CEL over `incident`, `target`, `alert`: must be true as well."""
    dwell_seconds: Seconds | None = None
    """Least time that the signal holds before an action, from its first sight. Default: 120 for image pulls, 300 for nodes, else 60."""
    min_restarts: Annotated[int, Field(ge=0, le=100)] | None = None
    """Least restarts before an action, for crash loops. Default: 3."""


class Blocker(OneOf):
    """Something outside of the target during which no attempt begins, for example a backup. What can't be told blocks as well."""

    one_of = ("promql", "alert")
    one_of_hint = "two things that block are two entries"
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.promql) == has(self.when)", "must have when with promql, and only there: it says which value blocks"),
    )

    name: ShortName
    """Unique in the Runbook; refusals name it."""
    promql: Annotated[str, Field(min_length=1, max_length=2048)] | None = None
    """A Prometheus query that must come to one value. ${target.name} and the like insert one escaped label value; no data blocks."""
    when: Expression | None = None
    """CEL over `value` of the query: it blocks where this is true, or can't be told, for example 'value > 0'."""
    alert: Annotated[str, Field(min_length=1, max_length=512)] | None = None
    """Alertmanager matchers, for example '{alertname="BackupRunning"}': an alert that is active blocks, silenced and inhibited ones too."""
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    """Why it blocks, for whoever wonders at 3 a.m."""


class RunbookStep(WireModel):
    """One action, exactly one a step."""

    name: ShortName
    """Unique in the Runbook."""
    when: Expression | None = None
    """CEL over `incident`, `target`, `alert`, `parameters`, `steps`: the step is skipped where it is false, and fails where it can't be told."""
    timeout_seconds: Annotated[int, Field(ge=1, le=3600)] = 60
    """Longest time that the step may take, retries included."""
    retries: Retries | None = None
    """How it is tried again after an error that may pass by itself; timeoutSeconds bounds all of it. Absent: a change that the API server turned away
    unread is sent again within timeoutSeconds, and any other error fails the step."""
    on_failure: StepFailure = StepFailure()
    """What a failed step does to the run. A refusal by a guard is no failure."""
    ttl_seconds: Annotated[int, Field(ge=60, le=2_592_000)] | None = None
    """A temporary measure: after so long it is taken back by itself, where what it wrote is still there. For steps that can be taken back."""
    actions: SkipJsonSchema[dict[str, Any]] = {}
    """Every other key as it was given: the name of the action and its fields. What there is stands in core/healing/steps, one a file."""
    filled: SkipJsonSchema[dict[str, Any] | None] = Field(default=None, exclude=True)
    """The same with what was chosen in the places of the references to parameters; None where there are none. Never written, and part of no hash."""

    def __init__(self, **given: Any) -> None:
        """A keyword that is no field is the action: RunbookStep(name="again", restart={})."""
        super().__init__(**given)

    @model_validator(mode="before")
    @classmethod
    def _keep_actions(cls, given: object) -> object:
        """Fields of this model stay; all else is an action, by its name on the wire."""
        if not isinstance(given, Mapping):
            return given
        own = {key for name in cls.model_fields if name != "filled" for key in (name, to_camel(name))}
        found = {to_camel(key): value.wire() if isinstance(value, WireModel) else value for key, value in given.items() if key not in own}
        kept = {key: value for key, value in given.items() if key in own}
        return kept | {"actions": {**dict(given.get("actions") or {}), **found}}

    @model_serializer(mode="wrap")
    def _spread_actions(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """As people write it: the action beside the name."""
        return {key: value for key, value in write(self).items() if key != "actions"} | self.actions

    @property
    def action(self) -> str:
        """Name of the action; empty where there is not exactly one: the schema refuses such a step."""
        return next(iter(self.actions)) if len(self.actions) == 1 else ""

    @property
    def given(self) -> dict[str, Any]:
        """The actions as they are carried out."""
        return self.actions if self.filled is None else self.filled


class WorkloadHealthy(WireModel):
    """observedGeneration current, updated = available = desired, no restart since the effect; no fault of another kind of target is seen."""


class PromQL(WireModel):
    """A query whose single value decides. `${…}` inserts one escaped label value; no data is Inconclusive."""

    query: Annotated[str, Field(min_length=1, max_length=2048)]
    """The query; it must come to one value. ${target.name} and the like insert one escaped label value."""
    success: Expression
    """CEL over `value` that proves recovery, for example 'value < 0.01'."""
    failure: Expression
    """CEL over `value` that proves the fault; neither means Inconclusive."""


class AlertCleared(WireModel):
    """No alert of the Incident fires any more, by an immediate poll of Alertmanager."""


class Check(OneOf):
    """One question, exactly one a check."""

    one_of = ("workload_healthy", "promql", "alert_cleared")
    one_of_hint = "two questions are two checks"

    name: ShortName
    """Unique in the Runbook."""
    optional: bool = False
    """It may be Inconclusive, never a Failure."""
    workload_healthy: WorkloadHealthy | None = None
    """The target has every replica updated and available, none restarted since the effect. No workload: nothing is found wrong with it; a Node is
    Ready, a claim has what it asks for, and a failed Job was run again with success."""
    promql: PromQL | None = None
    """A Prometheus query whose single value decides."""
    alert_cleared: AlertCleared | None = None
    """No alert of the Incident fires any more."""


_SUCCESSES, _INTERVAL, _TIMEOUT = 3, 20, 600


class Verify(WireModel):
    """How recovery is proved."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"((has(self.successes) ? self.successes : {_SUCCESSES}) - 1) * (has(self.intervalSeconds) ? self.intervalSeconds : {_INTERVAL})"
            f" < (has(self.timeoutSeconds) ? self.timeoutSeconds : {_TIMEOUT})",
            "must leave time for its looks: raise timeoutSeconds, or lower successes or intervalSeconds",
        ),
    )

    stabilize_seconds: Seconds = 60
    """Wait after the effect before the first look."""
    interval_seconds: PositiveSeconds = _INTERVAL
    """Time between two looks."""
    successes: Annotated[int, Field(ge=1, le=100)] = _SUCCESSES
    """Consecutive looks that must succeed."""
    timeout_seconds: PositiveSeconds = _TIMEOUT
    """Longest time in which recovery must be proved; it must leave room for the looks."""
    failure_limit: Annotated[int, Field(ge=1, le=100)] = 3
    """Consecutive failures of a promql check that end it; a workload may take until the timeout."""
    error_limit: Annotated[int, Field(ge=1, le=100)] = 4
    """Questions that may fail in a row, for example because Prometheus does not answer; then the look is Inconclusive."""
    inconclusive_limit: Annotated[int, Field(ge=1, le=100)] = 3
    """Looks without an answer that end it as Inconclusive, which counts as a failed attempt; a controller that is slow may take until the timeout."""
    watch_seconds: Seconds = 600
    """Afterwards a relapse reopens the Incident."""
    undo_on_failure: bool = False
    """Where recovery is not proved, take back once what the steps did and can be taken back; never a rollback."""
    checks: Annotated[tuple[Check, ...], items(16, "name", minimum=1)]
    """All of them must succeed in a look."""


class RunbookSpec(WireModel):
    """What the Runbook fits, how far it may go, what it does, and how recovery is proved."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"!has(self.serviceAccountName) || self.serviceAccountName.matches('^{ACCOUNT_NAME}$')",
            "must name a ServiceAccount of the Runbook's own namespace in serviceAccountName: small letters, digits, '-' and '.', "
            "and neither a user, a group nor another namespace",
        ),
    )

    title: Annotated[str, Field(min_length=1, max_length=256)]
    """One line for people."""
    match: Match
    """When the Runbook fits: one of its causes or alerts, and all the rest."""
    mode: Mode = Mode.OBSERVE
    """Ceiling of this Runbook; namespace and HealingPolicy can only lower it."""
    priority: Annotated[int, Field(ge=0, le=1000)] = 50
    """Among Runbooks that fit, the highest is taken; a tie is reported, not guessed."""
    service_account_name: Name | None = None
    """Only, and always, for a Runbook outside the operator's namespace: the ServiceAccount of its namespace that it acts as, and only there."""
    preconditions: Annotated[tuple[Precondition, ...], items(20, "name")] = ()
    """What must be true of the target before anything is begun; asked when the plan is made and again right before the first effect."""
    windows: Windows = Windows()
    """When it may begin anything; the HealingPolicy's windows hold as well."""
    block_if: Annotated[tuple[Blocker, ...], items(20, "name")] = ()
    """What keeps it from beginning anything; one is enough, and so is one that can't be told."""
    limits: Limits = Limits()
    """How often it may try; what stands here wins over the HealingPolicy."""
    approval: ApprovalTerms = ApprovalTerms()
    """What an approval takes where the effective mode is Approve."""
    parameters: Annotated[tuple[Parameter, ...], items(16, "name")] = ()
    """What whoever asks for a run may choose; conditions read `parameters.<name>`, and a field of a step may be `$(parameters.<name>)`."""
    self_service: SelfService | None = None
    """People may ask for runs of it, by a Remediation of their own; absent forbids it."""
    steps: Annotated[tuple[RunbookStep, ...], items(20, "name", minimum=1)]
    """What it does, in this order; exactly one action a step."""
    verify: Verify
    """How recovery is proved."""
    next_ref: LocalRef | None = None
    """What is tried where this one did not help: once an episode, by its own match and limits, and after what this one did was taken back."""


class Runbook(WireModel):
    """Know-how: what it fits, how far it may go, what it does, and how recovery is proved."""

    metadata: Metadata
    spec: RunbookSpec
    status: RunbookStatus = RunbookStatus()
