"""Our own metrics: one table, one registry.

The rule this module protects: a metric exists once, in `METRICS`, with its labels and its help; the endpoint and the reference page are made from
it, and a name or a label that is not in it is a fault of the program, not a new series. Labels take values of bounded sets only: never an
Incident, a pod or a fingerprint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeVar

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX: Final = "prunella_"
Type = Literal["counter", "gauge", "histogram"]
M = TypeVar("M")

LIFETIME_BUCKETS: Final = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0, 86_400.0)
"""Seconds of people and Incidents: from a healed rollout to a day."""
WORK_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds of one piece of our own work."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric. `name` is without the prefix; its unit is its suffix."""

    name: str
    type: Type
    labels: tuple[str, ...] = ()
    help: str
    buckets: tuple[float, ...] = ()


def _counter(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name=name, type="counter", labels=labels, help=help_text)


def _gauge(name: str, help_text: str, *labels: str) -> Metric:
    return Metric(name=name, type="gauge", labels=labels, help=help_text)


def _histogram(name: str, help_text: str, *labels: str, buckets: tuple[float, ...]) -> Metric:
    return Metric(name=name, type="histogram", labels=labels, help=help_text, buckets=buckets)


def _incident_time(what: str, help_text: str) -> Metric:
    return _histogram(f"incident_time_to_{what}_seconds", help_text, "priority", buckets=LIFETIME_BUCKETS)


METRICS: Final = (
    _gauge("incidents", "Incidents there are, by phase and priority.", "phase", "priority"),
    _counter("incidents_opened_total", "Incidents opened.", "priority", "source"),
    _counter("incidents_closed_total", "Incidents that ended, by cause and how.", "priority", "cause", "outcome"),
    _incident_time("detect", "From the start of the fault to its detection."),
    _incident_time("receive", "From detection until Prunella knew."),
    _incident_time("notify", "From the trigger to the first message that a channel accepted."),
    _incident_time("execute", "From the trigger to the first stored intent of an automatic action."),
    _incident_time("acknowledge", "From the trigger to a person's acknowledgement. Automation never counts."),
    _incident_time("mitigate", "From the start of the fault until it stopped hurting."),
    _incident_time("resolve", "From the start of the fault to the start of the proved healthy period, without the gaps between episodes."),
    _incident_time("close", "From the trigger to closure."),
    _counter("incidents_reopened_total", "Incidents that came back within their watch window."),
    _counter("incidents_unacknowledged_total", "Incidents that ended without a person's acknowledgement, by why.", "reason"),
    _counter("alerts_received_total", "Alerts received, by what became of them; Quarantined ones could not be read.", "result"),
    _counter("alerts_stale_dropped_total", "Firing alerts that were older than their own resolve and were not confirmed by a poll."),
    _gauge("alert_source_age_seconds", "Seconds since a source of alerts was last heard of.", "source"),
    _counter("webhook_requests_total", "Requests to the alert webhook, by answer.", "code"),
    _counter("webhook_oversize_total", "Webhook bodies beyond the limit; each is followed by a poll."),
    _counter("remediations_total", "Attempts that ended, by Runbook and outcome.", "runbook", "outcome"),
    _counter("remediations_blocked_total", "Actions that a guard refused, by its reason.", "reason"),
    _histogram(
        "remediation_effect_delay_seconds",
        "From the instant an effect was due until it was accepted by the API server.",
        "effect",
        buckets=WORK_BUCKETS,
    ),
    _histogram("remediation_duration_seconds", "From the start of an attempt to its outcome.", "runbook", "outcome", buckets=LIFETIME_BUCKETS),
    _gauge("storm_active", "1 while the storm brake is on: too much is failing at once, and nothing is done automatically."),
    _gauge("breakers_open", "Targets that automation leaves alone until a person says retry."),
    _counter("notifications_total", "Messages to people, by receiver and what became of them.", "channel", "outcome"),
    _counter("pages_unreachable_total", "Pages that reached nobody by any method."),
    _gauge("watch_lag_seconds", "From the write of the heartbeat to its sight in the watch.", "kind"),
    _counter("watch_reconnects_total", "Watches that had to be opened again.", "kind"),
    _gauge("queue_depth", "Keys that wait in a queue.", "queue"),
    _counter("queue_retries_total", "Keys put back, by why.", "reason"),
    _histogram("reconcile_duration_seconds", "One pass over one Incident.", buckets=WORK_BUCKETS),
    _gauge("overdue_timers", "Stored instants that have passed without being acted on."),
    _counter("api_requests_total", "Requests to the API server.", "verb", "kind", "code"),
    _gauge("leader", "1 on the replica that acts."),
    _gauge("build_info", "Always 1; its label says which version runs.", "version"),
)
"""Every metric that is exposed."""


class UnknownMetricError(LookupError):
    """A metric or its labels are not in the table."""


class PrometheusTelemetry:
    """Implements the port Telemetry with a registry of its own, so that two of them live in one process."""

    def __init__(self, version: str) -> None:
        # They double the series, and the start of the process tells the same.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        self._labels = {metric.name: frozenset(metric.labels) for metric in METRICS}
        for metric in METRICS:
            self._register(metric)
        prometheus_client.ProcessCollector(registry=self._registry)
        self.gauge("build_info", 1, version=version)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter. Raises UnknownMetricError."""
        counter = self._found(self._counters, name, labels)
        (counter.labels(**labels) if labels else counter).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge. Raises UnknownMetricError."""
        gauge = self._found(self._gauges, name, labels)
        (gauge.labels(**labels) if labels else gauge).set(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Put a value into a histogram. Raises UnknownMetricError."""
        histogram = self._found(self._histograms, name, labels)
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def expose(self) -> bytes:
        """Prometheus' text format."""
        return prometheus_client.generate_latest(self._registry)

    def _register(self, metric: Metric) -> None:
        name = PREFIX + metric.name
        match metric.type:
            case "counter":
                self._counters[metric.name] = Counter(name, metric.help, metric.labels, registry=self._registry)
            case "gauge":
                self._gauges[metric.name] = Gauge(name, metric.help, metric.labels, registry=self._registry)
            case "histogram":
                self._histograms[metric.name] = Histogram(name, metric.help, metric.labels, buckets=metric.buckets, registry=self._registry)

    def _found(self, metrics: dict[str, M], name: str, labels: dict[str, str]) -> M:
        metric = metrics.get(name)
        if metric is None:
            raise UnknownMetricError(f"no such metric of this type: {PREFIX}{name}; METRICS lists them")
        if self._labels[name] != labels.keys():
            raise UnknownMetricError(f"{PREFIX}{name} has the labels {sorted(self._labels[name])}, not {sorted(labels)}")
        return metric
