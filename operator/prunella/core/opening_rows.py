"""How an episode began, told in rows: what was seen and kept, what joined, how important it is, and whose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from prunella.api.incident import Incident, Signal
from prunella.api.names import SourceKind

from .commands import explain_name
from .episodes_told import Chapter
from .lines import Row, clock

QUOTED: Final = 160
NAMED: Final = 3
"""So many children stand there by name."""


def first_start(incident: Incident) -> datetime | None:
    """When the first episode began."""
    return incident.status.times.started_time


def seen(incident: Incident) -> Iterator[Row]:
    """What opened the Incident, who saw it, and since when it hurts."""
    status = incident.status
    opening = incident.spec.source.signal if incident.spec.source else None
    time = status.times.received_time or (opening.seen_time if opening else None) or incident.metadata.creation_timestamp
    what = (opening.summary if opening and opening.summary else "") or incident.spec.title
    by = {SourceKind.WATCH: "by watching", SourceKind.ALERTMANAGER: "by an alert", SourceKind.PERSON: "reported by a person"}[incident.source_kind]
    began = first_start(incident)
    bound = any(one.name == "startedTime" and one.lower_bound for one in status.provenance)
    yield Row(label="seen", time=time, what=what, why=f"{by}; it began {clock(began)}{' or before' if bound else ''}" if began else by)


def reopened(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    """What opened a later episode."""
    said = chapter.entries(incident, "Reopened")
    if chapter.episode is not None:
        what = said[0].message if said else f"episode {chapter.episode.number}: it came back"
        yield Row(label="reopened", time=chapter.begins, what=what, why=f"it began {clock(chapter.episode.started_time)}")


def evidence(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    """What was kept, because it is gone later."""
    for one in incident.status.evidence:
        if not chapter.has(one.captured_time):
            continue
        words = one.text.strip().splitlines()
        where = f"{one.pod} " if one.pod else ""
        telling = [word for word in words if word.startswith("Warning")] or words
        last = f'"{telling[-1][:QUOTED]}"' if telling else "empty"
        yield Row(label="kept", time=one.captured_time, what=f"{where}{one.name}: {last}", why="all of it: status.evidence" if len(words) > 1 else "")


def changed(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    """What changed before the current episode; the suspect says why."""
    for one in incident.status.changes if chapter.last else ():
        where = f" in {one.namespace}" if one.namespace not in {None, incident.target_namespace} else ""
        suspect = "SUSPECT: " if one.suspected else ""
        yield Row(label="changed", time=one.time, what=f"{suspect}{one.target}{where}: {one.message}", why=one.suspected or "")


def linked(incident: Incident) -> Iterator[Row]:
    """What it fails for, and what fails for it."""
    status = incident.status
    if status.parent_ref is not None:
        ref = status.parent_ref
        yield Row(label="caused by", what=f"Incident {ref.namespace}/{ref.name}", why=explain_name(ref.name, ref.namespace))
    if status.child_count:
        names = ", ".join(f"{one.namespace}/{one.name}" for one in status.children[:NAMED])
        more = f" and {status.child_count - NAMED} more" if status.child_count > NAMED else ""
        yield Row(label="causes", what=f"{status.child_count} Incidents: {names}{more}", why="not treated, and paging nobody, while this one is open")


def joined(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    """What the signals say now: each in the episode in which it was last seen to begin."""
    status = incident.status
    opening = incident.spec.source.signal if incident.spec.source else None
    for signal in status.signals:
        if not chapter.has(signal.first_seen_time):
            continue
        if opening is None or signal.key != opening.key:
            yield _other(signal, status.target or "the target")
        elif signal.count > 1:
            what = f"seen {signal.count} times, last {clock(signal.last_seen_time)}"
            yield Row(label="joined", what=what, why="one fault, one Incident")


def _other(signal: Signal, target: str) -> Row:
    times = f", {signal.count} times" if signal.count > 1 else ""
    name = signal.labels.get("alertname")
    what = f"alert {name}: {signal.summary}" if name else signal.summary or signal.key
    return Row(
        label="joined", time=signal.first_seen_time, what=f"{what}{times} ({signal.state})", why=f"not opened twice: {target} has an open Incident"
    )


def assessed(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    """Priority and owner as they are now; of an episode that is over, the priority that it had."""
    status = incident.status
    if not chapter.last:
        for entry in chapter.entries(incident, "PriorityAssessed")[-1:]:
            what, _, why = entry.message.partition(": ")
            yield Row(label="rated", time=entry.time, what=what, why=why)
        return
    if status.priority:
        yield Row(label="rated", what=str(status.priority), why=status.priority_reason or "")
    owner = status.owner
    if owner is not None:
        policy = owner.escalation_policy_ref
        name = f", escalation policy {'/'.join(filter(None, (policy.namespace, policy.name)))}" if policy else ", no escalation policy"
        yield Row(label="belongs to", what=f"{owner.team or 'nobody known'}{name}", why=owner.resolved_by)
