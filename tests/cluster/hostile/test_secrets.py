"""Planted secrets are looked for wherever they must not be: receivers' addresses and keys, webhook tokens, what pods print, what alerts carry.

An innocent word stands beside each, and must be found: else the search would prove nothing.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from tests.cluster.hostile.ways import PASSWORD, PATH_SECRET, ROUTING_KEY, SIGNING_KEY
from tests.harness import prometheus, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, outline
from tests.harness.installation import RECEIVER, WEB, Installation, escalation_policy, kubectl
from tests.harness.receiver import fail
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(150, func_only=True)]

BEARER = "pl4nted-bearer-0123456789abcdef"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwbDRudGVkIn0.cGw0bnRlZC1zaWduYXR1cmU"
KEY = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7PL4NTED"
SCRIPT = f"""
echo 'starting with innocent-word'
echo 'db: postgres://app:{PASSWORD}@db:5432/shop'
echo 'DB_PASSWORD={PASSWORD}'
echo 'Authorization: Bearer {BEARER}'
echo 'session {JWT} expired'
echo '-----BEGIN PRIVATE KEY-----'; echo '{KEY}'; echo '-----END PRIVATE KEY-----'
exit 1
"""


@dataclass(frozen=True)
class Told:
    """Where secrets could have gone, as text."""

    places: dict[str, str]


@pytest.fixture(scope="module")
def told(installation: Installation) -> Iterator[Told]:
    """A pod that prints secrets and ends, an alert that carries some, and a page by the last of five ways."""
    arena = Arena(installation, "secrets")
    steps: list[Object] = [{"name": "first", "afterSeconds": 0, "waitWhileRemediatingSeconds": 0, "notify": [{"contactRef": {"name": "five-ways"}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps, notices=[]))
    fail(RECEIVER, f"/{PATH_SECRET}?token={PATH_SECRET}", arena.namespace, 403)
    fail(RECEIVER, "/v2/broken", arena.namespace, 400)
    arena.kubectl_apply(workloads.deployment("leaky", arena.namespace, replicas=1, command=["sh", "-c", SCRIPT]))
    wait_for(lambda: "Error" in arena.pods_in_words("leaky"), 60, "it has crashed", seen=lambda: arena.pods_in_words("leaky"))
    labels = {"alertname": "Leaky", "severity": "critical", "namespace": arena.namespace, "deployment": "leaky"}
    labels |= {"db_password": PASSWORD, "url": f"postgres://app:{PASSWORD}@db", "header": f"Bearer {BEARER}", "note": "innocent-label"}
    alert = prometheus.alert(labels) | {"annotations": {"summary": f"innocent-summary password={PASSWORD} {JWT}", "description": BEARER}}
    malformed = prometheus.alert({**labels, "alertname": "Malformed"}) | {"startsAt": f"Bearer {BEARER}"}
    assert prometheus.webhook(prometheus.body(alert, malformed), installation.token) == 200
    assert prometheus.webhook(prometheus.body(alert), BEARER) == 401
    incident = arena.incident("leaky")

    def finished(one: Object) -> bool:
        return bool(one["status"].get("evidence")) and any(page["state"] == "Delivered" for page in one["status"]["escalation"]["messages"])

    incident = arena.when(incident, finished, "is told, with its evidence", seconds=60)
    yield Told(gathered(arena, incident))
    arena.close()


def gathered(arena: Arena, incident: Object) -> dict[str, str]:
    kinds = "incidents,remediations,runbooks,escalationpolicies,catalogentries,workloadrecords,healingpolicies,configmaps,leases"
    with urllib.request.urlopen(f"{WEB}/metrics", timeout=10) as answer:
        metrics = answer.read().decode()
    return {
        "our objects": kubectl("get", kinds, "-A", "-o", "json", "--show-managed-fields").stdout,
        "Events": kubectl("get", "events", "-A", "-o", "json").stdout,
        "the log": arena.installation.log.read_text(errors="replace"),
        "metrics": metrics,
        "messages": "\n".join(json.dumps([one.raw, one.headers]) for one in arena.inbox.posts(delivered=False)),
        "explain": outline(incident),
    }


PLANTED = {
    "a password": PASSWORD,
    "a bearer token": BEARER,
    "a JWT": JWT,
    "a private key": KEY,
    "a receiver's path": PATH_SECRET,
    "a signing key": SIGNING_KEY,
    "a routing key": ROUTING_KEY,
}


@pytest.mark.parametrize("secret", PLANTED)
def test_a_secret_stands_nowhere(told: Told, installation: Installation, secret: str):
    value = PLANTED[secret]
    for place, text in told.places.items():
        if secret == "a routing key" and place == "messages":
            continue  # there it belongs: PagerDuty's own field
        for dress in (value, base64.b64encode(value.encode()).decode(), json.dumps(value)[1:-1]):
            assert dress not in text, f"{secret} stands in {place}: …{text[max(0, text.find(dress) - 200) : text.find(dress)]}"


def test_the_webhooks_own_token_stands_nowhere(told: Told, installation: Installation):
    for place, text in told.places.items():
        assert installation.token not in text, place


def test_the_search_would_find_them(told: Told):
    assert "innocent-word" in told.places["our objects"], "the pod's log is kept as evidence"
    assert "innocent-label" in told.places["our objects"]
    for place in ("our objects", "messages", "Events"):
        assert "innocent-summary" in told.places[place] or "leaky" in told.places[place], place
    assert "A method of a receiver did not deliver" in told.places["the log"]
    assert ROUTING_KEY in told.places["messages"]
    assert "PagerDuty refused the message with 400" in told.places["our objects"]
