"""PagerDuty Events API v2.

A page triggers, an acknowledgement acknowledges, a stand-down resolves, all under one `dedup_key` per Incident and episode, so that a repeat is
one alert there. A notice becomes a change event, because those never alert anybody. 400 is never repeated; 429, 5xx and the network are, with the
same key.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from prunella.api.names import MessageKind, Priority
from prunella.core.people.message import Envelope

from . import destinations
from .post import post
from .secrets import Credential

ENDPOINT: Final = "https://events.pagerduty.com/v2/enqueue"
URL: Final = "url"
"""Suffix of the key that holds another endpoint."""
LONGEST_KEY: Final = 255
LONGEST_SUMMARY: Final = 1024
_SEVERITY: Final = {Priority.P1: "critical", Priority.P2: "error", Priority.P3: "warning", Priority.P4: "info"}


async def send(credential: Credential, envelope: Envelope, cluster: str, resolve: destinations.Resolve) -> None:
    """Enqueue the event. Raises Retryable or Permanent."""
    action = action_of(envelope)
    endpoint = credential.companions.get(URL, ENDPOINT)
    if action is None:
        document, endpoint = change(envelope, credential.value, cluster), _change_endpoint(endpoint)
    else:
        document = alert(envelope, credential.value, cluster, action)
    destination = await destinations.judge(endpoint, credential.allowed, resolve)
    body = json.dumps(document, ensure_ascii=True, allow_nan=False).encode()
    await post(destination, body, {"Content-Type": "application/json", "User-Agent": "prunella"}, who="PagerDuty")


def action_of(envelope: Envelope) -> str | None:
    """trigger, acknowledge or resolve; None for what must not alert."""
    match envelope.kind:
        case MessageKind.PAGE:
            return "trigger"
        case MessageKind.ACKNOWLEDGEMENT:
            return "acknowledge"
        case MessageKind.STAND_DOWN:
            return "resolve"
        case MessageKind.NOTICE:
            return None


def alert(envelope: Envelope, routing_key: str, cluster: str, action: str) -> dict[str, Any]:
    """Body of /v2/enqueue; acknowledge and resolve need three fields only."""
    document: dict[str, Any] = {"routing_key": routing_key, "event_action": action, "dedup_key": dedup_key(envelope)}
    if action != "trigger":
        return document
    target = envelope.incident.spec.target_ref
    payload = _payload(envelope, cluster) | {
        "severity": _SEVERITY[envelope.priority],
        "component": target.name,
        "group": envelope.incident.target_namespace,
        "class": str(envelope.incident.status.cause or ""),
    }
    return document | {"payload": payload, "client": "prunella", "links": _links(envelope)}


def change(envelope: Envelope, routing_key: str, cluster: str) -> dict[str, Any]:
    """Body of /v2/change/enqueue."""
    return {"routing_key": routing_key, "payload": _payload(envelope, cluster), "links": _links(envelope)}


def dedup_key(envelope: Envelope) -> str:
    """At most 255 characters: a longer key keeps its head and is told apart by a hash."""
    key = envelope.dedup_key or envelope.key
    if len(key) <= LONGEST_KEY:
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    return f"{key[: LONGEST_KEY - len(digest) - 1]}-{digest}"


def _payload(envelope: Envelope, cluster: str) -> dict[str, Any]:
    incident = envelope.incident
    name = f"{incident.metadata.namespace}/{incident.metadata.name}"
    return {
        "summary": f"[{envelope.priority}] {envelope.title}"[:LONGEST_SUMMARY],
        "source": f"{cluster}/{incident.target_namespace}",
        "timestamp": envelope.time.isoformat(timespec="milliseconds"),
        "custom_details": {"incident": name, "text": envelope.text, "impact": str(incident.status.impact or ""), **envelope.details},
    }


def _links(envelope: Envelope) -> list[dict[str, str]]:
    return [{"href": url, "text": title} for title, url in envelope.links]


def _change_endpoint(endpoint: str) -> str:
    """PagerDuty's own sibling of /v2/enqueue; an endpoint of another shape takes both."""
    return endpoint.removesuffix("/enqueue") + "/change/enqueue" if endpoint.endswith("/v2/enqueue") else endpoint
