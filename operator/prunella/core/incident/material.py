"""What of a status is worth a write. Counters, last sights and changing sentences ride along with the next write that is.

The rule this module protects: a flood of duplicates costs no writes to the API server.
"""

from __future__ import annotations

from prunella.api.incident import IncidentStatus, Message, Signal
from prunella.api.names import MessageState


def material(status: IncidentStatus) -> object:
    """A value that is equal for two statuses exactly where storing the second would tell nobody anything new."""
    escalation = status.escalation.model_copy(update={"messages": tuple(_message(message) for message in status.escalation.messages)})
    return status.model_copy(
        update={
            "summary": None,
            "signals": tuple(_signal(signal) for signal in status.signals),
            "decisions": tuple((one.about, one.verdict, one.reason) for one in status.decisions),
            "conditions": tuple((one.type, one.status, one.reason) for one in status.conditions),
            "escalation": escalation,
        }
    )


def _signal(signal: Signal) -> Signal:
    return signal.model_copy(update={"count": 0, "last_seen_time": signal.first_seen_time, "summary": ""})


def _message(message: Message) -> Message:
    if message.state is not MessageState.PENDING:
        return message
    return message.model_copy(update={"attempts": 0, "error": None, "method": None})
