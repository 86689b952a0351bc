"""T2: an Incident begins. Its first times, conditions, episode, and the sentence that opens the story.

The rule this module protects: the first times say who knew them, lie in order, and do not depend on when the operator came to look.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Episode, Incident
from prunella.api.names import Cause, ConditionStatus, SourceKind
from prunella.core.draft import Draft
from prunella.core.subject import short
from prunella.core.world import World

from .sources import opening_summary
from .states import State, check_move

SKEW_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class _First:
    started: datetime
    detected: datetime
    received: datetime
    triggered: datetime
    source: str
    by: str | None
    lower_bound: bool
    skewed: bool


def begin(world: World, draft: Draft) -> Draft:
    """Start the story once. An Incident that has begun is left alone."""
    if draft.status.times.triggered_time is not None:
        return draft
    check_move(draft.status, State.TRIGGERED)
    incident = world.incident
    opening = incident.spec.source.signal if incident.spec.source else None
    ref = incident.spec.target_ref
    draft = draft.with_status(
        cause=opening.cause if opening else Cause.REPORTED,
        summary=(opening_summary(opening) if opening and opening.summary else incident.spec.title),
        target=short(ref.kind, ref.name),
        reporters=incident.spec.reporters,
    )
    draft = _times(draft, _first(incident, draft.now))
    draft = draft.condition("Acknowledged", ConditionStatus.FALSE, "NotYet", "nobody has taken it yet")
    draft = draft.condition("Mitigated", ConditionStatus.FALSE, "NotYet", "nothing has stopped it from hurting yet")
    draft = draft.condition("Resolved", ConditionStatus.FALSE, "NotYet", "it is not over yet")
    by = "prunella" if incident.source_kind is not SourceKind.PERSON else reporter(incident)
    return draft.note("Opened", _said(incident, draft.status.summary or incident.spec.title), by=by)


def _said(incident: Incident, summary: str) -> str:
    """What is wrong, and where an alert names no workload, why it stands for itself."""
    signal = incident.spec.source.signal if incident.spec.source is not None else None
    note = signal.target_note if signal is not None else None
    return f"{summary} ({note})" if note else summary


def reporter(incident: Incident) -> str:
    """Who reported it, as far as the report says."""
    return incident.spec.reporters[0].name if incident.spec.reporters else "a person"


def _first(incident: Incident, now: datetime) -> _First:
    # The API server's clock may be ahead of ours, and what is dated in the future would page nobody until then.
    created = min(incident.metadata.creation_timestamp or now, now)
    opening = incident.spec.source.signal if incident.spec.source else None
    if opening is None:
        return _First(
            started=created,
            detected=created,
            received=created,
            triggered=created,
            source="Human",
            by=reporter(incident),
            lower_bound=True,
            skewed=False,
        )
    seen = opening.seen_time or created
    triggered = max(created, seen)  # creationTimestamp has whole seconds only
    detected = min(opening.alert_start_time or seen, triggered)
    return _First(
        started=min(opening.started_time, detected),
        detected=detected,
        received=seen,
        triggered=triggered,
        source="Signal",
        by=None,
        lower_bound=opening.lower_bound,
        skewed=opening.started_time > triggered + timedelta(seconds=SKEW_SECONDS),
    )


def _times(draft: Draft, first: _First) -> Draft:
    draft = draft.time("started_time", first.started, first.source, by=first.by, lower_bound=first.lower_bound)
    draft = draft.time("detected_time", first.detected, first.source, by=first.by)
    draft = draft.time("received_time", first.received)
    draft = draft.time("triggered_time", first.triggered)
    episode = Episode(number=1, started_time=first.started, triggered_time=first.triggered, reason="Opened")
    draft = draft.with_status(episode=1, episodes=(episode,))
    if first.skewed:
        text = "the source says that the fault began in the future: when it was seen counts instead"
        draft = draft.condition("ClockSkew", ConditionStatus.TRUE, "ClockSkew", text)
    return draft
