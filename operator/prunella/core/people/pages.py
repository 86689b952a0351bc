"""The outbox on the Incident: messages by key, what became of them, and how the list stays bounded.

The rule this module protects: a message is stored as Pending before it is sent, its key is never used twice, and everyone who was paged can be told
when it is over.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prunella.api.incident import IncidentStatus, Message
from prunella.api.names import MessageKind, MessageState
from prunella.core.draft import Draft
from prunella.core.world import Delivery

CAP: Final = 64
CATCH_ALL: Final = "catchAll"
OPEN: Final = frozenset({MessageState.PENDING, MessageState.SENT})


def page_key(status: IncidentStatus, loop: int, step: str, receiver: str) -> str:
    """Key of a page. Built here and nowhere else."""
    return f"{status.episode}/{status.escalation.run}/{loop}/{step}/{receiver}"


def receive(draft: Draft, deliveries: Iterable[Delivery]) -> Draft:
    """What the outbox says of the messages. The first page that arrives is the time of notification."""
    for delivery in deliveries:
        message = next((one for one in draft.status.escalation.messages if one.key == delivery.key), None)
        message = message or _withdrawn(draft, delivery)
        if message is None or message.state is MessageState.DELIVERED or (message.state is MessageState.FAILED and not delivery.delivered):
            continue
        draft = put(draft, _after(message, delivery))
        if delivery.delivered and message.kind is MessageKind.PAGE and message.key.startswith(f"{draft.status.episode}/"):
            draft = draft.time("notified_time", delivery.time)
    return draft


def put(draft: Draft, message: Message) -> Draft:
    """The outbox with this message: a known key is replaced, a new one appended."""
    messages = draft.status.escalation.messages
    if any(one.key == message.key for one in messages):
        messages = tuple(message if one.key == message.key else one for one in messages)
    else:
        messages = bounded((*messages, message))
    return _with(draft, messages)


def add(draft: Draft, *, key: str, kind: MessageKind, receiver: str, text: str, step: str | None = None) -> Draft:
    """A new Pending message; nothing where its key is there already."""
    if any(one.key == key for one in draft.status.escalation.messages):
        return draft
    pending = Message(key=key, kind=kind, receiver=receiver, state=MessageState.PENDING, created_time=draft.now, step=step, text=text[:1024])
    return put(draft, pending)


def withdraw_unsent(draft: Draft) -> Draft:
    """Pages that nobody tried to send yet are not needed any more."""
    kept = tuple(
        one for one in draft.status.escalation.messages if one.kind is not MessageKind.PAGE or one.state is not MessageState.PENDING or one.attempts
    )
    return draft if len(kept) == len(draft.status.escalation.messages) else _with(draft, kept)


def of_episode(status: IncidentStatus, kind: MessageKind = MessageKind.PAGE) -> tuple[Message, ...]:
    """Messages of one kind that the current episode brought."""
    prefix = f"{status.episode}/"
    return tuple(one for one in status.escalation.messages if one.kind is kind and one.key.startswith(prefix))


def of_run(status: IncidentStatus) -> tuple[Message, ...]:
    """Pages of the present run of the escalation."""
    prefix = f"{status.episode}/{status.escalation.run}/"
    return tuple(one for one in status.escalation.messages if one.kind is MessageKind.PAGE and one.key.startswith(prefix))


def last_sent_together(status: IncidentStatus) -> tuple[Message, ...]:
    """The newest pages of the run: those that one decision made."""
    pages = of_run(status)
    return tuple(one for one in pages if one.created_time == pages[-1].created_time) if pages else ()


def stand_down(draft: Draft, text: str) -> Draft:
    """Tell everyone who was paged in this episode, once each."""
    episode = draft.status.episode
    paged = [one.receiver for one in of_episode(draft.status) if one.state is not MessageState.FAILED]
    for receiver in dict.fromkeys(paged):
        draft = add(draft, key=f"{episode}/standdown/{receiver}", kind=MessageKind.STAND_DOWN, receiver=receiver, text=text)
    return draft


def taken(draft: Draft, text: str) -> Draft:
    """Tell everyone who was paged in this run that somebody has it, once each."""
    run = f"{draft.status.episode}/{draft.status.escalation.run}"
    paged = [one.receiver for one in of_run(draft.status) if one.state is not MessageState.FAILED]
    for receiver in dict.fromkeys(paged):
        draft = add(draft, key=f"{run}/acknowledged/{receiver}", kind=MessageKind.ACKNOWLEDGEMENT, receiver=receiver, text=text)
    return draft


def bounded(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """At most 64. What goes first: pages that ended and whose receiver has a newer one; then the oldest that ended."""
    while len(messages) > CAP:
        victim = next((one for index, one in enumerate(messages) if _replaceable(one, messages[index + 1 :])), None)
        victim = victim or next((one for one in messages if one.state not in OPEN), None) or messages[0]
        messages = tuple(one for one in messages if one.key != victim.key)
    return messages


def _replaceable(message: Message, later: tuple[Message, ...]) -> bool:
    return (
        message.kind is MessageKind.PAGE
        and message.state not in OPEN
        and any(one.kind is message.kind and one.receiver == message.receiver for one in later)
    )


def _after(message: Message, delivery: Delivery) -> Message:
    sent: datetime | None = message.sent_time
    if delivery.delivered:
        state, sent = MessageState.DELIVERED, delivery.time
    else:
        state = MessageState.FAILED if delivery.final else message.state
    return message.model_copy(
        update={
            "state": state,
            "sent_time": sent,
            "method": (delivery.method or message.method or "")[:63] or None,
            "attempts": max(message.attempts, delivery.attempts),
            "error": (delivery.error or ("" if delivery.delivered else "it could not be delivered"))[:1024] or None,
        }
    )


def _withdrawn(draft: Draft, delivery: Delivery) -> Message | None:
    """A page that was on its way when it was withdrawn: somebody was disturbed, so it goes on record and is stood down."""
    parts = delivery.key.split("/")
    if not delivery.delivered or len(parts) != 5 or parts[0] != str(draft.status.episode):  # noqa: PLR2004 (the parts of `page_key`)
        return None
    return Message(
        key=delivery.key,
        kind=MessageKind.PAGE,
        receiver=parts[4],
        state=MessageState.PENDING,
        created_time=delivery.time,
        step=parts[3],
    )


def _with(draft: Draft, messages: tuple[Message, ...]) -> Draft:
    return draft.with_status(escalation=draft.status.escalation.model_copy(update={"messages": messages}))
