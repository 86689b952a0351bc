"""T13: two Incidents of one target become one. The younger yields, and a person's yields to the operator's own.

The rule this module protects: nobody is told twice about one fault, nothing that a reporter said is lost, and the order is total, so that two can't
merge into each other.
"""

from __future__ import annotations

from datetime import UTC, datetime

from prunella.api.common import NamespacedRef
from prunella.api.incident import Incident, Provenance, Reporter
from prunella.api.names import Cause, ConditionStatus, SourceKind
from prunella.core.draft import Draft
from prunella.core.standing import at_work, unknown
from prunella.core.world import World

from . import overflow
from .opening import reporter
from .sources import ALERT
from .states import State, check_move, over

_EARLIEST = datetime.min.replace(tzinfo=UTC)


def merge(world: World, draft: Draft) -> Draft:
    """End as a duplicate of an older one that is not over, or take in those that yield to this one."""
    if over(draft.status):
        return draft
    me = world.incident
    parents = [one for one in world.duplicates if not over(one.status) and _rank(one) < _rank(me)]
    if parents and not at_work(world.remediations) and unknown(world.remediations) is None:
        return _yield_to(draft, min(parents, key=_rank))
    for other in world.duplicates:
        if _rank(other) > _rank(me) and (not over(other.status) or _merged_into(other, me)):
            draft = _take_in(draft, other)
    return draft


def _yield_to(draft: Draft, parent: Incident) -> Draft:
    check_move(draft.status, State.CANCELLED)
    ref = NamespacedRef(namespace=parent.metadata.namespace, name=parent.metadata.name)
    draft = draft.time("cancelled_time", draft.now).with_status(merged_into=ref, healthy_since_time=None, remediation=f"Joined {ref.name}")
    message = f"the story goes on in Incident {ref.name}, which is about the same target"
    for type_ in ("Acknowledged", "Mitigated", "Resolved", "RemediationAllowed"):
        draft = draft.condition(type_, ConditionStatus.FALSE, "Duplicate", message)
    return draft.note("Cancelled", f"Duplicate: {message}")


def _take_in(draft: Draft, other: Incident) -> Draft:
    person = other.source_kind is SourceKind.PERSON
    by = reporter(other) if person else "prunella"
    message = f"Incident {other.metadata.name} is a duplicate of this one" + (f"; {by} says: {other.spec.title}" if person else "")
    if not any(entry.what == "Joined" and entry.message == message[:1024] for entry in draft.status.timeline):
        draft = draft.note("Joined", message, by=by)
    known = {one.name for one in draft.status.reporters}
    own = other.spec.reporters or (Reporter(name=by),) if person else ()
    said = {one.name: one for one in (*own, *other.status.reporters)}  # its own, and those of its own duplicates
    draft = draft.with_status(reporters=(*draft.status.reporters, *(one for name, one in said.items() if name not in known))[:50])
    draft = _earlier(draft, "started_time", other.status.times.started_time, by)
    draft = _earlier(draft, "detected_time", other.status.times.detected_time, by)
    mine = {signal.key for signal in draft.status.signals}
    for signal in other.status.signals:
        # What does not fit stands on the duplicate: to count it among the others would count it again with every look.
        if signal.key.startswith(ALERT) and signal.key != overflow.KEY and signal.key not in mine and overflow.room(draft.status.signals):
            draft = draft.with_status(signals=overflow.add(draft.status.signals, signal))
    if draft.status.cause is Cause.REPORTED and other.status.cause is Cause.ALERT:
        draft = draft.with_status(cause=Cause.ALERT)
    return draft


def _earlier(draft: Draft, name: str, value: datetime | None, by: str) -> Draft:
    """The one change that a written time may take: the duplicate knew earlier. What it knew of an episode that is over stays where it is."""
    known = getattr(draft.status.times, name)
    recovered = next((one.resolved_time for one in draft.status.episodes[-2:-1]), None)
    if value is None or (known is not None and known <= value) or (recovered is not None and value <= recovered):
        return draft
    camel = "startedTime" if name == "started_time" else "detectedTime"
    provenance = tuple(one for one in draft.status.provenance if one.name != camel)
    source = "Signal" if by == "prunella" else "Human"
    return draft.with_status(
        times=draft.status.times.model_copy(update={name: value}), provenance=(*provenance, Provenance(name=camel, source=source, by=by))
    )


def _merged_into(other: Incident, me: Incident) -> bool:
    ref = other.status.merged_into
    return ref is not None and ref.name == me.metadata.name and (ref.namespace or other.metadata.namespace) == me.metadata.namespace


def _rank(incident: Incident) -> tuple[bool, datetime, str, str]:
    metadata = incident.metadata
    return (incident.source_kind is SourceKind.PERSON, metadata.creation_timestamp or _EARLIEST, metadata.name, metadata.namespace or "")
