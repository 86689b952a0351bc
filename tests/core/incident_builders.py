"""Incidents and their worlds with sensible defaults, and a play that runs the Incident's stages pass by pass.

The default: the watch saw Deployment shop/checkout crash-loop at noon; the catalog says team shop, tier 2; its EscalationPolicy has two steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from prunella.api.catalog_entry import CatalogEntry, CatalogEntrySpec
from prunella.api.common import LabelSelector, LocalRef, Metadata, NamespacedRef, ObjectRef
from prunella.api.escalation_policy import (
    EscalationPolicy,
    EscalationPolicySpec,
    EscalationStep,
    Notice,
    NotifyTarget,
    Repeat,
)
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec, Receiver, ReceiverMethod, SecretKeyRef
from prunella.api.incident import Incident, IncidentSpec, IncidentStatus, OpeningSignal, Owner, Reporter, Source
from prunella.api.names import Cause, MessageKind, MessageState, Mode, Outcome, RemediationPhase, SourceKind, StepState
from prunella.api.remediation import IncidentRef, Intent, Remediation, RemediationSpec, RemediationStatus, RunbookRef, StepStatus
from prunella.core.draft import Draft
from prunella.core.facts import AlertFacts, Finding, NamespaceFacts, UnknownT, Workload, WorkloadFacts
from prunella.core.incident import lifecycle, ownership, priority, signals, times
from prunella.core.people import escalation, notices
from prunella.core.world import Delivery, World

from .builders import NOON, WORKLOAD_UID, later

TARGET = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="checkout", uid=WORKLOAD_UID)
SUMMARY = "checkout: revision 15 crash-loops (exit code 1)"


def metadata(name: str = "checkout-7f3kq", **changes: Any) -> Metadata:
    """Metadata of an object of namespace shop, created at noon."""
    defaults: dict[str, Any] = {"namespace": "shop", "uid": f"uid-{name}", "generation": 1, "creation_timestamp": NOON}
    return Metadata(name=name, **(defaults | changes))


def opening(key: str = "watch/RolloutCrashLoop", **changes: Any) -> OpeningSignal:
    """The opening signal of the watch."""
    defaults: dict[str, Any] = {"started_time": NOON, "seen_time": NOON, "cause": Cause.ROLLOUT_CRASH_LOOP, "summary": SUMMARY}
    return OpeningSignal(key=key, **(defaults | changes))


def watched(name: str = "checkout-7f3kq", *, status: IncidentStatus | None = None, target: ObjectRef = TARGET, **meta: Any) -> Incident:
    """An Incident that the watch opened."""
    spec = IncidentSpec(title=SUMMARY, target_ref=target, source=Source(kind=SourceKind.WATCH, signal=opening()))
    return Incident(metadata=metadata(name, **meta), spec=spec, status=status or IncidentStatus())


def alerted(name: str = "checkout-7f3kq", *, target: ObjectRef = TARGET, **signal: Any) -> Incident:
    """An Incident that an alert opened."""
    defaults: dict[str, Any] = {"alert_start_time": NOON, "cause": Cause.ALERT, "labels": {"alertname": "HighErrors", "severity": "critical"}}
    source = Source(kind=SourceKind.ALERTMANAGER, signal=opening("alert/00000000000000aa", **(defaults | signal)))
    return Incident(metadata=metadata(name), spec=IncidentSpec(title="HighErrors", target_ref=target, source=source))


def reported(name: str = "ana-sees-errors", *, by: str | None = "ana", **changes: Any) -> Incident:
    """An Incident that a person created."""
    meta = {key: changes.pop(key) for key in ("creation_timestamp", "generation") if key in changes}
    reporters = (Reporter(name=by),) if by else ()
    spec = IncidentSpec(title="checkout answers with errors", target_ref=TARGET, reporters=reporters, **changes)
    return Incident(metadata=metadata(name, **meta), spec=spec)


def workload(ready: int = 3, desired: int = 3, **changes: Any) -> WorkloadFacts:
    """Deployment shop/checkout without its pods."""
    defaults: dict[str, Any] = {"kind": "Deployment", "namespace": "shop", "name": "checkout", "uid": WORKLOAD_UID, "labels": {"app": "checkout"}}
    return WorkloadFacts(workload=Workload(ready=ready, available=ready, desired=desired, **(defaults | changes)), revisions=(), pods=())


def finding(cause: str = "RolloutCrashLoop", **changes: Any) -> Finding:
    """What the detectors see on it."""
    defaults: dict[str, Any] = {
        "subject": workload().workload,
        "summary": SUMMARY,
        "started_time": NOON,
        "open_time": NOON,
        "accused_revision": "6d4cf56db6",
    }
    return Finding(cause=cause, **(defaults | changes))


def alert(fingerprint: str = "00000000000000aa", state: str = "firing", *, at: float = 0, starts: float = 0, **changes: Any) -> AlertFacts:
    """An alert received `at` seconds after noon that started `starts` seconds after noon."""
    defaults: dict[str, Any] = {
        "labels": {"alertname": "HighErrors", "namespace": "shop", "severity": "critical"},
        "annotations": {"summary": "too many errors"},
        "starts_time": later(starts),
        "ends_time": later(at) if state == "resolved" else None,
        "received_time": later(at),
    }
    return AlertFacts(fingerprint=fingerprint, state=state, **(defaults | changes))


def receivers(*names: str) -> tuple[Receiver, ...]:
    """Receivers of HealingPolicy."""
    return tuple(Receiver(name=name, methods=(ReceiverMethod(name="hook", webhook=SecretKeyRef(key=name)),)) for name in names)


def healing_policy(*names: str, default: str | None = None, **changes: Any) -> HealingPolicy:
    """HealingPolicy default with these receivers (by default those that the EscalationPolicy names)."""
    ref = NamespacedRef(namespace="prunella-system", name=default) if default else None
    spec = HealingPolicySpec(receivers=receivers(*(names or ALL)), default_escalation_policy_ref=ref, **changes)
    return HealingPolicy(metadata=Metadata(name="default"), spec=spec)


ALL = ("primary", "secondary", "ops", "releases", "fallback")


def to(name: str) -> NotifyTarget:
    """One receiver."""
    return NotifyTarget(contact_ref=LocalRef(name=name))


def step(name: str, *receivers_: str, after: int | None = None, wait: int | None = None, **changes: Any) -> EscalationStep:
    """One rung."""
    return EscalationStep(
        name=name, after_seconds=after, wait_while_remediating_seconds=wait, notify=tuple(to(one) for one in receivers_ or (name,)), **changes
    )


def ladder(*steps: EscalationStep, name: str = "shop", namespace: str = "shop", **changes: Any) -> EscalationPolicy:
    """EscalationPolicy shop/shop: primary after 60 s, secondary 300 s later, two loops, then ops."""
    defaults: dict[str, Any] = {
        "steps": steps or (step("primary", after=60), step("secondary", after=300)),
        "repeat": Repeat(count=1, interval_seconds=300),
        "catch_all": (to("ops"),),
        "notices": (Notice(on=("AutomaticAction", "Blocked"), notify=(to("releases"),)),),
    }
    return EscalationPolicy(metadata=metadata(name, namespace=namespace), spec=EscalationPolicySpec(**(defaults | changes)))


def entry(
    name: str = "checkout", *, tier: int = 2, labels: Mapping[str, str] | None = None, policy: str | None = "shop", team: str = "shop"
) -> CatalogEntry:
    """CatalogEntry shop/checkout."""
    ref = NamespacedRef(name=policy) if policy else None
    selector = LabelSelector(match_labels=dict(labels or {"app": "checkout"}))
    return CatalogEntry(metadata=metadata(name), spec=CatalogEntrySpec(selector=selector, team=team, tier=tier, escalation_policy_ref=ref))


def remediation(phase: RemediationPhase, outcome: Outcome | None = None, *, number: int = 1, applied: bool = False, **status: Any) -> Remediation:
    """An attempt at the Incident."""
    steps: tuple[StepStatus, ...] = ()
    if applied:
        intent = Intent(id="5b1e", action="Patch", target_ref=TARGET, written_time=NOON, deadline_time=later(60))
        message = "deploy/checkout runs revision 16 = template of 14; 15 is quarantined"
        steps = (StepStatus(name="rollback", state=StepState.APPLIED, intent=intent, message=message),)
    name = f"checkout-7f3kq-{number}"
    spec = RemediationSpec(
        incident_ref=IncidentRef(name="checkout-7f3kq", uid="uid-checkout-7f3kq"),
        target_ref=TARGET,
        runbook_ref=RunbookRef(namespace="prunella-system", name="roll-back-bad-rollout"),
        attempt=number,
        mode=Mode.AUTO,
        requested_by="prunella",
        plan_hash="a41c9e",
    )
    defaults: dict[str, Any] = {"phase": phase, "outcome": outcome, "steps": steps, "plan": "15 -> 14"}
    return Remediation(metadata=metadata(name), spec=spec, status=RemediationStatus(**(defaults | status)))


def healed(since: float = 13, ended: float = 33, *, number: int = 1) -> Remediation:
    """An attempt that proved recovery, healthy `since` seconds after noon."""
    return remediation(
        RemediationPhase.SUCCEEDED,
        Outcome.REMEDIATED,
        number=number,
        applied=True,
        started_time=later(since - 1),
        healthy_since_time=later(since),
        ended_time=later(ended),
        message="healthy 3 of 3 times over 20 s",
    )


def world(incident: Incident | None = None, *, at: float = 0, **changes: Any) -> World:
    """The world of an Incident `at` seconds after noon: the fault is there, and everything can be read."""
    defaults: dict[str, Any] = {
        "target": workload(),
        "finding": finding(),
        "policy": healing_policy(),
        "namespace": NamespaceFacts(name="shop", labels={}),
        "entries": (entry(),),
        "escalation_policies": (ladder(),),
    }
    return World(now=later(at), incident=incident or watched(), **(defaults | changes))


def draft_of(seen: World) -> Draft:
    """A draft that starts from the Incident's status."""
    return Draft(status=seen.incident.status, now=seen.now, generation=seen.incident.metadata.generation)


