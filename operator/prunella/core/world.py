"""Everything that one decision about one Incident may know.

The rule this module protects: `decide` reads nothing else. What could not be read is `UNKNOWN`; what is not there is None or empty.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import Enum
from typing import Final

from prunella.api.catalog_entry import CatalogEntry
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident, Signal
from prunella.api.names import Cause, Priority
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.step_failure import Transient
from prunella.api.workload_record import WorkloadRecord

from .around import Neighbours, Parent, Shared
from .configs import ConfigChange
from .facts import UNKNOWN, AlertFacts, Finding, NamespaceFacts, Revision, Seen, UnknownT, Workload, WorkloadFacts, subject_of
from .subject import Thing
from .things import bygone

Evaluate = Callable[[str, Mapping[str, object]], "bool | Unevaluable"]
"""The CEL engine: an expression and its variables in; true, false or why it can't be told out. Never raises."""


@dataclass(frozen=True, slots=True)
class Unevaluable:
    """An expression that has no answer, and why."""

    why: str


def rule_key(labels: Mapping[str, str]) -> str:
    """By what the rule of an alert is known: rules of one name that differ by severity are two."""
    name, severity = labels.get("alertname", ""), labels.get("severity", "")
    return f"{name}/{severity}" if severity else name


@dataclass(frozen=True, slots=True)
class NoZone:
    """A name that is no time zone, and why: the sentence names the nearest that is one."""

    why: str


ZoneOf = Callable[[str], "tzinfo | NoZone"]
"""The database of time zones: a name of IANA in; its zone or why there is none out. Never raises."""


class Absent(Enum):
    """Why there are no facts about the target."""

    GONE = "gone"
    """A live read answered 404, or another uid."""
    NOT_A_WORKLOAD = "not a workload"
    """The target is an alert, or an object of a kind that is not watched."""


