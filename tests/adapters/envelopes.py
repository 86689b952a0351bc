"""Incidents and messages for tests of the transports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.adapters.local import NOON

from prunella.api.common import Metadata, ObjectRef
from prunella.api.incident import Escalation, Incident, IncidentSpec, IncidentStatus, Message, Times
from prunella.api.names import Cause, Impact, MessageKind, MessageState, Phase, Priority
from prunella.core.people.message import Envelope


def incident(*messages: Message, uid: str = "7d0f", **status: Any) -> Incident:
    target = ObjectRef(api_version="apps/v1", kind="Deployment", namespace="shop", name="checkout", uid="0e6c")
    escalation = Escalation(messages=messages)
    times = Times(started_time=NOON - timedelta(seconds=30), triggered_time=NOON)
    known = {"phase": Phase.TRIGGERED, "cause": Cause.ROLLOUT_CRASH_LOOP, "impact": Impact.SIGNIFICANT, "times": times, "escalation": escalation}
    return Incident(
        metadata=Metadata(name="checkout-7f3kq", namespace="shop", uid=uid),
        spec=IncidentSpec(title="checkout: revision 15 crash-loops", target_ref=target),
        status=IncidentStatus.model_validate(known | status),
    )


def message(key: str = "1/1/0/primary/ops", **changes: Any) -> Message:
    known = {"key": key, "kind": MessageKind.PAGE, "receiver": "ops", "state": MessageState.PENDING, "created_time": NOON}
    return Message.model_validate(known | changes)


def envelope(**changes: Any) -> Envelope:
    known: dict[str, Any] = {
        "key": "7d0f/1/1/0/primary/ops",
        "kind": MessageKind.PAGE,
        "receiver": "ops",
        "incident": incident(),
        "priority": Priority.P2,
        "title": "checkout: revision 15 crash-loops (exit code 1)",
        "text": "Revision 15 crash-loops. Acknowledge with kubectl prunella ack checkout-7f3kq -n shop",
        "time": NOON,
        "sequence": 3,
        "dedup_key": "7d0f/1",
        "event": "escalated",
    }
    return Envelope(**(known | changes))
