"""What a source says becomes a signal: the watch's finding, or an alert. Keys, start times and bounded labels.

The rule this module protects: one source's view of one fault has one key, and when the fault began is the source's word, flagged where it is only a
lower bound.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident, OpeningSignal, Signal
from prunella.api.names import Cause, SignalState, SourceKind
from prunella.core.facts import AlertFacts, Labels
from prunella.core.redact import MARK, redact

from .alert_facts import DECIDING_LABELS

LABEL_BUDGET: Final = 1024
"""Bytes of labels that a signal keeps; a status holds up to 100 signals and must stay small."""
ALERT_SUMMARY: Final = 256
LABEL_OF_SECRETS: Final = "secret"
WATCH: Final = "watch/"
ALERT: Final = "alert/"


def watch_key(cause: str) -> str:
    """Key of the watch's signal for a cause."""
    return f"{WATCH}{cause}"


def alert_key(fingerprint: str) -> str:
    """Key of an alert's signal."""
    return f"{ALERT}{fingerprint}"


def opened_signal(incident: Incident, delivered: Iterable[AlertFacts] = ()) -> Signal | None:
    """The opening signal as the first entry of status.signals; None for a report. Its delivery counts once, handed in or not."""
    source = incident.spec.source
    opening = source.signal if source is not None else None
    if source is None or opening is None:
        return None
    seen = opening.seen_time or incident.metadata.creation_timestamp or opening.started_time
    return Signal(
        key=opening.key,
        source=source.kind,
        state=SignalState.FIRING,
        cause=opening.cause,
        first_seen_time=seen,
        last_seen_time=seen,
        started_time=None if opening.lower_bound else opening.started_time,
        alert_start_time=opening.alert_start_time,
        count=0 if any(is_opener(opening, alert) for alert in delivered) else 1,
        summary=opening_summary(opening),
        labels=kept_labels(opening.labels),
    )


def opening_summary(opening: OpeningSignal) -> str:
    """What opened it, in a sentence that may be shown and sent."""
    return redact(opening.summary)[:ALERT_SUMMARY] if opening.key.startswith(ALERT) else opening.summary


def is_opener(opening: OpeningSignal, alert: AlertFacts) -> bool:
    """Whether this delivery is the very one that opened the Incident."""
    return alert.state == "firing" and opening.key == alert_key(alert.fingerprint) and opening.seen_time == alert.received_time


def alert_signal(alert: AlertFacts, state: SignalState, count: int) -> Signal:
    """An alert that was not known to the Incident before."""
    return Signal(
        key=alert_key(alert.fingerprint),
        source=SourceKind.ALERTMANAGER,
        state=state,
        cause=Cause.ALERT,
        first_seen_time=alert.received_time,
        last_seen_time=alert.received_time,
        started_time=exact_start(alert),
        alert_start_time=alert.starts_time,
        last_resolved_end_time=(alert.ends_time or alert.received_time) if state is SignalState.RESOLVED else None,
        count=count,
        summary=alert_summary(alert),
        labels=kept_labels(alert.labels),
    )


def alert_started(alert: AlertFacts) -> tuple[datetime, bool]:
    """When the fault began by the alert's word, and whether that is exact: Prometheus' activeAt, else startsAt less the rule's `for`."""
    begins = alert.starts_time or alert.received_time
    if alert.active_time is not None:
        return min(alert.active_time, begins), True
    if alert.rule_for_seconds is not None:
        return begins - timedelta(seconds=alert.rule_for_seconds), True
    return begins, False


def exact_start(alert: AlertFacts) -> datetime | None:
    """When the fault began, only where that is known for sure."""
    started, exact = alert_started(alert)
    return started if exact else None


def alert_summary(alert: AlertFacts) -> str:
    """The alert's own sentence, else its name."""
    name = alert.labels.get("alertname", "unnamed alert")
    said = alert.annotations.get("summary") or alert.annotations.get("description") or alert.annotations.get("message") or ""
    return redact(" ".join(f"{name}: {said}".split()) if said else name)[:ALERT_SUMMARY]


def kept_labels(labels: Labels) -> Labels:
    """The labels that a signal keeps, whole or not at all: one that was cut would match what it must not. What looks like a secret goes."""
    first = [name for name in DECIDING_LABELS if name in labels]
    kept: Labels = {}
    left = LABEL_BUDGET
    for name in (*first, *(name for name in sorted(labels) if name not in first)):
        size = len(name.encode()) + len(labels[name].encode())
        if size <= left and not _is_secret(name, labels[name]):
            kept[name] = labels[name]
            left -= size
    return kept


def _is_secret(name: str, value: str) -> bool:
    """By its own looks, or by its name; the label `secret` names an object of that kind."""
    if MARK in redact(value):
        return True
    return name != LABEL_OF_SECRETS and name not in DECIDING_LABELS and MARK in redact(f"{name}={value}")


def alert_name(signal: Signal) -> str:
    """How a person knows the signal: the alert's name, or the cause that the watch saw."""
    return f"alert {signal.labels.get('alertname', signal.key)}" if signal.key.startswith(ALERT) else f"watch ({signal.cause})"