GONE: Final = Absent.GONE
NOT_A_WORKLOAD: Final = Absent.NOT_A_WORKLOAD


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """What the storm brake needs to know of every Incident that is open and not mitigated."""

    uid: str
    namespace: str
    target: str
    cause: Cause
    incident: str = ""
    """Its own namespace and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An Incident whose plan is due, and which only waits for a place among the attempts under way."""

    uid: str
    namespace: str
    """Of its target."""
    priority: Priority
    since: datetime
    """When it was triggered: of the same priority, who fails longer comes first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryValue:
    """Answer to a PromQL query: a finite number, or why there is none. `error` means that the question failed, `missing` that there is no data."""

    value: float | None = None
    missing: str = ""
    """Empty result, NaN, several series, stale sample, or a warning of Prometheus: no data, never health."""
    error: str = ""
    """Prometheus could not be asked, or refused the query."""
    transient: Transient | None = None
    """Why the same question may be answered a moment later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What Prometheus and Alertmanager said when a Runbook's `blockIf` was asked. Nothing of it is stored."""

    values: Mapping[str, QueryValue] = field(default_factory=dict)
    """By the query as it was asked."""
    alerts: Mapping[str, AlertFacts] | UnknownT | None = None
    """By fingerprint, what every Alertmanager said is active or suppressed; UNKNOWN where none answered, None where it was not asked."""
    asked_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What was asked of the API server during the dwell for one plan. Nothing of it is stored."""

    plan_hash: str
    to: Revision | None = None
    """The revision that the plan goes back to."""
    missing_rights: tuple[str, ...] = ()
    """Verbs and resources that the acting account lacks, in kubectl's words, for example 'patch deployments.apps in shop'."""
    rights_known: bool = True
    dry_run_error: str = ""
    """Why the API server would refuse the request; empty where it would accept it."""
    step_refuses: str = ""
    """The reason where it is the step itself that makes no request; then `dry_run_error` is its sentence."""
    diff: str = ""
    """What the request would change."""
    prepared_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Log tail and Events, taken when the Incident opened."""

    logs: str = ""
    pod: str = ""
    container: str = ""
    logs_truncated: bool = False
    events: str = ""
    missing: str = ""
    """What could not be had, and why; empty where everything was."""
    captured_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of one message of the outbox since the last write."""

    key: str
    delivered: bool
    method: str = ""
    error: str = ""
    """Why it failed; of a delivered one, why the methods before failed."""
    final: bool = True
    """False where another try is under way."""
    attempts: int = 1
    time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """All that `decide` may know of one Incident at `now`."""

    now: datetime
    incident: Incident
    target: WorkloadFacts | Thing | Absent | UnknownT
    raw: Mapping[str, object] | None = None
    """The target as JSON, of the very read that its facts are of; None where they are the cache's, or there are none."""
    finding: Finding | UnknownT | None = None
    """What the detectors see on the target now; UNKNOWN while the watch is stale."""
    unseen_since: datetime | None = None
    """Since when the watch is stale, or the target could not be read, without a break; None while it is seen."""
    alerts: tuple[AlertFacts, ...] = ()
    """Alerts that came in for this Incident since the last write, in order of arrival."""
    active_alerts: Mapping[str, AlertFacts] | UnknownT = UNKNOWN
    """By fingerprint, what the last good poll of every Alertmanager said is active or suppressed; UNKNOWN without a poll."""
    polled_time: datetime | None = None
    record: WorkloadRecord | UnknownT | None = None
    policy: HealingPolicy | UnknownT = UNKNOWN
    namespace: NamespaceFacts | UnknownT = UNKNOWN
    entries: tuple[CatalogEntry, ...] = ()
    """Of the target's namespace."""
    escalation_policies: tuple[EscalationPolicy, ...] = ()
    runbooks: tuple[Runbook, ...] = ()
    operator_namespace: str = "prunella-system"
    remediations: tuple[Remediation, ...] = ()
    """Of this Incident, oldest first, by a live list where an action may follow."""
    own_remediation_uid: str = ""
    """The attempt for which the guards are asked live; it does not stand in its own way."""
    all_remediations: tuple[Remediation, ...] = ()
    """Of the cluster, for budgets, concurrency and attempts."""
    waiting: tuple[Waiting, ...] = ()
    """Of the cluster, who waits for a place among the attempts; this Incident may be among them."""
    duplicates: tuple[Incident, ...] = ()
    """Other open Incidents of the same target, oldest first."""
    neighbours: Neighbours | None = None
    """What else may have changed; only where an episode may begin."""
    parent: Parent | None = None
    """The open Incident of what this one fails for."""
    linked: Parent | None = None
    """The parent by the link that is stored, while that one holds it back: what can't be seen changes no link."""
    children: tuple[Incident, ...] = ()
    """In brief, the Incidents without an end that fail for this one."""
    shared: Shared | None = None
    """What many workloads or nodes fail for now, where the target is that."""
    storm_since: datetime | None = None
    """Since when the storm brake is on."""
    healthy_since: datetime | None = None
    """Since when the target was seen healthy without a break; None while it is not."""
    ran_again: bool = False
    """Whether a run of the target was complete that an attempt made: what a Job that stays Failed is well by."""
    config_changes: tuple[ConfigChange, ...] = ()
    """ConfigMaps that the target reads and that differ from what it was last healthy with, newest first."""
    restart_sights: Mapping[int, datetime] = field(default_factory=dict)
    """By number of restarts of the failing container, when that many were first seen. The kubelet's own times are whole seconds."""
    began_before_our_eyes: bool = False
    """Whether the newest revision of the target appeared while we watched."""
    alert_rules: Mapping[str, int] = field(default_factory=dict)
    """By alertname, or that and its severity (`rule_key`), the rule's `for` in seconds, as read from Prometheus; what is not there is not known."""
    autoscaled: bool = False
    """Whether an HPA scales the target."""
    control_plane_ok: bool = True
    watch_fresh: bool = True
    """Whether every watch was heard of lately; without it there is no evidence."""
    hidden: str = ""
    """Why the target can't be seen until somebody mends that; empty where it can, or where that ends by itself."""
    again_time: datetime | None = None
    """When it is to be looked at again, because something around it is about to change."""
    alert_source_fresh: bool = True
    """A webhook or a good poll within 600 s."""
    alert_source_silent_time: datetime | None = None
    """From when on the sources of alerts count as silent, where they stay so: 600 s after the last word, or after it was first listened for one."""
    preparation: Preparation | None = None
    answers: Answers | None = None
    """To `blockIf` of the Runbook that was chosen; None where it was not asked."""
    capture: Capture | None = None
    deliveries: tuple[Delivery, ...] = ()
    evaluate: Evaluate = field(default=lambda _expression, _variables: Unevaluable("no CEL engine"))
    zone_of: ZoneOf = field(default=lambda name: NoZone(f"the time zone '{name}' is not known here"))

    def rule_for_seconds(self, labels: Mapping[str, str]) -> int | None:
        """The `for` of the rule that an alert with these labels comes from; None where it is not known."""
        return self.alert_rules.get(rule_key(labels), self.alert_rules.get(labels.get("alertname", "")))

    def is_past(self, signal: Signal) -> bool:
        """Whether the signal tells of a run's failure that is the past, though its alert fires for as long as the failed Job is kept."""
        return bygone.told(self.target, self.finding, signal.labels, ran_again=self.ran_again)

    @property
    def workload(self) -> WorkloadFacts | None:
        """The target's facts where it is a workload that is there."""
        return self.target if isinstance(self.target, WorkloadFacts) else None

    @property
    def thing(self) -> Thing | None:
        """The target's facts where it is another object that is there."""
        return self.target if isinstance(self.target, Thing) else None

    @property
    def subject(self) -> Workload | Thing | None:
        """What is there of the target, whatever its kind: its identity, labels and annotations."""
        return subject_of(self.seen) if self.seen is not None else None

    @property
    def seen(self) -> Seen | None:
        """All that is known of the target where it is there."""
        return self.workload or self.thing

    @property
    def known_finding(self) -> Finding | None:
        """The finding where there is one for sure."""
        return self.finding if isinstance(self.finding, Finding) else None
