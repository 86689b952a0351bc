"""How an alert changes the signal of its fingerprint, delivery by delivery and poll by poll.

The rule this module protects: Alertmanager delivers at least once and out of order. A duplicate only counts; a firing that started before the last
resolve is held until a poll confirms or refutes it; a late resolve of an older episode changes nothing; a resolve for an unknown alert leaves only a
tombstone. Each fingerprint speaks for itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from prunella.api.incident import Signal
from prunella.api.names import SignalState
from prunella.core.facts import AlertFacts

from .sources import alert_signal, exact_start

EVALUATION_SECONDS: Final = 60
"""One evaluation of Prometheus: a poll proves a firing only by an update that is later than the resolve by more than this."""
REORDER_SECONDS: Final = 600
"""Copies of an older delivery stop arriving after that: a firing that comes later is a new word, poll or no poll."""
ABSENT_SECONDS: Final = 60
"""How long an alert must not have been seen before its absence from a good poll of every peer ends it."""
RECOVERY_SECONDS: Final = 60
"""startsAt differs by seconds between two Prometheus replicas; a jump beyond this is a recovery that nobody saw."""


class Change(Enum):
    """What happened to a signal, for the story and the metrics."""

    NONE = "none"
    COUNTED = "counted"
    JOINED = "joined"
    FIRING_AGAIN = "firing again"
    HELD = "held"
    CONFIRMED = "confirmed"
    DROPPED = "dropped"
    UNSEEN_RECOVERY = "unseen recovery"
    RESOLVED = "resolved"
    SUPPRESSED = "suppressed"


@dataclass(frozen=True, slots=True)
class Merged:
    """The signal afterwards, and what happened."""

    signal: Signal
    change: Change


def deliver(old: Signal | None, alert: AlertFacts, *, polled: bool) -> Merged:
    """One delivery of the webhook. `polled` says whether a poll can confirm what is held."""
    if alert.state == "resolved":
        return _resolved(old, alert)
    if old is None:
        state = SignalState.SUPPRESSED if alert.state == "suppressed" else SignalState.FIRING
        return Merged(alert_signal(alert, state, count=1), Change.JOINED)
    if old.state is SignalState.RESOLVED or is_held(old):
        return _firing_after_resolve(old, alert, polled=polled)
    return _again(old, alert)


def poll(old: Signal, listed: AlertFacts | None, polled: datetime) -> Merged:
    """What the newest good poll of every peer says of a known alert; None where no peer lists it. What was heard since is a newer word."""
    if polled < old.last_seen_time:
        return Merged(old, Change.NONE)
    if is_held(old):
        return _confirm(old, listed)
    if old.state is SignalState.RESOLVED:
        return _missed_firing(old, listed)
    if listed is None:
        if polled - old.last_seen_time < timedelta(seconds=ABSENT_SECONDS):
            return Merged(old, Change.NONE)
        ended = old.model_copy(update={"state": SignalState.RESOLVED, "last_resolved_end_time": polled, "last_seen_time": polled})
        return Merged(ended, Change.RESOLVED)
    state = SignalState.SUPPRESSED if listed.state == "suppressed" else SignalState.FIRING
    changed = state is not old.state
    update: dict[str, object] = {"state": state, "last_seen_time": polled}
    if changed and state is SignalState.FIRING:
        update["first_seen_time"] = polled
    seen = old.model_copy(update=update)
    return Merged(seen, (Change.SUPPRESSED if state is SignalState.SUPPRESSED else Change.FIRING_AGAIN) if changed else Change.NONE)


def is_held(signal: Signal) -> bool:
    """Whether it is a firing that started before the last resolve and waits for a poll."""
    return signal.state is SignalState.STALE


def _again(old: Signal, alert: AlertFacts) -> Merged:
    starts, known = alert.starts_time, old.alert_start_time
    update: dict[str, object] = {"count": old.count + 1, "last_seen_time": max(old.last_seen_time, alert.received_time)}
    if old.state is SignalState.SUPPRESSED and alert.state == "firing":
        # Nobody was woken by it until now: for whoever judges a relapse it begins here.
        update |= {"state": SignalState.FIRING, "first_seen_time": alert.received_time}
    if starts is not None and (known is None or starts < known):
        update["alert_start_time"] = starts
    exact = exact_start(alert)
    if exact is not None and (old.started_time is None or exact < old.started_time):
        update["started_time"] = exact
    jumped = starts is not None and known is not None and starts - known > timedelta(seconds=RECOVERY_SECONDS)
    return Merged(old.model_copy(update=update), Change.UNSEEN_RECOVERY if jumped else Change.COUNTED)


def _firing_after_resolve(old: Signal, alert: AlertFacts, *, polled: bool) -> Merged:
    ended, starts = old.last_resolved_end_time, alert.starts_time or alert.received_time
    counted = old.model_copy(update={"count": old.count + 1})
    if ended is None or starts > ended:
        return Merged(_fires(counted, alert.received_time, starts, exact_start(alert)), Change.FIRING_AGAIN)
    if not polled and alert.received_time - old.last_seen_time > timedelta(seconds=REORDER_SECONDS):
        return Merged(_fires(counted, alert.received_time, starts, exact_start(alert)), Change.CONFIRMED)
    # last_seen_time stays the receipt of the resolve: the poll's answer is compared with it
    return Merged(counted.model_copy(update={"state": SignalState.STALE}), Change.NONE if is_held(old) else Change.HELD)


def _resolved(old: Signal | None, alert: AlertFacts) -> Merged:
    ended = alert.ends_time or alert.received_time
    if old is None:
        return Merged(alert_signal(alert, SignalState.RESOLVED, count=0), Change.NONE)
    if old.state is not SignalState.RESOLVED and not is_held(old) and old.alert_start_time is not None and ended < old.alert_start_time:
        return Merged(old, Change.NONE)
    newest = max(ended, old.last_resolved_end_time) if old.last_resolved_end_time is not None else ended
    update = {"state": SignalState.RESOLVED, "last_resolved_end_time": newest, "last_seen_time": max(old.last_seen_time, alert.received_time)}
    after = old.model_copy(update=update)
    if is_held(old):
        return Merged(after, Change.DROPPED)
    return Merged(after, Change.NONE if old.state is SignalState.RESOLVED else Change.RESOLVED)


def _confirm(old: Signal, listed: AlertFacts | None) -> Merged:
    if listed is None:
        return Merged(old.model_copy(update={"state": SignalState.RESOLVED}), Change.DROPPED)
    if not _updated_since(old, listed):
        return Merged(old, Change.NONE)
    return Merged(_listed(old, listed), Change.CONFIRMED)


def _missed_firing(old: Signal, listed: AlertFacts | None) -> Merged:
    if listed is None:
        return Merged(old, Change.NONE)
    ended, starts = old.last_resolved_end_time, listed.starts_time or listed.received_time
    if ended is None or starts > ended:
        return Merged(_listed(old, listed), Change.FIRING_AGAIN)
    return Merged(_listed(old, listed), Change.CONFIRMED) if _updated_since(old, listed) else Merged(old, Change.NONE)


def _updated_since(old: Signal, listed: AlertFacts) -> bool:
    return listed.updated_time is not None and listed.updated_time - old.last_seen_time > timedelta(seconds=EVALUATION_SECONDS)


def _listed(old: Signal, listed: AlertFacts) -> Signal:
    fires = _fires(old, listed.received_time, listed.starts_time or listed.received_time, exact_start(listed))
    return fires.model_copy(update={"state": SignalState.SUPPRESSED}) if listed.state == "suppressed" else fires


def _fires(old: Signal, seen: datetime, starts: datetime, started: datetime | None) -> Signal:
    update = {"state": SignalState.FIRING, "first_seen_time": seen, "last_seen_time": seen, "alert_start_time": starts, "started_time": started}
    return old.model_copy(update=update)
