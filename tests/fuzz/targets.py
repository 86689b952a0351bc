"""What is done with a hostile input, and what must hold whatever it is.

The webhook's body goes the whole way: decoded, taken in, judged, told; a good alert beside it is on its Incident, nothing stored breaks the bounds
that the API server holds it to, and everything that is shown or sent can be made. A file is linted: every trouble has a place and a sentence.
"""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from tests.fakes.operator import Operator, Place, shop

from prunella.adapters.alertmanager.webhook_body import NotJson, WebhookBody, decode_webhook
from prunella.adapters.notify import pagerduty, webhook
from prunella.api.incident import Incident
from prunella.app.errors import PrunellaError
from prunella.cli import documents, judging
from prunella.core.people.message import envelope
from prunella.core.story import story

GOOD = {
    "status": "firing",
    "labels": {"alertname": "Good", "severity": "critical", "namespace": "shop", "deployment": "good"},
    "annotations": {"summary": "it must not be lost"},
    "startsAt": "2026-11-24T12:00:00Z",
    "endsAt": "0001-01-01T00:00:00Z",
}
LARGEST = 256 * 1024
"""Bytes of an Incident; it is some 10 KB, and 64 KiB with everything that may be on it."""


async def take(body: bytes) -> None:
    """A webhook's body, beside a good alert."""
    decoded = decode_webhook(body)
    assert isinstance(decoded, WebhookBody | NotJson)
    place = shop()
    place.cluster.create()
    place.cluster.create("good")
    operator = Operator(place)
    try:
        alerts = decoded.alerts if isinstance(decoded, WebhookBody) else ()
        await operator.take(*alerts, GOOD, truncated=decoded.truncated if isinstance(decoded, WebhookBody) else 0)
        await operator.run(400)
        _whole(place)
    finally:
        await operator.close()
    unexpected = [error for error in operator.retries if not isinstance(error, PrunellaError)]
    assert unexpected == []


def _whole(place: Place) -> None:
    incidents = place.api.all(Incident)
    assert [one for one in incidents if one.spec.target_ref.name == "good"], "the good alert is on its Incident"
    for one in incidents:
        wire = one.wire()
        Incident.model_validate(wire)  # the API server's bounds
        assert len(json.dumps(wire, allow_nan=False, ensure_ascii=False).encode()) < LARGEST
        "\n".join(story(one, [], place.clock.now(), guards=True).lines()).encode()
        for message in one.status.escalation.messages:
            told = envelope(one, message)
            for sent in (webhook.event(told, "box"), pagerduty.alert(told, "key", "box", "trigger"), pagerduty.change(told, "key", "box")):
                json.dumps(sent, allow_nan=False).encode()


def lint(file: Path) -> None:
    """A file that somebody wants to apply."""
    found = documents.read([file])
    troubles, _ = judging.judge(found.documents)
    for trouble in [*found.troubles, *troubles]:
        assert trouble.message.strip(), "a sentence"
        assert trouble.line >= 1
        assert trouble.column >= 1
        str(trouble).encode(errors="surrogatepass")
    if not found.troubles and not any(not one.warning for one in troubles):
        for document in found.documents:
            json.dumps(yaml.safe_load(yaml.safe_dump(document.data)), default=str)
