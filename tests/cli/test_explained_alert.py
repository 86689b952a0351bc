"""The alert that `explain --alert` supposes: what may be given, what is added, and what it can't be about."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from prunella.api.common import ObjectRef
from prunella.app.errors import Permanent
from prunella.cli.explained_alert import alert_of

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TARGET = ObjectRef(api_version="apps/v1", kind="StatefulSet", namespace="shop", name="ledger", uid="u")


@pytest.mark.parametrize(
    "text",
    [
        '{alertname="Slow", severity="page"}',
        'alertname="Slow",severity="page",namespace="shop"',
        '{alertname="Slow", severity="page", statefulset="ledger"}',
    ],
)
def test_what_names_the_target_is_added(text):
    made = alert_of(text, TARGET, NOW)
    assert made.labels == {"alertname": "Slow", "severity": "page", "namespace": "shop", "statefulset": "ledger"}
    assert (made.state, made.starts_time, made.received_time) == ("firing", NOW, NOW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{alertname=~"Slow"}', "give each label once, with '=': alertname=~"),
        ('{alertname!="Slow"}', "give each label once, with '='"),
        ('{alertname="Slow", alertname="Fast"}', "give each label once, with '='"),
        ('{severity="page"}', "--alert needs an alertname"),
        ("Slow", "--alert can't be read: expected =, !=, =~ or !~ after 'Slow'"),
        ("{}", "--alert can't be read"),
        ('{alertname="Slow", namespace="pay"}', 'an alert with namespace="pay" is not about StatefulSet shop/ledger'),
        ('{alertname="Slow", statefulset="book"}', 'an alert with statefulset="book" is not about StatefulSet shop/ledger'),
        ('{alertname="Slow", deployment="ledger"}', 'an alert with deployment="ledger" is not about StatefulSet shop/ledger'),
    ],
)
def test_what_can_be_no_such_alert_is_refused(text, said):
    with pytest.raises(Permanent) as refused:
        alert_of(text, TARGET, NOW)
    assert said in str(refused.value)
