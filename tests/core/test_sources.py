"""What an alert leaves on an Incident: its labels whole or not at all, and none that looks like a secret."""

from __future__ import annotations

import pytest
from tests.core.incident_builders import alert

from prunella.core.incident.sources import alert_summary, kept_labels

DECIDING = {"alertname": "HighErrors", "namespace": "shop"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("password", "hunter2"),
        ("db_password", "hunter2"),
        ("api_key", "k-1"),
        ("access_token", "0123"),
        ("url", "postgres://app:hunter2@db:5432/shop"),
        ("header", "Authorization: Bearer 0123456789abcdef"),
        ("found", "ghp_0123456789abcdefghij0123456789abcdef"),
        ("service", "postgres://app:hunter2@db:5432/shop"),
    ],
    ids=lambda text: text[:12],
)
def test_a_label_that_looks_like_a_secret_is_not_kept(name, value):
    assert kept_labels({**DECIDING, name: value}) == DECIDING


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("secret", "prunella-receivers"),
        ("alertname", "PasswordExpires"),
        ("service", "token-issuer"),
        ("container", "secret-store"),
        ("job", "api-key-rotation"),
        ("instance", "10.0.0.1:9090"),
        ("path", "/login?page=2"),
    ],
    ids=lambda text: text[:12],
)
def test_an_innocent_label_stays(name, value):
    assert kept_labels({**DECIDING, name: value})[name] == value


def test_the_alerts_sentence_is_redacted():
    said = alert(annotations={"summary": "login failed with password=hunter2 at postgres://app:hunter3@db"})
    assert alert_summary(said) == "HighErrors: login failed with password=[redacted] at postgres://[redacted]@db"