def decided(seen: World, *, healthy: bool | UnknownT = False, since: float | None = None) -> Draft:
    """One pass of the Incident's stages, in the order of `decide`, without healing."""
    stored, seen = seen.incident.status, times.here(seen)
    draft = signals.observe_signals(seen, draft_of(seen))
    draft = lifecycle.advance(seen, draft, target_healthy=healthy, healthy_since=None if since is None else later(since))
    draft = ownership.own(seen, priority.assess(seen, draft))
    draft = notices.notify(seen, escalation.escalate(seen, draft))
    draft = times.measure(seen, draft)
    return replace(draft, status=times.told(stored, draft.status))


@dataclass
class Story:
    """An Incident that lives through passes; what a pass stores is what the next one finds."""

    incident: Incident = field(default_factory=watched)
    facts: dict[str, Any] = field(default_factory=dict)
    """What the world shows until it is told otherwise."""
    draft: Draft | None = None
    counts: list[tuple[str, float | None]] = field(default_factory=list)

    def at(self, seconds: float, *, healthy: bool | UnknownT = False, since: float | None = None, **once: Any) -> Draft:
        """One pass, `seconds` after noon. `once` is seen by this pass alone."""
        self.draft = decided(world(self.incident, at=seconds, **(self.facts | once)), healthy=healthy, since=since)
        self.incident = self.incident.model_copy(update={"status": IncidentStatus.read(self.draft.status.wire())})
        self.counts += [(one.metric, one.value) for one in self.draft.counts]
        return self.draft

    def shows(self, **facts: Any) -> Story:
        """From now on the world shows this."""
        self.facts |= facts
        return self

    def says(self, **spec: Any) -> Story:
        """A person patches spec."""
        meta = self.incident.metadata
        self.incident = self.incident.model_copy(
            update={
                "spec": self.incident.spec.model_copy(update=spec),
                "metadata": meta.model_copy(update={"generation": meta.generation + 1}),
            }
        )
        return self

    @property
    def status(self) -> IncidentStatus:
        """What is stored."""
        return self.incident.status

    @property
    def owner(self) -> Owner:
        """Whose it is."""
        assert self.status.owner is not None
        return self.status.owner

    @property
    def parent(self) -> str | None:
        """Name of the Incident that it is a duplicate of."""
        return self.status.merged_into.name if self.status.merged_into else None

    def opened_by(self, signal: OpeningSignal) -> Story:
        """The same, opened by that signal."""
        spec = self.incident.spec
        assert spec.source is not None
        changed = spec.model_copy(update={"source": spec.source.model_copy(update={"signal": signal})})
        self.incident = self.incident.model_copy(update={"spec": changed})
        return self

    def told(self) -> list[str]:
        """The timeline's names."""
        return [one.what for one in self.status.timeline]

    def message(self, what: str) -> str:
        """What the newest entry of that name says."""
        return next(one.message for one in reversed(self.status.timeline) if one.what == what)

    def condition(self, type_: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next((one for one in self.status.conditions if one.type == type_), None)
        return (found.status.value, found.reason) if found else ("", "")

    def says_condition(self, type_: str) -> str:
        """Message of a condition."""
        return next(one.message for one in self.status.conditions if one.type == type_)

    def pages(self) -> list[str]:
        """Keys of the pages."""
        return [one.key for one in self.status.escalation.messages if one.kind is MessageKind.PAGE]

    def sent(self, kind: MessageKind) -> list[tuple[str, str]]:
        """Receiver and text of the messages of a kind."""
        return [(one.receiver, one.text) for one in self.status.escalation.messages if one.kind is kind]

    def receipts(self, at: float, *, delivered: bool = True, error: str = "", final: bool = True) -> tuple[Delivery, ...]:
        """What the outbox would say of everything that is Pending."""
        return tuple(
            Delivery(key=one.key, delivered=delivered, method="hook", error=error, final=final, time=later(at))
            for one in self.status.escalation.messages
            if one.state is MessageState.PENDING
        )


def signal_states(status: IncidentStatus) -> dict[str, str]:
    """State by key."""
    return {one.key: one.state.value for one in status.signals}
