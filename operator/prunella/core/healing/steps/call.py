"""call: one HTTP request to a service that the platform team configured. At most once, and without an answer a person is told.

The rule this module protects: where it goes stands in a receiver and its Secret, never in a Runbook; what is sent is data, filled in once.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import Name, WireModel, entries
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.outside import Call
from prunella.core.healing.notation.sentences import filled

from .step import ANY, Done, Failed, LiveFacts, Next, StepKind, nothing

Parameters = Annotated[dict[str, Annotated[str, Field(max_length=512)]], entries(16)]


class CallReceiver(WireModel):
    """Post JSON to a receiver's webhook, once. An answer of 2xx is success; where none comes, the run is Unknown and a person is paged."""

    receiver: Name
    """One of the HealingPolicy's receivers, with a webhook. Its Secret has the address, and the key that signs the request."""
    parameters: Parameters = {}  # noqa: RUF012 - a model copies its defaults
    """What is sent besides Incident and target. ${target.name}, ${steps.ask.outputs.value} and the like are filled in."""


def plan(params: CallReceiver, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """Once."""
    subject, incident = live.subject, live.incident
    if done:
        return Done(message=f"{params.receiver} answered")
    if incident is None:
        return Failed(message="which Incident it is for is not known yet")
    body: dict[str, object] = {
        "incident": {"namespace": incident.metadata.namespace or "", "name": incident.metadata.name, "uid": incident.metadata.uid},
        "target": {"kind": subject.kind, "namespace": subject.namespace, "name": subject.name, "uid": subject.uid},
        "parameters": {name: filled(text, live.variables) for name, text in params.parameters.items()},
    }
    return Call(target=subject.ref, receiver=params.receiver, body=body, does=f"receiver {params.receiver} is called about {subject.short}")


def texts(params: CallReceiver) -> tuple[tuple[str, str], ...]:
    """Each parameter."""
    return tuple((f"parameters.{name}", text) for name, text in params.parameters.items())


def receivers(params: CallReceiver) -> tuple[str, ...]:
    """Whom it calls."""
    return (params.receiver,)


KIND: Final = StepKind(
    name="call",
    params=CallReceiver,
    impact=StepImpact.DISRUPTIVE,
    kinds=ANY,
    rights=(),
    needs=nothing,
    plan=plan,
    texts=texts,
    receivers=receivers,
    fixed=frozenset({"receiver"}),
    outputs={"status": "The status of the answer, as text."},
)
