"""Signed CloudEvents over HTTP: one JSON document per message, for whatever a team runs itself.

Structured mode of CloudEvents 1.0 with a CDEvents 0.5 body. `id` is `<incident uid>-<episode>-<sequence>`, so that a receiver recognises a
redelivery by source and id. With a key '<key>-hmac' in the Secret the request is signed: `X-Prunella-Signature: v1=<hex>` is the HMAC-SHA256 of
`<X-Prunella-Timestamp>.<body>`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import datetime
from typing import Any, Final

from prunella.api.base import micro_time
from prunella.core.people.message import Envelope

from . import destinations
from .post import post
from .secrets import Credential

CONTENT_TYPE: Final = "application/cloudevents+json"
HMAC: Final = "hmac"
"""Suffix of the key that holds the signing key."""
_STANDARD: Final = {"detected": "dev.cdevents.incident.detected.0.3.0", "resolved": "dev.cdevents.incident.resolved.0.3.0"}
_CUSTOM: Final = "dev.cdeventsx.prunella-incident.{predicate}.0.1.0"


async def send(credential: Credential, envelope: Envelope, now: datetime, cluster: str, resolve: destinations.Resolve) -> None:
    """Post it. Raises Retryable or Permanent."""
    destination = await destinations.judge(credential.value, credential.allowed, resolve)
    body = json.dumps(event(envelope, cluster), ensure_ascii=True, allow_nan=False).encode()
    headers = {"Content-Type": CONTENT_TYPE, "Idempotency-Key": _header(envelope.key), "User-Agent": "prunella"}
    key = credential.companions.get(HMAC)
    if key is not None:
        headers |= signature(key, body, now)
    await post(destination, body, headers, who="the webhook")


def signature(key: str, body: bytes, now: datetime) -> dict[str, str]:
    """The two headers that prove who sent the body, and when (epoch seconds)."""
    timestamp = str(int(now.timestamp()))
    digest = hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return {"X-Prunella-Timestamp": timestamp, "X-Prunella-Signature": f"v1={digest}"}


def event(envelope: Envelope, cluster: str) -> dict[str, Any]:
    """The CloudEvent with the whole CDEvent as its data."""
    context = _context(envelope, cluster)
    return {
        "specversion": "1.0",
        "id": context["id"],
        "source": context["source"],
        "type": context["type"],
        "subject": envelope.incident.metadata.name,
        "time": context["timestamp"],
        "datacontenttype": "application/json",
        "data": {
            "context": context,
            "subject": _subject(envelope, cluster),
            "customData": _custom_data(envelope),
            "customDataContentType": "application/json",
        },
    }


def _context(envelope: Envelope, cluster: str) -> dict[str, Any]:
    incident = envelope.incident
    return {
        "specversion": "0.5.1",
        "id": f"{incident.metadata.uid}-{incident.status.episode}-{envelope.sequence}",
        "source": f"/clusters/{cluster}/prunella",
        "type": _STANDARD.get(envelope.event) or _CUSTOM.format(predicate=envelope.event.lower()),
        "timestamp": micro_time(envelope.time),
    }


def _subject(envelope: Envelope, cluster: str) -> dict[str, Any]:
    incident = envelope.incident
    return {
        "id": incident.metadata.name,
        "source": f"/clusters/{cluster}/incidents",
        "content": {
            "description": envelope.title,
            "environment": {"id": cluster},
            "service": {"id": incident.spec.target_ref.name, "source": f"/{cluster}/{incident.target_namespace}"},
        },
    }


def _custom_data(envelope: Envelope) -> dict[str, Any]:
    """What CDEvents has no field for. CDEvents allows extras here only."""
    incident, times = envelope.incident, envelope.incident.status.times
    data: dict[str, Any] = {
        "kind": str(envelope.kind),
        "receiver": envelope.receiver,
        "key": envelope.key,
        "incident": {"namespace": incident.metadata.namespace or "", "name": incident.metadata.name, "uid": incident.metadata.uid},
        "target": {"kind": incident.spec.target_ref.kind, "namespace": incident.target_namespace, "name": incident.spec.target_ref.name},
        "priority": str(envelope.priority),
        "phase": str(incident.status.phase or ""),
        "cause": str(incident.status.cause or ""),
        "episode": incident.status.episode,
        "title": envelope.title,
        "text": envelope.text,
        "details": envelope.details,
        "links": [{"title": title, "url": url} for title, url in envelope.links],
    }
    known = {"startedTime": times.started_time, "triggeredTime": times.triggered_time, "resolvedTime": times.resolved_time}
    return data | {name: micro_time(instant) for name, instant in known.items() if instant is not None}


def _header(value: str) -> str:
    """What a header may hold: printable ASCII. A key is made of names and numbers, so nothing is lost but trouble."""
    return "".join(character if " " < character < "\x7f" else "_" for character in value)
