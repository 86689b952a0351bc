"""Stage: what the watch and the alerts say of the target becomes status.signals, the cause and the summary.

The rule this module protects: nothing that was seen is lost, nothing is seen twice, and what could not be seen changes nothing. An alert's cause
gives way to the watch's, never the reverse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

from prunella.api.base import micro_time
from prunella.api.incident import Signal
from prunella.api.names import Cause, ConditionStatus, SignalState, SourceKind
from prunella.core.around import Shared
from prunella.core.draft import Draft, PollAlerts
from prunella.core.facts import UNKNOWN, AlertFacts, Finding
from prunella.core.standing import not_over
from prunella.core.world import World

from . import alert_signals, opening, overflow
from .alert_signals import Change
from .sources import ALERT, WATCH, alert_key, alert_name, is_opener, opened_signal, watch_key

CONFIRM_AGAIN_SECONDS: Final = 15


def observe_signals(world: World, draft: Draft) -> Draft:
    """Seed the opening signal, open the Incident's story, then merge deliveries, the poll and the finding."""
    source = world.incident.spec.source
    first = source.signal if source is not None else None
    counted = first is not None and any(signal.key == first.key for signal in draft.status.signals)
    begun = draft.status.times.triggered_time is not None  # then its absence means that it made room for others
    seed = opened_signal(world.incident, world.alerts) if not counted and not begun else None
    if seed is not None:
        draft = draft.with_status(signals=(seed, *draft.status.signals))
    draft = opening.begin(world, draft)
    for alert in world.alerts:
        draft = _remark(draft, alert)
        if not (counted and first is not None and is_opener(first, alert)):
            draft = _deliver(world, draft, _with_rule(world, alert))
    draft = _poll(world, draft)
    draft = _watch(world, draft).again(world.again_time)
    draft = draft.with_status(signals=overflow.settle(draft.status.signals))
    return _conditions(world, draft)


def _with_rule(world: World, alert: AlertFacts) -> AlertFacts:
    """The alert with its rule's `for`, where Prometheus told it."""
    seconds = world.rule_for_seconds(alert.labels)
    return alert if seconds is None or alert.rule_for_seconds is not None else replace(alert, rule_for_seconds=seconds)


def _remark(draft: Draft, alert: AlertFacts) -> Draft:
    """What is wrong with the message itself, also where its alert opened the Incident and is counted already."""
    if alert.clock_skew:
        draft = draft.condition(
            "ClockSkew", ConditionStatus.TRUE, "ClockSkew", f"{_named(alert)} bears a start that can't be true; its receipt counts"
        )
    if alert.truncated:
        left_out = f"Alertmanager left {alert.truncated} alerts out of a message: every Alertmanager is asked for the rest"
        draft = draft.condition("Truncated", ConditionStatus.TRUE, "Truncated", left_out).wish(PollAlerts())
    return draft


def _deliver(world: World, draft: Draft, alert: AlertFacts) -> Draft:
    key = alert_key(alert.fingerprint)
    old = next((signal for signal in draft.status.signals if signal.key == key), None)
    merged = alert_signals.deliver(old, alert, polled=world.active_alerts is not UNKNOWN)
    if old is None:
        return _join(draft, merged.signal)
    draft = draft.with_status(signals=_put(draft.status.signals, merged.signal))
    return _tell(draft, merged.signal, merged.change, alert)


def _join(draft: Draft, signal: Signal) -> Draft:
    """A signal that is new here. One note per alert's name: a flood must not push the story out of the timeline."""
    before = draft.status.signals
    signals = overflow.add(before, signal)
    draft = draft.with_status(signals=signals)
    told = {alert_name(known) for known in before if known.count}
    if signal.state is SignalState.RESOLVED or alert_name(signal) in told:
        return draft
    if draft.status.cause is Cause.REPORTED:
        draft = draft.with_status(cause=Cause.ALERT)
    message = f"{alert_name(signal)}: {signal.summary}; not opened twice: {draft.status.target or 'the target'} has an open Incident"
    return draft.note("Joined", message)


def _tell(draft: Draft, signal: Signal, change: Change, alert: AlertFacts | None = None) -> Draft:
    name = alert_name(signal)
    match change:
        case Change.HELD:
            return draft.wish(PollAlerts())
        case Change.DROPPED:
            return draft.count("alerts_stale_dropped_total")
        case Change.CONFIRMED:
            text = f"{name} was said to be over and still fires: two sources disagree, it counts as firing"
            return draft.condition("ConflictingSources", ConditionStatus.TRUE, "ConflictingSources", text)
        case Change.UNSEEN_RECOVERY:
            starts = alert.starts_time if alert is not None else None
            message = f"{name} started anew at {micro_time(starts) if starts else 'an unknown time'}: a recovery in between was not seen"
            return draft if any(entry.message == message for entry in draft.status.timeline) else draft.note("UnseenRecovery", message)
        case _:
            return draft


def _poll(world: World, draft: Draft) -> Draft:
    listed = world.active_alerts
    if listed is UNKNOWN or world.polled_time is None:
        return draft
    newest = max((alert.received_time for alert in world.alerts), default=None)
    if newest is not None and world.polled_time < newest:  # older than what was just delivered
        return draft
    for signal in draft.status.signals:
        if not signal.key.startswith(ALERT) or signal.key == overflow.KEY:
            continue
        one = listed.get(signal.key.removeprefix(ALERT))
        merged = alert_signals.poll(signal, _with_rule(world, one) if one is not None else None, world.polled_time)
        if merged.signal != signal:
            draft = _tell(draft.with_status(signals=_put(draft.status.signals, merged.signal)), merged.signal, merged.change)
    return draft


