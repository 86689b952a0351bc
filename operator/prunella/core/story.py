"""The story of an Incident for a tired person: what was seen, decided, done, proved and told, in order, each with its why.

Pure text of what stands on the resources. The rule it protects: what was decided, done or not done has its reason on the object, and nothing else
is needed to read it: no log, no second source.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from prunella.api.common import Condition
from prunella.api.incident import Decision, Incident, Message, Signal
from prunella.api.names import ConditionStatus, MessageKind, MessageState, Mode, Outcome, Phase, RemediationPhase, SourceKind, StepState, Verdict
from prunella.api.remediation import Remediation, StepStatus

from .facts import SHORT_KIND
from .lines import Row, Tale, clock, span

RENDERED: Final = frozenset(
    {
        "Opened",
        "Joined",
        "PriorityAssessed",
        "RemediationStarted",
        "RemediationSuggested",
        "RemediationBlocked",
        "RemediationFailed",
        "RemediationCancelled",
        "RemediationUnknown",
        "RolledBack",
        "Restarted",
        "Verified",
        "Mitigated",
        "Resolved",
        "Acknowledged",
        "Cancelled",
    }
)
"""Entries of the timeline that other rows tell better; the rest is told as it stands."""
BASIC: Final = frozenset({"Acknowledged", "Mitigated", "Resolved", "RemediationAllowed"})
"""Conditions that are always there; any other is set only while it is true, and is told."""
QUOTED: Final = 160


def story(incident: Incident, remediations: Sequence[Remediation], now: datetime, *, guards: bool = False) -> Tale:
    """All that is known of one Incident. `remediations` are its own, oldest first; `guards` shows each verdict."""
    rows = (
        *_seen(incident),
        *_assessed(incident),
        *_considered(incident, remediations, now),
        *(row for one in remediations for row in _attempt(one, guards=guards)),
        *_people(incident),
        *_besides(incident),
        *_ended(incident),
        *_told(incident),
        *_next(incident, now),
        *_took(incident),
    )
    return Tale(head=_head(incident, now), rows=rows)


def _head(incident: Incident, now: datetime) -> str:
    status = incident.status
    began = status.times.started_time or incident.metadata.creation_timestamp or now
    ref = incident.spec.target_ref
    target = status.target or f"{SHORT_KIND.get(ref.kind, ref.kind.lower())}/{ref.name}"
    parts = (incident.metadata.name, status.priority or "-", status.phase or "not looked at yet", target)
    ago = span((now - began).total_seconds())
    return f"{'   '.join(str(part) for part in parts)}   (times in UTC, began {began.astimezone(UTC):%Y-%m-%d}, {ago} ago)"


def _seen(incident: Incident) -> Iterator[Row]:
    status = incident.status
    opening = incident.spec.source.signal if incident.spec.source else None
    first = next((one for one in status.signals if opening is not None and one.key == opening.key), None)
    time = status.times.received_time or (opening.seen_time if opening else None) or incident.metadata.creation_timestamp
    what = (opening.summary if opening and opening.summary else "") or incident.spec.title
    by = {SourceKind.WATCH: "by watching", SourceKind.ALERTMANAGER: "by an alert", SourceKind.PERSON: "reported by a person"}[incident.source_kind]
    began = status.times.started_time
    at_least = next((" or before" for one in status.provenance if one.name == "startedTime" and one.lower_bound), "")
    yield Row(label="seen", time=time, what=what, why=f"{by}; it began {clock(began)}{at_least}" if began else by)
    yield from _evidence(incident)
    if first is not None and first.count > 1:
        yield Row(label="joined", what=f"seen {first.count} times, last {clock(first.last_seen_time)}", why="one fault, one Incident")
    yield from (_joined(one, status.target or "the target") for one in status.signals if one is not first)


def _evidence(incident: Incident) -> Iterator[Row]:
    for one in incident.status.evidence:
        words = one.text.strip().splitlines()
        where = f"{one.pod} " if one.pod else ""
        telling = [word for word in words if word.startswith("Warning")] or words
        last = f'"{telling[-1][:QUOTED]}"' if telling else "empty"
        yield Row(label="kept", time=one.captured_time, what=f"{where}{one.name}: {last}", why="all of it: status.evidence" if len(words) > 1 else "")


def _joined(signal: Signal, target: str) -> Row:
    times = f", {signal.count} times" if signal.count > 1 else ""
    name = signal.labels.get("alertname")
    what = f"alert {name}: {signal.summary}" if name else signal.summary or signal.key
    return Row(
        label="joined", time=signal.first_seen_time, what=f"{what}{times} ({signal.state})", why=f"not opened twice: {target} has an open Incident"
    )


def _assessed(incident: Incident) -> Iterator[Row]:
    status = incident.status
    if status.priority:
        yield Row(label="rated", what=str(status.priority), why=status.priority_reason or "")
    owner = status.owner
    if owner is not None:
        policy = owner.escalation_policy_ref
        name = f", escalation policy {'/'.join(filter(None, (policy.namespace, policy.name)))}" if policy else ", no escalation policy"
        yield Row(label="belongs to", what=f"{owner.team or 'nobody known'}{name}", why=owner.resolved_by)


def _considered(incident: Incident, remediations: Sequence[Remediation], now: datetime) -> Iterator[Row]:
    status = incident.status
    modes = {one.spec.runbook_ref.name: one.spec.mode for one in remediations}
    due = status.plan.due_time if status.plan else None
    acted = status.times.automation_started_time
    if due is not None and acted is not None and status.times.triggered_time is not None and status.times.triggered_time < due <= acted:
        waited = span((due - status.times.triggered_time).total_seconds())
        yield Row(label="waited", time=due, what=f"{waited} until the action was due", why="one failure is not a verdict")
    chosen = [one for one in status.decisions if one.verdict is not Verdict.NOT_CHOSEN]
    last = max((one.status.started_time for one in remediations if one.status.started_time is not None), default=None)
    yield from (_decision(one, modes.get(one.about), last, now) for one in chosen)
    allowed = _condition(incident, "RemediationAllowed")
    if not chosen and allowed is not None and allowed.status is ConditionStatus.FALSE:
        said = [entry.time for entry in status.timeline if entry.what == "RemediationBlocked" and entry.message.startswith(f"{allowed.reason}:")]
        yield Row(label="not done", time=said[-1] if said else None, what=f"nothing: {allowed.reason}", why=allowed.message)
    for one in status.decisions:
        if one.verdict is Verdict.NOT_CHOSEN:
            yield Row(label="considered", what=f"{one.about}: no, {one.reason}", why=one.message)


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


def _attempt(one: Remediation, *, guards: bool) -> Iterator[Row]:
    status = one.status
    yield Row(label="attempt", time=status.started_time, what=f"{one.metadata.name}, attempt {one.spec.attempt} ({one.spec.mode})", why=status.plan)
    yield from _guards(one, shown=guards)
    yield from (row for step in status.steps for row in _step(step))
    if status.outcome is Outcome.SIMULATED:
        how = f"kubectl get rem {one.metadata.name} -n {one.metadata.namespace} -o jsonpath='{{.status.diff}}'"
        yield Row(label="would", time=status.ended_time, what=status.plan, why=f"nothing was changed; the diff: {how}")
        return
    looks = [f"{number} × {result}" if number > 1 else str(result) for result, number in _results(one)]
    if looks:
        last = status.measurements[-1]
        label = "proved" if status.outcome is Outcome.REMEDIATED else "measured"
        yield Row(label=label, time=last.finished_time, what=", ".join(looks), why=f"{last.check}: {last.value}" if last.value else last.check)
    if status.outcome is not None:
        yield Row(label="ended", time=status.ended_time, what=str(status.outcome), why=status.message)
    elif status.phase is RemediationPhase.UNKNOWN:
        yield Row(label="unknown", what="whether it was done can't be known; a person decides", why=status.message)
    elif status.phase is not None:
        yield Row(label="now", what=str(status.phase), why=status.message)


def _results(one: Remediation) -> Iterator[tuple[str, int]]:
    for result, group in groupby(one.status.measurements, key=lambda look: look.result):
        yield str(result), len(list(group))


def _guards(one: Remediation, *, shown: bool) -> Iterator[Row]:
    verdicts = one.status.guards
    if not verdicts:
        return
    passed = sum(verdict.allowed for verdict in verdicts)
    refused = next((verdict for verdict in verdicts if not verdict.allowed), None)
    why = f"{refused.name} says {refused.reason}: {refused.message}" if refused else ("" if shown else "--guards shows each")
    yield Row(label="guards", what=f"{passed} of {len(verdicts)} passed", why=why)
    if shown:
        for verdict in verdicts:
            yield Row(label="guards", what=f"  {verdict.name}: {'yes' if verdict.allowed else verdict.reason}", why=verdict.message)


def _step(step: StepStatus) -> Iterator[Row]:
    if step.intent is None and step.state in {StepState.PENDING, StepState.SKIPPED} and not step.message:
        return
    once = f"intent {step.intent.id[:8]}, once" if step.intent else ""
    done = step.outcome.message if step.outcome else ""
    what = step.message or done or step.name
    label = {StepState.APPLIED: "did", StepState.SIMULATED: "would", StepState.FAILED: "failed", StepState.UNKNOWN: "unknown"}.get(step.state, "step")
    time = step.outcome.observed_time if step.outcome else step.intent.written_time if step.intent else None
    yield Row(label=label, time=time, what=what, why="; ".join(part for part in (once, done if done != what else "") if part))


def _people(incident: Incident) -> Iterator[Row]:
    spec, status = incident.spec, incident.status
    acknowledged = _condition(incident, "Acknowledged")
    if acknowledged is not None and acknowledged.status is ConditionStatus.TRUE:
        yield Row(label="taken", time=status.times.acknowledged_time, what=acknowledged.message or acknowledged.reason, why=acknowledged.reason)
    if spec.hold is not None:
        until = f" until {clock(spec.hold.until_time)}" if spec.hold.until_time else ""
        yield Row(label="held", what=f"{spec.hold.by} keeps automation away{until}", why=spec.hold.reason)
    for entry in status.timeline:
        if entry.what not in RENDERED:
            yield Row(label="then", time=entry.time, what=f"{entry.what}: {entry.message}", why="" if entry.by == "prunella" else f"by {entry.by}")


def _besides(incident: Incident) -> Iterator[Row]:
    for one in incident.status.conditions:
        if one.type not in BASIC and one.status is not ConditionStatus.FALSE:
            yield Row(label="mind", time=one.last_transition_time, what=one.type, why=one.message)


def _ended(incident: Incident) -> Iterator[Row]:
    times = incident.status.times
    resolved = _condition(incident, "Resolved")
    if times.resolved_time is not None:
        yield Row(label="healthy", time=times.resolved_time, what="Resolved counts from here", why=resolved.message if resolved else "")
    elif resolved is not None and incident.status.healthy_since_time is not None:
        yield Row(label="healthy", time=incident.status.healthy_since_time, what="not over yet", why=resolved.message)
    if times.cancelled_time is not None:
        merged = incident.status.merged_into
        what = f"a duplicate of {merged.name}" if merged else "not a fault of its own"
        yield Row(label="cancelled", time=times.cancelled_time, what=what, why=incident.status.summary or "")


def _told(incident: Incident) -> Iterator[Row]:
    messages = sorted(incident.status.escalation.messages, key=lambda one: one.sent_time or one.created_time)
    yield from map(_message, messages)
    if not any(one.kind is MessageKind.PAGE for one in messages):
        acknowledged = _condition(incident, "Acknowledged")
        open_ = incident.status.phase in {Phase.TRIGGERED, Phase.ACKNOWLEDGED, Phase.MITIGATED}
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
    taken = incident.status.durations
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
