"""EscalationPolicy: who is told, when, and what happens when nobody answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from .base import OneOf, Seconds, ShortName, WireModel, items
from .common import Condition, LocalRef, Metadata
from .names import Priority


class NotifyTarget(OneOf):
    """One receiver of HealingPolicy `spec.receivers`: exactly one of contactRef and channelRef."""

    one_of = ("contact_ref", "channel_ref")
    one_of_hint = "a second receiver is a second entry"

    contact_ref: LocalRef | None = None
    """A person, by the name of a receiver."""
    channel_ref: LocalRef | None = None
    """A channel, by the name of a receiver."""

    @property
    def receiver(self) -> str:
        """Name of the receiver that is meant."""
        chosen = self.contact_ref or self.channel_ref
        return chosen.name if chosen else ""


class StepCondition(WireModel):
    """When a step applies; absent means always."""

    priorities: Annotated[tuple[Priority, ...], items(4, minimum=1)]
    """Only for Incidents of these priorities."""


class EscalationStep(WireModel):
    """One rung of the ladder."""

    name: ShortName
    """Unique in the policy."""
    after_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """Seconds since the previous step started (since the trigger for the first). Default: 0 for the first step, 300 for the others."""
    when: StepCondition | None = None
    """Other Incidents skip the step without waiting for it."""
    wait_while_remediating_seconds: Annotated[int, Field(ge=0, le=604_800)] | None = None
    """How long the step waits at most while automation is at work. Default: 300, and 0 for P1."""
    notify: Annotated[tuple[NotifyTarget, ...], items(20, minimum=1)]
    """Who is paged, all at once."""

    def is_for(self, priority: Priority) -> bool:
        """Whether Incidents of that priority climb it."""
        return self.when is None or priority in self.when.priorities


class Repeat(WireModel):
    """How often the ladder is climbed again."""

    count: Annotated[int, Field(ge=0, le=20)] = 3
    """Further climbs after the first."""
    interval_seconds: Annotated[int, Field(ge=60, le=604_800)] = 300
    """Between the last step's start and the next loop, and before the catch-all."""


class Notice(WireModel):
    """Messages that page nobody: nothing is undone silently."""

    # On the wire `about`: YAML 1.1, which kubectl reads, takes an unquoted `on` for true.
    on: Annotated[tuple[Literal["AutomaticAction", "Blocked"], ...], items(2, minimum=1), Field(alias="about")]
    """What is told: AutomaticAction (something was changed), Blocked (a guard refused, with the reason)."""
    notify: Annotated[tuple[NotifyTarget, ...], items(20, minimum=1)]
    """Who is told."""


class AckTimeouts(WireModel):
    """Seconds after which an acknowledgement without an end is asked about again, by priority; absent means never."""

    p1: Annotated[Seconds | None, Field(alias="P1")] = 1800
    """Seconds for P1."""
    p2: Annotated[Seconds | None, Field(alias="P2")] = 3600
    """Seconds for P2."""
    p3: Annotated[Seconds | None, Field(alias="P3")] = None
    """Seconds for P3; absent means never."""
    p4: Annotated[Seconds | None, Field(alias="P4")] = None
    """Seconds for P4; absent means never."""


class EscalationPolicySpec(WireModel):
    """The ladder, its repetition, its last resort and its notices."""

    steps: Annotated[tuple[EscalationStep, ...], items(20, "name", minimum=1)]
    """The ladder: who is paged, and after how long the next one."""
    repeat: Repeat = Repeat()
    """How often the ladder is climbed again when nobody acknowledges."""
    catch_all: Annotated[tuple[NotifyTarget, ...], items(20, minimum=1)]
    """Who is told when nobody answered, or nobody could be reached."""
    ack_timeout_seconds: AckTimeouts = AckTimeouts()
    """After so long an acknowledgement without an end is asked about again, by priority."""
    notices: Annotated[tuple[Notice, ...], items(20)] = ()
    """Messages that page nobody: nothing is undone silently."""
    notify_on_resolve: bool = True
    """Everyone who was paged is told when it is over."""
    repage_on_raise: bool = True
    """A priority that is raised after somebody took it pages the steps that are only for the higher one."""


class EscalationPolicyStatus(WireModel):
    """Whether the policy can be used."""

    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    """metadata.generation that this status was made from."""
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()
    """Ready says whether everybody the policy names can be told; if not, the message says what to change."""


class EscalationPolicy(WireModel):
    """Who is told about an Incident, when, and what happens when nobody answers."""

    metadata: Metadata
    spec: EscalationPolicySpec
    status: EscalationPolicyStatus = EscalationPolicyStatus()
