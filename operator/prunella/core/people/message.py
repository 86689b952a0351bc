"""What is told to a person or a channel, independent of how it travels."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from prunella.api.incident import Incident, Message
from prunella.api.names import MessageKind, Priority
from prunella.core import commands


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One message for one receiver. Text is redacted already; `key` makes a repeat recognisable at the provider."""

    key: str
    """<incident uid>/<message key>: the provider's dedup or idempotency key."""
    kind: MessageKind
    receiver: str
    incident: Incident
    priority: Priority
    title: str
    """One line: what is wrong or what was done."""
    text: str
    """A few sentences, with the command that acknowledges and the one that explains."""
    time: datetime
    sequence: int = 0
    dedup_key: str = ""
    """One per Incident and episode: pages trigger it, acknowledgement and stand-down end it (PagerDuty's dedup_key)."""
    event: str = "escalated"
    """The CloudEvents predicate: detected, acknowledged, escalated, remediated, resolved, ..."""
    links: tuple[tuple[str, str], ...] = ()
    details: dict[str, str] = field(default_factory=dict)


def envelope(incident: Incident, message: Message, *, links: tuple[tuple[str, str], ...] = ()) -> Envelope:
    """A stored message as it is sent: with the commands to copy, and keys by which the provider recognises a repeat."""
    status, metadata = incident.status, incident.metadata
    episode = message.key.partition("/")[0]
    where = f"{metadata.namespace}/{metadata.name}" if metadata.namespace else metadata.name
    return Envelope(
        key=f"{metadata.uid}/{message.key}",
        kind=message.kind,
        receiver=message.receiver,
        incident=incident,
        priority=status.priority or Priority.P1,
        title=_title(incident, message),
        text=_text(incident, message),
        time=message.created_time,
        sequence=status.timeline[-1].sequence if status.timeline else 0,
        dedup_key=f"{where}/{metadata.uid}/{episode}",
        event=_event(message),
        links=links,
        details=_details(incident, message),
    )


def _title(incident: Incident, message: Message) -> str:
    target = incident.status.target or incident.spec.target_ref.name
    summary = incident.status.summary or incident.spec.title
    match message.kind:
        case MessageKind.PAGE:
            title = f"[{incident.status.priority or Priority.P1}] {target}: {summary}"
        case MessageKind.STAND_DOWN:
            title = f"Stand down: {target}"
        case MessageKind.ACKNOWLEDGEMENT:
            title = f"Taken: {message.text}"
        case MessageKind.NOTICE:
            title = f"For your information: {message.text}"
    return title[:253]


def _text(incident: Incident, message: Message) -> str:
    explain = f"To see the whole story: {commands.explain(incident)}"
    if message.kind is not MessageKind.PAGE:
        return f"{message.text}\n{explain}"
    lines = [message.text]
    lines += _changed(incident)
    if incident.status.plan is not None:
        lines.append(f"Plan: {incident.status.plan.summary}")
    refused = next((one for one in incident.status.conditions if one.type == "RemediationAllowed" and one.status != "True"), None)
    if refused is not None:
        lines.append(f"Automation: {refused.reason}. {refused.message}".rstrip())
    lines += [f"To take it: {commands.acknowledge(incident, episode=incident.status.episode)}", explain]
    return "\n".join(lines)


def _changed(incident: Incident) -> list[str]:
    """The change that is suspected, else the newest; and how many more there are."""
    changes = incident.status.changes
    if not changes:
        return []
    one = next((change for change in changes if change.suspected), changes[0])
    more = f"; {len(changes) - 1} more in status.changes" if len(changes) > 1 else ""
    return [f"Changed {one.time:%H:%M:%S} UTC{', suspected' if one.suspected else ''}: {one.target}: {one.message}{more}"]


def _event(message: Message) -> str:
    match message.kind:
        case MessageKind.PAGE:
            return "escalated"
        case MessageKind.STAND_DOWN:
            return "resolved"
        case MessageKind.ACKNOWLEDGEMENT:
            return "acknowledged"
        case MessageKind.NOTICE:
            return "notified"


def _details(incident: Incident, message: Message) -> dict[str, str]:
    status = incident.status
    facts = {
        "incident": incident.metadata.name,
        "namespace": incident.metadata.namespace or "",
        "cause": str(status.cause or ""),
        "impact": str(status.impact or ""),
        "team": (status.owner.team if status.owner else None) or "",
        "step": message.step or "",
        "remediation": status.remediation or "",
    }
    return {name: value for name, value in facts.items() if value}
