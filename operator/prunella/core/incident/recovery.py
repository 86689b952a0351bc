"""T8 and T10: how an Incident is mitigated and how it ends: proved, cleared for long enough, by a person's word, or because the target is gone.

The rule this module protects: no data is never health. What is not over, silenced or held keeps the Incident open; an attempt under way does too; and
the time of the recovery is the start of the healthy period, not the moment of its discovery.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Resolution, Signal
from prunella.api.names import ConditionStatus, Outcome, Priority, SignalState, SourceKind
from prunella.api.remediation import Remediation
from prunella.core import commands
from prunella.core.draft import Draft, PollAlerts
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.standing import at_work, firing, froze, not_over, reported, unknown
from prunella.core.world import GONE, NOT_A_WORKLOAD, World

from .ending import resolve
from .sources import ALERT, alert_name
from .states import State, check_move, over, state_of

STABILIZE_SECONDS: Final = 300
STABILIZE_SECONDS_P1: Final = 600
POLL_AGAIN_SECONDS: Final = 15


def mitigate(world: World, draft: Draft) -> Draft:
    """T8: an attempt of this episode ended as Remediated. The time is the start of the healthy period that it proved."""
    if state_of(draft.status) not in {State.TRIGGERED, State.ACKNOWLEDGED}:
        return draft
    attempt = remediated(world, draft)
    if attempt is None:
        return draft
    check_move(draft.status, State.MITIGATED)
    since = attempt.status.healthy_since_time or attempt.status.ended_time or draft.now
    message = f"{attempt.metadata.name}: {attempt.status.message or attempt.status.plan or 'the target is healthy'}"
    draft = draft.time("mitigated_time", max(since, draft.status.times.started_time or since))
    return draft.condition("Mitigated", ConditionStatus.TRUE, "RemediationSucceeded", message)


def conclude(world: World, draft: Draft, *, target_healthy: bool | UnknownT, healthy_since: datetime | None) -> Draft:
    """T10: end the Incident where it is over, and say what it waits for where it is not."""
    if over(draft.status):
        return draft
    said, persons = world.incident.spec.resolution, world.incident.source_kind is SourceKind.PERSON
    if world.target is GONE and not persons:
        return _target_gone(world, draft)
    if said is not None:
        draft = _by_person(world, draft, said, healthy_since if target_healthy is True else None)
        if over(draft.status):
            return draft
    if world.target is GONE and not reported(world.incident):  # what a person reports may be misnamed: who reported it says when it is over
        return _target_gone(world, draft)
    attempt = remediated(world, draft)
    if attempt is not None and not froze(attempt):  # what is frozen is over once it is healthy as a whole
        return _after_proof(world, draft, attempt)
    return _cleared(world, draft, _health(world, draft, target_healthy=target_healthy, since=healthy_since))


def remediated(world: World, draft: Draft) -> Remediation | None:
    """The newest attempt of this episode that proved recovery, unless the fault has fired again since."""
    since = draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now
    for condition in draft.status.conditions:
        if condition.type == "Mitigated" and condition.reason == "FiringAgain":
            since = max(since, condition.last_transition_time)
    proved = [
        one
        for one in world.remediations
        if one.status.outcome is Outcome.REMEDIATED and one.status.ended_time is not None and one.status.ended_time > since
    ]
    return proved[-1] if proved else None


def _target_gone(world: World, draft: Draft) -> Draft:
    running = at_work(world.remediations)
    if running:
        return _waits(draft, f"the target was deleted; {running[0].metadata.name} is ended first")
    alerts = [signal for signal in not_over(draft.status) if signal.key.startswith(ALERT)]
    if alerts:
        return _waits(draft, f"the target was deleted, but {alert_name(alerts[0])} still fires on it")
    for signal in not_over(draft.status):
        draft = _end_signal(draft, signal, draft.now)
    return resolve(world, draft, "SignalsCleared", "target deleted", resolved=draft.now, automation=False)


def _by_person(world: World, draft: Draft, said: Resolution, healthy_since: datetime | None) -> Draft:
    message = f"{said.by}: {said.summary}"[:1024]
    since = draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now
    if any(one.what == "Resolved" and one.message.startswith(message[:900]) and one.time < since for one in draft.status.timeline):
        return draft  # it ended an earlier episode
    still = firing(draft.status)
    if still:
        text = f"{said.by} says that it is over, but {alert_name(still[0])} still fires: it stays open until that is over"
        told = any(one.what == "ResolutionNotYet" and one.message == text and one.time >= since for one in draft.status.timeline)
        return draft if told else draft.note("ResolutionNotYet", text, by=said.by)
    if at_work(world.remediations):
        return draft
    resolved = max(healthy_since, since) if healthy_since is not None else draft.now
    return resolve(world, draft, "ByPerson", message, resolved=resolved, automation=False, by=said.by)


def _after_proof(world: World, draft: Draft, attempt: Remediation) -> Draft:
    """At once, unless a joined alert still fires: then Mitigated until it is cleared."""
    ended = attempt.status.ended_time or draft.now
    for signal in not_over(draft.status):
        if _absent(world, signal, ended):
            draft = _end_signal(draft, signal, world.polled_time or draft.now)
    still = _still(world, draft)
    if still:
        if any(signal.key.startswith(ALERT) for signal in still):
            draft = _ask_alertmanager(world, draft)
        draft = draft.again(draft.now + timedelta(seconds=POLL_AGAIN_SECONDS))
        return _waits(draft, f"the target is healthy again, but {alert_name(still[0])} is not over yet")
    resolved = attempt.status.healthy_since_time or ended
    return resolve(world, draft, "Verified", attempt.status.message or "recovery was proved", resolved=resolved, automation=True)


def _cleared(world: World, draft: Draft, health: tuple[bool | UnknownT, datetime | None]) -> Draft:
    healthy, since = health
    still = _still(world, draft)
    if still:
        return _waits(draft, f"{alert_name(still[0])} is not over yet", healthy_since=None)
    if reported(world.incident):
        ref = world.incident.spec.target_ref
        there = f", and {ref.kind} {ref.name} is not there (any more)" if world.target is GONE else ""
        return _waits(draft, f"a person reported it{there}; once it is over: {commands.resolve(world.incident)}", healthy_since=None)
    stuck = unknown(world.remediations)
    if stuck is not None:
        return _waits(draft, f"the effect of {stuck.metadata.name} can't be known: a person has to look and say", healthy_since=None)
    running = at_work(world.remediations)
    if running:
        return _waits(draft, f"{running[0].metadata.name} is not finished yet", healthy_since=None)
    if healthy is UNKNOWN:
        draft = draft.with_status(healthy_since_time=None)
        return draft.condition("Resolved", ConditionStatus.UNKNOWN, "NoData", "every signal is over, but whether the target is healthy can't be told")
    if not healthy or since is None:
        return _waits(draft, "every signal is over, but the target is not healthy yet", healthy_since=None)
    return _stabilize(world, draft, max((since, *_alert_ends(draft), draft.status.times.started_time or since)))


def _stabilize(world: World, draft: Draft, since: datetime) -> Draft:
    seconds = STABILIZE_SECONDS_P1 if draft.status.priority is Priority.P1 else STABILIZE_SECONDS
    due = since + timedelta(seconds=seconds)
    if draft.now < due:
        return _waits(draft, f"healthy since {since:%H:%M:%S}; it counts as over after {seconds} s", healthy_since=since).again(due)
    return resolve(
        world, draft, "SignalsCleared", f"every signal is over and the target was healthy for {seconds} s", resolved=since, automation=False
    )


def _health(world: World, draft: Draft, *, target_healthy: bool | UnknownT, since: datetime | None) -> tuple[bool | UnknownT, datetime | None]:
    """Health of the target and since when. An alert that stands for itself is healthy when it is over; so is what was scaled to nothing."""
    nothing_to_hurt = world.target is NOT_A_WORKLOAD or (world.workload is not None and world.workload.workload.desired == 0)
    if nothing_to_hurt:
        ends = [signal.last_resolved_end_time or signal.last_seen_time for signal in draft.status.signals]
        return True, max(ends, default=draft.now)
    if target_healthy is True and since is None:
        return True, draft.status.healthy_since_time or draft.now
    return target_healthy, since


def _still(world: World, draft: Draft) -> tuple[Signal, ...]:
    """The signals that keep it open. An alert about a Job fires for as long as the failed Job is kept, also when that is the past."""
    return tuple(signal for signal in not_over(draft.status) if not world.is_past(signal))


def _alert_ends(draft: Draft) -> list[datetime]:
    return [one.last_resolved_end_time for one in draft.status.signals if one.key.startswith(ALERT) and one.last_resolved_end_time is not None]


def _absent(world: World, signal: Signal, since: datetime) -> bool:
    listed = world.active_alerts
    if listed is UNKNOWN or world.polled_time is None or not signal.key.startswith(ALERT):
        return False
    if world.polled_time < max(since, signal.last_seen_time):  # it was heard after that poll
        return False
    return signal.key.removeprefix(ALERT) not in listed


def _ask_alertmanager(world: World, draft: Draft) -> Draft:
    due = world.polled_time is None or draft.now - world.polled_time >= timedelta(seconds=POLL_AGAIN_SECONDS)
    return draft.wish(PollAlerts()) if due else draft


def _waits(draft: Draft, message: str, healthy_since: datetime | None = None) -> Draft:
    standing = next((one for one in draft.status.conditions if one.type == "Resolved"), None)
    reason = "Reopened" if standing is not None and standing.reason == "Reopened" else "NotYet"
    draft = draft.with_status(healthy_since_time=healthy_since)
    return draft.condition("Resolved", ConditionStatus.FALSE, reason, message)


def _end_signal(draft: Draft, signal: Signal, ended: datetime) -> Draft:
    over_now = signal.model_copy(update={"state": SignalState.RESOLVED, "last_resolved_end_time": ended})
    return draft.with_status(signals=tuple(over_now if one.key == signal.key else one for one in draft.status.signals))
