"""Every metric is declared once; what is not declared is a fault of the program."""

import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from prunella.adapters.telemetry import METRICS, PrometheusTelemetry, UnknownMetricError

STARRED = [
    "incidents",
    "incidents_opened_total",
    "incidents_closed_total",
    "incident_time_to_detect_seconds",
    "incident_time_to_receive_seconds",
    "incident_time_to_notify_seconds",
    "incident_time_to_execute_seconds",
    "incident_time_to_acknowledge_seconds",
    "incident_time_to_mitigate_seconds",
    "incident_time_to_resolve_seconds",
    "incident_time_to_close_seconds",
    "incidents_reopened_total",
    "incidents_unacknowledged_total",
    "alerts_received_total",
    "alerts_stale_dropped_total",
    "alert_source_age_seconds",
    "webhook_requests_total",
    "webhook_oversize_total",
    "remediations_total",
    "remediations_blocked_total",
    "remediation_effect_delay_seconds",
    "remediation_duration_seconds",
    "storm_active",
    "breakers_open",
    "notifications_total",
    "pages_unreachable_total",
    "watch_lag_seconds",
    "watch_reconnects_total",
    "queue_depth",
    "queue_retries_total",
    "reconcile_duration_seconds",
    "overdue_timers",
    "api_requests_total",
    "leader",
    "build_info",
]


def test_every_metric_that_is_promised_is_declared_and_no_other():
    assert sorted(metric.name for metric in METRICS) == sorted(STARRED)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_metric_follows_the_conventions(metric):
    assert re.fullmatch(r"[a-z][a-z_]*[a-z]", metric.name)
    assert (metric.type == "counter") == metric.name.endswith("_total")
    assert (metric.type == "histogram") == bool(metric.buckets)
    assert metric.type != "histogram" or metric.name.endswith("_seconds")
    assert list(metric.buckets) == sorted(metric.buckets)
    assert metric.help.endswith(".")
    assert not {"incident", "pod", "fingerprint", "name"} & set(metric.labels)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_each_metric_can_be_written_and_is_exposed(metric):
    telemetry = PrometheusTelemetry("0.1.0")
    labels = dict.fromkeys(metric.labels, "some")
    match metric.type:
        case "counter":
            telemetry.count(metric.name, 2, **labels)
        case "gauge":
            telemetry.gauge(metric.name, 2, **labels)
        case "histogram":
            telemetry.observe(metric.name, 2, **labels)
    suffix = "_sum" if metric.type == "histogram" else ""
    samples = [sample for family in text_string_to_metric_families(telemetry.expose().decode()) for sample in family.samples]
    assert [sample.value for sample in samples if sample.name == f"prunella_{metric.name}{suffix}" and sample.labels == labels] == [2]


def test_the_version_is_told_and_no_second_series_per_counter():
    telemetry = PrometheusTelemetry("0.1.0")
    telemetry.count("webhook_oversize_total")
    exposed = telemetry.expose().decode()
    assert 'prunella_build_info{version="0.1.0"} 1.0' in exposed
    assert "_created" not in exposed


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda one: one.count("nope_total"), "no such metric of this type: prunella_nope_total; METRICS lists them"),
        (lambda one: one.gauge("webhook_oversize_total", 1), "no such metric of this type: prunella_webhook_oversize_total; METRICS lists them"),
        (lambda one: one.count("webhook_requests_total"), "prunella_webhook_requests_total has the labels ['code'], not []"),
        (lambda one: one.observe("queue_depth", 1, queue="x"), "no such metric of this type: prunella_queue_depth; METRICS lists them"),
        (lambda one: one.gauge("queue_depth", 1, pod="x"), "prunella_queue_depth has the labels ['queue'], not ['pod']"),
    ],
    ids=["unknown", "other type", "no labels", "gauge observed", "wrong label"],
)
def test_an_undeclared_name_or_label_raises(write, message):
    with pytest.raises(UnknownMetricError) as raised:
        write(PrometheusTelemetry("0.1.0"))
    assert str(raised.value) == message


def test_two_of_them_live_side_by_side():
    first, second = PrometheusTelemetry("1"), PrometheusTelemetry("2")
    first.count("webhook_oversize_total")
    assert "prunella_webhook_oversize_total 1.0" in first.expose().decode()
    assert "prunella_webhook_oversize_total 0.0" in second.expose().decode()