def _watch(world: World, draft: Draft) -> Draft:
    finding = world.shared or world.finding
    if finding is UNKNOWN:
        return draft
    if finding is None:
        for signal in draft.status.signals:
            if signal.key.startswith(WATCH) and signal.state is SignalState.FIRING:
                draft = draft.with_status(signals=_put(draft.status.signals, _over(signal, draft)))
        return draft
    young = finding.open_time > draft.now  # not yet a fault, and not yet the end of one that may still be there
    for signal in draft.status.signals:
        another = signal.key.startswith(WATCH) and signal.key != watch_key(finding.cause) and signal.state is SignalState.FIRING
        if another and (not young or _ruled_out(signal, finding)):
            draft = draft.with_status(signals=_put(draft.status.signals, _over(signal, draft)))
    return draft.again(finding.open_time) if young else _refine(_found(draft, finding), finding)


def _ruled_out(signal: Signal, finding: Finding | Shared) -> bool:
    return isinstance(finding, Finding) and finding.rules_out(signal.cause)


def _found(draft: Draft, finding: Finding | Shared) -> Draft:
    key, summary = watch_key(finding.cause), finding.summary[:1024]
    old = next((signal for signal in draft.status.signals if signal.key == key), None)
    pods = max(len(finding.failing_pods), 1)
    if old is None:
        new = Signal(
            key=key,
            source=SourceKind.WATCH,
            state=SignalState.FIRING,
            cause=Cause(finding.cause),
            first_seen_time=draft.now,
            last_seen_time=draft.now,
            started_time=min(finding.started_time, draft.now),
            count=pods,
            summary=summary,
        )
        return draft.with_status(signals=overflow.add(draft.status.signals, new))
    update: dict[str, object] = {"state": SignalState.FIRING, "last_seen_time": draft.now, "count": max(old.count, pods), "summary": summary}
    if old.state is not SignalState.FIRING:
        update |= {"first_seen_time": draft.now, "started_time": min(finding.started_time, draft.now)}
    return draft.with_status(signals=_put(draft.status.signals, old.model_copy(update=update)))


def _refine(draft: Draft, finding: Finding | Shared) -> Draft:
    before, cause = draft.status.cause, Cause(finding.cause)
    draft = draft.with_status(cause=cause, summary=finding.summary[:1024], accused_revision=finding.accused_revision or None)
    if before is None or before is cause:
        return draft
    return draft.note("CauseRefined", f"{before} became {cause}: {finding.summary}")


def _over(signal: Signal, draft: Draft) -> Signal:
    return signal.model_copy(update={"state": SignalState.RESOLVED, "last_seen_time": draft.now, "last_resolved_end_time": draft.now})


def _conditions(world: World, draft: Draft) -> Draft:
    alerts = [signal for signal in not_over(draft.status) if signal.key.startswith(ALERT)]
    silenced = [signal for signal in alerts if signal.state is SignalState.SUPPRESSED]
    if silenced:
        text = f"{alert_name(silenced[0])} is silenced or inhibited: it is not over, and it pages nobody"
        draft = draft.condition("Suppressed", ConditionStatus.TRUE, "Suppressed", text)
    else:
        draft = draft.without_condition("Suppressed")
    draft = _source(world, draft, alerts)
    if any(alert_signals.is_held(signal) for signal in alerts):
        draft = draft.again(draft.now + timedelta(seconds=CONFIRM_AGAIN_SECONDS))
        if world.polled_time is not None and draft.now - world.polled_time >= timedelta(seconds=CONFIRM_AGAIN_SECONDS):
            draft = draft.wish(PollAlerts())
    if not alerts:
        draft = draft.without_condition("ConflictingSources")
    return _truncated(world, draft)


def _source(world: World, draft: Draft, alerts: Sequence[Signal]) -> Draft:
    """Whether those who tell of alerts are heard. After a start nobody knows until they speak, or could have: what stands there stays."""
    silent = world.alert_source_silent_time
    if not alerts or world.alert_source_fresh:
        draft = draft.without_condition("SourceUnreachable")
    if not alerts or silent is None:
        return draft
    if silent > draft.now:
        return draft.again(silent)
    text = "neither a webhook nor a good poll of Alertmanager for 600 s: no alert is taken to be over because it is not seen"
    return draft.condition("SourceUnreachable", ConditionStatus.TRUE, "SourceUnreachable", text)


def _truncated(world: World, draft: Draft) -> Draft:
    folded = next((signal for signal in draft.status.signals if signal.key == overflow.KEY), None)
    if folded is not None and folded.state is SignalState.FIRING:
        text = f"more than {overflow.CAP - 1} alerts: those beyond are counted together"
        return draft.condition("Truncated", ConditionStatus.TRUE, "Truncated", text)
    standing = next((one for one in draft.status.conditions if one.type == "Truncated"), None)
    polled = world.polled_time
    if standing is None or world.alerts or polled is None or polled <= standing.last_transition_time:
        return draft
    return draft.without_condition("Truncated")


def _named(alert: AlertFacts) -> str:
    return f"alert {alert.labels.get('alertname', alert.fingerprint)}"


def _put(signals: tuple[Signal, ...], changed: Signal) -> tuple[Signal, ...]:
    return tuple(changed if signal.key == changed.key else signal for signal in signals)
