"""Whom a run tells that a person asked for, and that waits for approval: those whom the owner of its target wants told.

The rule this module protects: whoever may answer does not learn by chance that somebody waits. It wakes nobody: what is asked for is no fault.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Final

from prunella.api.common import Condition
from prunella.api.incident import Escalation, Incident, IncidentStatus, Owner
from prunella.api.incident_telling import Message
from prunella.api.names import MessageKind
from prunella.api.remediation import Remediation
from prunella.core.draft import Draft
from prunella.core.standing import phase_of
from prunella.core.subject import short
from prunella.core.world import Delivery, World

from . import message, notices, pages, responders

MOST: Final = 20
"""So many are told of one thing: what was told of others stays on record."""


def waits(request: Remediation) -> bool:
    """Whether people are asked about it."""
    said = _said(request)
    return said is not None and said.reason == "AwaitingApproval" and not phase_of(request).final


def told(request: Remediation) -> bool:
    """Whether what it asks now was told already."""
    return any(one.key.startswith(f"{_about(request)}/") for one in request.status.messages)


def tell(world: World, request: Remediation, owner: Owner | None) -> tuple[Message, ...]:
    """Its messages with a new one to each whom the owner of the target wants told, once for each thing that it asks."""
    draft = _draft(request, world.now)
    policy = responders.find(world, owner.escalation_policy_ref if owner is not None else None)
    for receiver in notices.owners(world, policy.spec if policy is not None else None)[:MOST]:
        draft = pages.add(draft, key=f"{_about(request)}/{receiver}", kind=MessageKind.NOTICE, receiver=receiver, text=_text(request))
    return draft.status.escalation.messages


def received(request: Remediation, deliveries: Iterable[Delivery], now: datetime) -> tuple[Message, ...]:
    """Its messages with what became of them."""
    return pages.receive(_draft(request, now), deliveries).status.escalation.messages


def carrying(incident: Incident, request: Remediation) -> Incident:
    """The run as the outbox knows a story. It is never stored."""
    escalation = Escalation(messages=request.status.messages)
    ref = request.spec.target_ref
    return incident.model_copy(update={"status": incident.status.model_copy(update={"escalation": escalation, "target": short(ref.kind, ref.name)})})


def envelope(incident: Incident, one: Message) -> message.Envelope:
    """As it is sent: what it says has the command that answers it, and there is no Incident to look at or to take."""
    return replace(message.envelope(incident, one), text=one.text)


def _draft(request: Remediation, now: datetime) -> Draft:
    return Draft(status=IncidentStatus(escalation=Escalation(messages=request.status.messages)), now=now)


def _about(request: Remediation) -> str:
    asking = request.status.asking
    return "1/approval" if asking is None else f"1/approval.{asking.step}.{asking.times}"


def _text(request: Remediation) -> str:
    said, ref, spec = _said(request), request.spec.target_ref, request.spec
    waits_for = said.message if said is not None else "it waits for approval"
    return f"{short(ref.kind, ref.name)}: {spec.requested_by} asks for a run of {spec.runbook_ref.name}: {waits_for}"[:1024]


def _said(request: Remediation) -> Condition | None:
    return next((one for one in request.status.conditions if one.type == "Approved"), None)
