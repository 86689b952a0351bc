"""What opened an Incident, and what people do to it: the half that the operator only reads once it is created."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from .base import Instant, Name, Rule, Sentence, WireModel, items
from .common import Labels, ObjectRef
from .names import Cause, Impact, SourceKind, Urgency


class OpeningSignal(WireModel):
    """The signal that opened the Incident, as it was seen then. It stands in spec because the API server drops status on create."""

    key: Annotated[str, Field(min_length=1, max_length=512)]
    """Identity of the signal: 'watch/<cause>' or 'alert/<fingerprint>'."""
    started_time: Instant
    """When the fault began, by the best knowledge of the source."""
    lower_bound: bool = False
    """Whether the fault may have begun earlier than startedTime says."""
    seen_time: Instant | None = None
    """When the operator saw the signal."""
    alert_start_time: Instant | None = None
    """Alertmanager's startsAt, for ordering only: it differs between peers."""
    cause: Cause = Cause.ALERT
    """What the source said was wrong; status.cause refines it."""
    summary: Sentence = ""
    """What was seen, in a sentence."""
    labels: Labels = {}
    """The alert's labels, trimmed."""
    target_note: Annotated[str, Field(max_length=512)] | None = None
    """Why the target is the alert itself, where its labels name no workload."""


class Source(WireModel):
    """Who saw the fault, and the signal that opened the Incident."""

    kind: SourceKind
    """Watch and Alertmanager are written by the operator; a person says Person, or leaves `source` out."""
    signal: OpeningSignal | None = None
    """The signal that opened the Incident, as it was seen then."""


class Reporter(WireModel):
    """A person who reported the fault."""

    name: Name
    """Who reported it."""
    contact: Annotated[str, Field(max_length=253)] | None = None
    """How to reach the reporter, for people to read."""
    time: Instant | None = None
    """When it was reported."""


class Acknowledgement(WireModel):
    """A person has taken the Incident. Stops the escalation of that episode."""

    by: Name
    """Your user name; the API server refuses any other."""
    episode: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    """The episode that is acknowledged; status.episode names the current one."""
    note: Sentence | None = None
    """What others should know, for example what you are trying."""


class Hold(WireModel):
    """A person keeps automation away from the target. Paging goes on."""

    by: Name
    """Your user name; the API server refuses any other."""
    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """Why automation must keep away."""
    until_time: Instant | None = None
    """When the hold ends; absent means until it is removed."""


class Resolution(WireModel):
    """A person says that the fault is over."""

    by: Name
    """Your user name; the API server refuses any other."""
    summary: Annotated[str, Field(min_length=1, max_length=1024)]
    """What was wrong and what mended it."""


class IncidentSpec(WireModel):
    """What opened the Incident, and what people do to it."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.title == oldSelf.title", "title must not change: say what is known now in resolution.summary, or report another Incident"),
        Rule(
            "self.targetRef == oldSelf.targetRef",
            "targetRef must not change: an Incident is about one object; report another Incident for another object",
        ),
        Rule(
            "has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",
            "source must not change: it is how the Incident was opened; leave it as it is",
        ),
    )

    title: Annotated[str, Field(min_length=1, max_length=256)]
    """One line that says what is wrong. Never changes."""
    target_ref: ObjectRef
    """What is hurt: an object of this namespace. Never changes."""
    source: Source | None = None
    """Who saw it; absent means a person. Never changes."""
    impact: Impact | None = None
    """Stated by a person: wins over the computed one."""
    urgency: Urgency | None = None
    """Stated by a person: wins over the computed one."""
    reporters: Annotated[tuple[Reporter, ...], items(50, "name")] = ()
    """People who reported it."""
    acknowledgement: Acknowledgement | None = None
    """Set it to stop the paging: you have it."""
    hold: Hold | None = None
    """Set it to keep automation away."""
    resolution: Resolution | None = None
    """Set it to say that the fault is over."""
