"""The story of an Incident for a tired person: what was seen, decided, done, proved and told, in order, each with its why.

Pure text of what stands on the resources. The rule it protects: what was decided, done or not done has its reason on the object, and nothing else
is needed to read it: no log, no second source. An Incident that came back is told episode by episode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Final

from prunella.api.common import Condition
from prunella.api.incident import Decision, Durations, Incident, Message
from prunella.api.names import ConditionStatus, MessageKind, MessageState, Mode, Phase, Verdict
from prunella.api.remediation import Remediation

from . import opening_rows
from .attempt_rows import attempt
from .commands import explain_name
from .considered import BY_FLAG, Left, considered
from .episodes_told import Chapter, Part, chapters, in_order
from .incident.times import current, spans, times_of
from .lines import Row, Tale, clock, span
from .subject import short

RENDERED: Final = frozenset(
    {
        "Opened",
        "Joined",
        "PriorityAssessed",
        "RemediationStarted",
        "RemediationSuggested",
        "Approved",
        "ApprovalExpired",
        "RemediationBlocked",
        "RemediationFailed",
        "RemediationCancelled",
        "RemediationUnknown",
        "RolledBack",
        "Restarted",
        "Verified",
        "Mitigated",
        "Resolved",
        "Reopened",
        "Acknowledged",
        "Cancelled",
    }
)
"""Entries of the timeline that other rows tell better; the rest is told as it stands."""
BASIC: Final = frozenset({"Acknowledged", "Mitigated", "Resolved", "RemediationAllowed"})
"""Conditions that are always there; any other is set only while it is true, and is told."""


def story(incident: Incident, remediations: Sequence[Remediation], now: datetime, *, guards: bool = False, others: str = BY_FLAG) -> Tale:
    """All that is known of one Incident. `remediations` are its own, oldest first; `guards` shows each verdict, and each Runbook that was left.

    `others` is said of those that are for other causes, where these are not shown.
    """
    told = (row for chapter in chapters(incident) for row in _chapter(incident, remediations, chapter, now, guards=guards, others=others))
    return Tale(head=_head(incident, now), rows=(*told, *_next(incident, now), *_took(incident)))


def _chapter(incident: Incident, remediations: Sequence[Remediation], chapter: Chapter, now: datetime, *, guards: bool, others: str) -> Iterator[Row]:
    """One episode, in the order of time."""
    own = [one for one in remediations if chapter.has(_began(one))]
    yield from opening_rows.reopened(incident, chapter) if chapter.begins is not None else opening_rows.seen(incident)
    yield from opening_rows.evidence(incident, chapter)
    yield from opening_rows.changed(incident, chapter)
    yield from opening_rows.linked(incident) if chapter.last else ()
    yield from opening_rows.joined(incident, chapter)
    yield from opening_rows.assessed(incident, chapter)
    parts = (
        *(Part(time=row.time, rows=(row,)) for row in (_considered(incident, own, now, every=guards, others=others) if chapter.last else ())),
        *(Part(time=_began(one), rows=tuple(attempt(one, guards=guards))) for one in own),
        *(Part(rows=(row,)) for row in (_held(incident) if chapter.last else ())),
        *_ended(incident, chapter),
    )
    loose = (*_taken(incident, chapter), *_then(incident, chapter), *(_besides(incident) if chapter.last else ()))
    yield from in_order(parts, loose)
    yield from _told(incident, chapter)
    if not chapter.last and chapter.episode is not None:
        yield from _durations(spans(times_of(chapter.episode)))


def _began(one: Remediation) -> datetime | None:
    return one.status.started_time or one.status.ended_time or one.metadata.creation_timestamp


def _head(incident: Incident, now: datetime) -> str:
    status = incident.status
    began = opening_rows.first_start(incident) or incident.metadata.creation_timestamp or now
    ref = incident.spec.target_ref
    target = status.target or short(ref.kind, ref.name)
    parts = (incident.metadata.name, status.priority or "-", status.phase or "not looked at yet", target)
    ago = span((now - began).total_seconds())
    episode = f", episode {status.episode}" if status.episode > 1 else ""
    return f"{'   '.join(str(part) for part in parts)}   (times in UTC, began {began.astimezone(UTC):%Y-%m-%d}, {ago} ago{episode})"


def _considered(incident: Incident, remediations: Sequence[Remediation], now: datetime, *, every: bool, others: str) -> Iterator[Row]:
    status = incident.status
    modes = {one.spec.runbook_ref.name: one.spec.mode for one in remediations}
    last = max((one.status.started_time for one in remediations if one.status.started_time is not None), default=None)
    yield from _waited(incident, remediations)
    chosen = [one for one in status.decisions if one.verdict is not Verdict.NOT_CHOSEN]
    yield from (_decision(one, modes.get(one.about), last, now) for one in chosen)
    allowed = _condition(incident, "RemediationAllowed")
    if not chosen and allowed is not None and allowed.status is ConditionStatus.FALSE and status.merged_into is None:
        said = [entry.time for entry in status.timeline if entry.what == "RemediationBlocked" and entry.message.startswith(f"{allowed.reason}:")]
        yield Row(label="not done", time=said[-1] if said else None, what=f"nothing: {allowed.reason}", why=allowed.message)
    left = (one for one in status.decisions if one.verdict is Verdict.NOT_CHOSEN)
    yield from considered((Left(runbook=one.about, reason=one.reason, message=one.message) for one in left), every=every, others=others)


def _waited(incident: Incident, remediations: Sequence[Remediation]) -> Iterator[Row]:
    """How long the fault had to hold until the attempt was due that carried the plan out."""
    plan = incident.status.plan
    if plan is None or plan.due_time is None:
        return
    since = plan.since_time or current(incident.status).triggered_time
    acted = [one.status.started_time for one in remediations if one.spec.plan_hash == plan.hash and one.status.started_time is not None]
    if since is not None and any(since < plan.due_time <= one for one in acted):
        waited = span((plan.due_time - since).total_seconds())
        yield Row(label="waited", time=plan.due_time, what=f"{waited} until the action was due", why="one failure is not a verdict")


def _decision(one: Decision, mode: Mode | None, acted: datetime | None, now: datetime) -> Row:
    match one.verdict:
        case Verdict.WAITING if acted is not None and acted >= one.time:
            return Row(label="waited", time=one.time, what=f"{one.about}: {span((acted - one.time).total_seconds())}", why=one.message)
        case Verdict.CHOSEN:
            return Row(label="decided", time=one.time, what=f"{one.about}{f' ({mode})' if mode else ''}: {one.reason}", why=one.message)
        case Verdict.WAITING:
            return Row(label="waits", time=one.time, what=f"{one.about}: {one.reason}, for {span((now - one.time).total_seconds())}", why=one.message)
        case _:
            return Row(label="not done", time=one.time, what=f"{one.about}: {one.reason}", why=one.message)


def _taken(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    acknowledged = _condition(incident, "Acknowledged")
    if chapter.last and acknowledged is not None and acknowledged.status is ConditionStatus.TRUE:
        time = current(incident.status).acknowledged_time or acknowledged.last_transition_time
        yield Row(label="taken", time=time, what=acknowledged.message or acknowledged.reason, why=acknowledged.reason)
        return
    for entry in chapter.entries(incident, "Acknowledged"):
        yield Row(label="taken", time=entry.time, what=entry.message, why=f"by {entry.by}")


def _held(incident: Incident) -> Iterator[Row]:
    hold = incident.spec.hold
    if hold is not None:
        until = f" until {clock(hold.until_time)}" if hold.until_time else ""
        yield Row(label="held", what=f"{hold.by} keeps automation away{until}", why=hold.reason)


def _then(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    """What else stands in the timeline. A sentence that was told before, or stands beside it, is not told again."""
    standing = {one.message for one in incident.status.conditions if one.type == "NoResponder"}
    told: set[str] = set()
    for entry in incident.status.timeline:
        again, known = entry.message in told, entry.message in standing
        told.add(entry.message)
        if entry.what in RENDERED or not chapter.has(entry.time) or (known and chapter.last):
            continue
        message = "as before" if again else entry.message
        yield Row(label="then", time=entry.time, what=f"{entry.what}: {message}", why="" if entry.by == "prunella" else f"by {entry.by}")


def _besides(incident: Incident) -> Iterator[Row]:
    for one in incident.status.conditions:
        if one.type not in BASIC and one.status is not ConditionStatus.FALSE:
            yield Row(label="mind", time=one.last_transition_time, what=one.type, why=one.message)


def _ended(incident: Incident, chapter: Chapter) -> Iterator[Part]:
    if not chapter.last:
        said = chapter.entries(incident, "Resolved")
        since = chapter.episode.resolved_time if chapter.episode else None
        row = Row(label="healthy", time=since, what="Resolved counts from here", why=said[-1].message if said else "")
        yield Part(time=chapter.episode.resolution_confirmed_time if chapter.episode else None, rows=(row,))
        return
    times, resolved = current(incident.status), _condition(incident, "Resolved")
    if times.resolved_time is not None:
        row = Row(label="healthy", time=times.resolved_time, what="Resolved counts from here", why=resolved.message if resolved else "")
        yield Part(time=times.resolution_confirmed_time, rows=(row,))
    elif resolved is not None and incident.status.healthy_since_time is not None:
        yield Part(rows=(Row(label="healthy", time=incident.status.healthy_since_time, what="not over yet", why=resolved.message),))
    if times.cancelled_time is not None:
        merged = incident.status.merged_into
        what = f"a duplicate: the story goes on in Incident {merged.name}" if merged else "not a fault of its own"
        why = explain_name(merged.name, merged.namespace or incident.metadata.namespace) if merged else incident.status.summary or ""
        yield Part(time=times.cancelled_time, rows=(Row(label="cancelled", time=times.cancelled_time, what=what, why=why),))


def _told(incident: Incident, chapter: Chapter) -> Iterator[Row]:
    own = [one for one in incident.status.escalation.messages if chapter.numbered(one.key.partition("/")[0])]
    yield from map(_message, sorted(own, key=lambda one: one.sent_time or one.created_time))
    if not any(one.kind is MessageKind.PAGE for one in own):
        acknowledged = _condition(incident, "Acknowledged") if chapter.last and incident.status.merged_into is None else None
        open_ = chapter.last and incident.status.phase in {Phase.TRIGGERED, Phase.ACKNOWLEDGED, Phase.MITIGATED}
        nobody = "nobody was paged" + (" so far" if open_ else "")
        yield Row(label="told", what=nobody, why=acknowledged.message if acknowledged and not open_ else "")


_KINDS: Final = {
    MessageKind.PAGE: "page",
    MessageKind.NOTICE: "notice",
    MessageKind.STAND_DOWN: "stand-down",
    MessageKind.ACKNOWLEDGEMENT: "who has it",
}


def _message(one: Message) -> Row:
    kind = _KINDS[one.kind]
    step = f", step {one.step}" if one.step and one.kind is MessageKind.PAGE else ""
    by = f" by {one.method}" if one.method else ""
    if one.state is MessageState.FAILED:
        why = f"{one.error or 'no way worked'} ({one.attempts} tries)"
        return Row(label="not told", time=one.created_time, what=f"{one.receiver} ({kind}{step}): {one.text}", why=why)
    label = "tells" if one.state is MessageState.PENDING else "told"
    why = f"tried {one.attempts} times: {one.error}" if one.error else ""
    return Row(label=label, time=one.sent_time or one.created_time, what=f'{one.receiver} ({kind}{step}{by}): "{one.text}"', why=why)


def _next(incident: Incident, now: datetime) -> Iterator[Row]:
    status = incident.status
    page = status.escalation.next_action_time
    if page is not None and page > now:
        yield Row(
            label="next", time=page, what=f"somebody is paged, step {status.escalation.step + 1}", why="unless it heals, or somebody acknowledges"
        )
    due = status.plan.due_time if status.plan else None
    if status.plan is not None and due is not None and due > now:
        yield Row(label="next", time=due, what=status.plan.summary, why="if it still holds, and every guard agrees")
    if status.retry_after_time is not None and status.retry_after_time > now:
        yield Row(label="next", time=status.retry_after_time, what="automation looks again")
    if status.watch_until_time is not None and status.watch_until_time > now:
        yield Row(label="next", time=status.watch_until_time, what="the watch ends", why="until then a relapse reopens this Incident")


def _took(incident: Incident) -> Iterator[Row]:
    if incident.status.episode == 1:
        yield from _durations(incident.status.durations)
        return
    yield from _durations(spans(current(incident.status)))
    total = incident.status.durations.resolve_seconds
    if total is not None:
        yield Row(label="hurt", what=f"{span(total)} in all", why=f"{incident.status.episode} episodes, without the healthy time between them")


def _durations(taken: Durations) -> Iterator[Row]:
    named = (
        ("detect", taken.detect_seconds),
        ("notify", taken.notify_seconds),
        ("act", taken.start_remediation_seconds),
        ("acknowledge", taken.acknowledge_seconds),
        ("mitigate", taken.mitigate_seconds),
        ("resolve", taken.resolve_seconds),
    )
    known = [f"{name} {span(seconds)}" for name, seconds in named if seconds is not None]
    if known:
        yield Row(label="took", what=", ".join(known))


def _condition(incident: Incident, type_: str) -> Condition | None:
    return next((one for one in incident.status.conditions if one.type == type_), None)
