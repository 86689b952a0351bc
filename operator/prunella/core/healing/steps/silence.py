"""silence: the Incident's alerts are quiet in Alertmanager for a while that ends by itself.

The rules this module protects: a silence covers the alerts of this Incident by all of their labels, and never another namespace's or Watchdog; it
always ends; and it proves nothing, so a check that alerts are cleared does not count it.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel, micro_time
from prunella.api.incident import Signal
from prunella.api.names import SignalState, SourceKind, StepImpact, StepState
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.effect import Json
from prunella.core.healing.effects.outside import EndSilence, Silence

from .step import ANY, Done, Failed, LiveFacts, Next, Skip, StepKind, nothing

ALERT: Final = "alert"
WATCHDOG: Final = "Watchdog"


class SilenceAlerts(WireModel):
    """Silence the Incident's alerts in Alertmanager, each by all of its labels, for a while that ends by itself."""

    ttl_seconds: Annotated[int, Field(ge=60, le=14_400)]
    """How long; at most four hours."""
    most: Annotated[int, Field(ge=1, le=20)] = 10
    """So many alerts at most; where more fire, the step fails and silences none."""
    reason: Annotated[str, Field(min_length=1, max_length=256)]
    """Why, for whoever finds the silence."""


def plan(params: SilenceAlerts, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One silence for each alert, one after the other."""
    silenced = {one.intent.before.get(ALERT) for one in done if one.intent is not None and one.state is StepState.APPLIED}
    incident, subject = live.incident, live.subject
    if incident is None:
        return Failed(message="which alerts the Incident has is not known yet")
    firing = [one for one in incident.status.signals if _may_be_silenced(one, subject.namespace)]
    if len(firing) > params.most:
        return Failed(message=f"{len(firing)} alerts of {subject.short} fire, and at most {params.most} may be silenced")
    left = [one for one in firing if one.key not in silenced]
    if not left:
        return (
            Done(message=f"{len(silenced)} alerts are silenced")
            if silenced
            else Failed(message="no alert of the Incident fires: there is none to silence")
        )
    signal, until = left[0], live.now + timedelta(seconds=params.ttl_seconds)
    name = signal.labels.get("alertname", "")
    return Silence(
        target=subject.ref,
        labels=dict(signal.labels),
        start_time=live.now,
        end_time=until,
        comment=f"Incident {incident.metadata.namespace}/{incident.metadata.name}: {params.reason}",
        does=f"alert {name} of {subject.short} is silenced until {micro_time(until)}",
        before={ALERT: signal.key, "alertname": name, "endTime": micro_time(until)},
    )


def _may_be_silenced(signal: Signal, namespace: str) -> bool:
    """Whether it fires, and its labels say that it is of this namespace: else the silence could reach further."""
    fires = signal.source is SourceKind.ALERTMANAGER and signal.state is SignalState.FIRING
    return fires and signal.labels.get("namespace") == namespace and signal.labels.get("alertname", WATCHDOG) != WATCHDOG


def undo(params: SilenceAlerts, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The end of that silence. Where it has ended already, nothing changes."""
    if record.intent is None:
        return Skip(message="its record does not say what was silenced")
    name = record.intent.before.get("alertname", "")
    return EndSilence(target=record.intent.target_ref, silenced_by=record.intent.id, does=f"the silence of alert {name} ends")


KIND: Final = StepKind(
    name="silence",
    params=SilenceAlerts,
    impact=StepImpact.LOW,
    kinds=ANY,
    rights=(),
    needs=nothing,
    plan=plan,
    undo=undo,
    lasting="it ends by fields of its own; leave it out",
)
