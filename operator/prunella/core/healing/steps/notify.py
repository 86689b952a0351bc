"""notify: a message to a receiver, or to those whom the Incident's owner wants told. It wakes nobody and changes nothing."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import Name, WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.notation.sentences import filled

from .step import ANY, Done, LiveFacts, Next, StepKind, Tell, nothing


class Notify(WireModel):
    """Send a message that wakes nobody, to a named receiver or to the Incident's owner. At least once; a repeat bears the same key."""

    receiver: Name | None = None
    """One of the HealingPolicy's receivers. Default: those that the owner's EscalationPolicy names for notices, else for its first step."""
    message: Annotated[str, Field(min_length=1, max_length=512)]
    """What is said. ${target.name}, ${incident.cause}, ${steps.ask.outputs.value} and the like are filled in."""


def plan(params: Notify, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """Once."""
    if done:
        return Done(message="it was told")
    return Tell(receiver=params.receiver or "", message=filled(params.message, live.variables))


def texts(params: Notify) -> tuple[tuple[str, str], ...]:
    """Its one text."""
    return (("message", params.message),)


def receivers(params: Notify) -> tuple[str, ...]:
    """Whom it names."""
    return (params.receiver,) if params.receiver is not None else ()


KIND: Final = StepKind(
    name="notify",
    params=Notify,
    impact=StepImpact.NOTIFY,
    kinds=ANY,
    rights=(),
    needs=nothing,
    plan=plan,
    texts=texts,
    receivers=receivers,
    fixed=frozenset({"receiver"}),
)
