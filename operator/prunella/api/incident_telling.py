"""The part of an Incident's status that says who was told: paging, and the outbox of its messages."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Instant, Name, Sentence, WireModel, items
from .common import NamespacedRef
from .escalation_policy import EscalationPolicySpec
from .incident_facts import Count
from .names import EscalationState, MessageKind, MessageState, Priority


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
    """Why it could not be delivered; on a delivered one, why the ways before `method` failed."""


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
    raised_from: Priority | None = None
    """The priority at which somebody had it when it was raised: this run climbs only the steps that the raise added."""
    loop: Annotated[int, Field(ge=0, le=1000)] = 0
    """How often the ladder was climbed again in this run."""
    step: Annotated[int, Field(ge=0, le=1000)] = 0
    """Index of the next step that is due."""
    step_started_time: Instant | None = None
    """When the previous step started (triggeredTime before the first)."""
    next_action_time: Instant | None = None
    """When the next step is due; absent when nobody else is going to be told."""
    messages: Annotated[tuple[Message, ...], items(64)] = ()
    """Pages, notices and stand-downs, with what became of them."""
