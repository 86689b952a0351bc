"""Worlds in which something could be healed: revision 3 of Deployment shop/checkout crash-loops since 20 s, revision 2 serves, everything permits it.

A test names only what its sentence is about; `ill` is that world, `planned` its plan.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from tests.fakes.runbooks import runbook

from prunella.api.common import Condition, Metadata
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec
from prunella.api.incident import Incident, IncidentStatus, Signal
from prunella.api.names import Cause, ConditionStatus, Mode, Outcome, RemediationPhase, SignalState, SourceKind
from prunella.api.remediation import IncidentRef, Remediation, RemediationSpec, RemediationStatus, RunbookRef
from prunella.api.runbook import Runbook
from prunella.core.detect.detect import Settings, Surroundings, detect
from prunella.core.facts import Finding, NamespaceFacts, WorkloadFacts
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import plan
from prunella.core.healing.runbooks.match import Fit
from prunella.core.healing.runbooks.plan import Plan
from prunella.core.world import Preparation, World

from .builders import NOON, WORKLOAD_UID, ago, crashing, new_pod, rolling_facts
from .incident_builders import TARGET, metadata, watched

NAMESPACE = NamespaceFacts(name="shop", labels={"prunella.dev/mode": "Auto"})


def policy(**spec: Any) -> HealingPolicy:
    """HealingPolicy `default` in Auto."""
    return HealingPolicy(metadata=Metadata(name="default"), spec=HealingPolicySpec(**({"mode": Mode.AUTO} | spec)))


def crashed(**changes: Any) -> WorkloadFacts:
    """Revision 3 crash-loops with two restarts, revision 2 serves."""
    return rolling_facts(new_pod(crashing()), **changes)


def seen(facts: WorkloadFacts, **changes: Any) -> Finding:
    """What the detectors see."""
    found = detect(facts, NOON, Settings(), Surroundings()).finding
    assert found is not None
    return replace(found, **changes)


def signal(key: str = "watch/RolloutCrashLoop", **changes: Any) -> Signal:
    """A signal that fires since 20 s."""
    source = SourceKind.WATCH if key.startswith("watch/") else SourceKind.ALERTMANAGER
    defaults: dict[str, Any] = {
        "source": source,
        "state": SignalState.FIRING,
        "cause": Cause.ROLLOUT_CRASH_LOOP if source is SourceKind.WATCH else Cause.ALERT,
        "first_seen_time": ago(20),
        "last_seen_time": NOON,
        "started_time": ago(20),
    }
    return Signal(key=key, **(defaults | changes))


def alert_signal(name: str = "HighErrors", **changes: Any) -> Signal:
    """An alert that fires since 20 s."""
    return signal("alert/00000000000000aa", **({"labels": {"alertname": name}, "alert_start_time": ago(20)} | changes))


def status(*signals: Signal, **changes: Any) -> IncidentStatus:
    """What the Incident says of the crash loop."""
    defaults: dict[str, Any] = {"cause": Cause.ROLLOUT_CRASH_LOOP, "accused_revision": "h3", "signals": signals or (signal(),)}
    return IncidentStatus(**(defaults | changes))


def incident(*signals: Signal, **changes: Any) -> Incident:
    """The Incident of the crash loop."""
    annotations = changes.pop("annotations", {})
    spec = changes.pop("spec", {})
    made = watched(status=status(*signals, **changes), annotations=annotations)
    return made.model_copy(update={"spec": made.spec.model_copy(update=spec)})


def ill(*runbooks: Runbook, **changes: Any) -> World:
    """The world at noon: everything permits what the Runbook wants."""
    facts = changes.pop("facts", None) or crashed()
    defaults: dict[str, Any] = {
        "now": NOON,
        "incident": incident(),
        "target": facts,
        "finding": seen(facts) if "finding" not in changes else None,
        "policy": policy(),
        "namespace": NAMESPACE,
        "runbooks": runbooks or (runbook(),),
        "evaluate": lambda _expression, _variables: True,
    }
    return World(**(defaults | changes))


def planned(world: World, **changes: Any) -> Plan:
    """The plan of the first Runbook."""
    made = plan.make(world, world.incident.status, Fit(runbook=world.runbooks[0]))
    assert isinstance(made, Plan), made
    return replace(made, **changes)


def prepared(made: Plan, **changes: Any) -> Preparation:
    """The API server permits it."""
    return Preparation(plan_hash=made.hash, **({"prepared_time": NOON} | changes))


def permitted(*runbooks: Runbook, **changes: Any) -> World:
    """The ill world, prepared."""
    world = ill(*runbooks, **changes)
    return replace(world, preparation=prepared(planned(world)))


def refused(answer: object) -> Refusal:
    """The refusal that was given."""
    assert isinstance(answer, Refusal), answer
    return answer


def attempt(
    number: int = 1, outcome: Outcome | None = Outcome.INEFFECTIVE, *, ended: float | None = 100, started: float | None = None, **changes: Any
) -> Remediation:
    """An attempt at shop/checkout that ended so many seconds before noon. Without an end it is under way."""
    phase = changes.pop("phase", None)
    spec_changes = {key: changes.pop(key) for key in ("accused_revision", "target_ref", "mode", "plan_hash", "incident_ref") if key in changes}
    meta = {key: changes.pop(key) for key in ("namespace", "uid", "creation_timestamp", "name") if key in changes}
    spec: dict[str, Any] = {
        "incident_ref": IncidentRef(name="checkout-7f3kq", uid="uid-checkout-7f3kq"),
        "target_ref": TARGET,
        "runbook_ref": RunbookRef(namespace="prunella-system", name="roll-back"),
        "attempt": number,
        "accused_revision": "h3",
        "mode": Mode.AUTO,
        "requested_by": "prunella",
        "plan_hash": "a41c9e",
    }
    defaults: dict[str, Any] = {
        "phase": phase or (RemediationPhase.FAILED if ended is not None else RemediationPhase.VERIFYING),
        "outcome": outcome if ended is not None else None,
        "started_time": ago((ended or 0) + 20 if started is None else started),
        "ended_time": ago(ended) if ended is not None else None,
    }
    name = meta.pop("name", f"checkout-7f3kq-{number}")
    return Remediation(
        metadata=metadata(name, **({"creation_timestamp": ago((ended or 0) + 21)} | meta)),
        spec=RemediationSpec(**(spec | spec_changes)),
        status=RemediationStatus(**(defaults | changes)),
    )


def condition(type_: str, value: ConditionStatus, reason: str, *, since: datetime = NOON, message: str = "") -> Condition:
    """A condition."""
    return Condition(type=type_, status=value, reason=reason, last_transition_time=since, message=message)


__all__ = ["NOON", "WORKLOAD_UID", "ago"]
