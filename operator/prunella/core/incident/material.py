"""What of a status is worth a write. Counters, last sights and changing sentences ride along with the next write that is.

The rule this module protects: a flood of duplicates costs no writes to the API server, and a heal costs ten.
"""

from __future__ import annotations

import re
from typing import Final

from prunella.api.common import Condition
from prunella.api.incident import Decision, IncidentStatus, Message, Signal
from prunella.api.names import MessageKind, MessageState, SourceKind, Verdict

UNDER_WAY: Final = frozenset({"DwellRunning", "RolloutInProgress", "Allowed"})
"""Reasons of RemediationAllowed between which an attempt passes within moments: the Remediation tells, and the write after the effect."""
WORDS: Final = frozenset({"EvidenceMissing", "Paused", "StormActive"})
"""Reasons that are more than one thing, each of them somebody's to mend: another reader, another person's pause, another Incident at fault."""
_NUMBER: Final = re.compile(r"[0-9]+")


def tells_something(before: IncidentStatus, after: IncidentStatus) -> bool:
    """Whether storing the second would tell anybody anything new. Both are seen alike: what rides, by the second, is left out of both."""
    riding = rides(after)
    coming = riding or any(one.type == "RemediationAllowed" and one.reason in UNDER_WAY for one in after.conditions)
    if _signals_tell(before.signals, after.signals, riding=riding):
        return True
    return _material(before, riding=riding, coming=coming) != _material(after, riding=riding, coming=coming)


def _signals_tell(before: tuple[Signal, ...], after: tuple[Signal, ...], *, riding: bool) -> bool:
    if len(before) != len(after):
        return True
    return any(old is not new and _signal(old, riding=riding) != _signal(new, riding=riding) for old, new in zip(before, after, strict=True))


def _material(status: IncidentStatus, *, riding: bool, coming: bool) -> IncidentStatus:
    """`coming`: the plan is about to be carried out, and its Remediation will tell. Where nothing will be done, the plan itself is the news."""
    plan = status.plan.model_copy(update={"due_time": None, "since_time": None}) if status.plan is not None and not coming else None
    messages = tuple(_message(message) for message in status.escalation.messages)
    return status.model_copy(
        update={
            "summary": None,
            "plan": plan,
            "accused_revision": None if coming else status.accused_revision,
            "healthy_since_time": None if riding else status.healthy_since_time,
            "signals": (),
            # Made when an episode begins, which is a write; that another of them is suspected now follows from the accused revision.
            "changes": (),
            # That somebody added a Runbook that does not fit is no news for this Incident.
            "decisions": tuple(_decision(one) for one in status.decisions if one.verdict is not Verdict.NOT_CHOSEN),
            "conditions": tuple(_condition(one) for one in status.conditions),
            # When the next page is due follows from the policy and the times; that one was sent, or that it all ended, is told by other fields.
            "escalation": status.escalation.model_copy(update={"messages": messages, "next_action_time": None, "state": ""}),
        }
    )


def rides(status: IncidentStatus) -> bool:
    """Whether an attempt is about to begin or under way: its end is a write, and what only counts waits for it."""
    by_type = {one.type: one for one in status.conditions}
    if any(by_type[name].status == "True" for name in ("Mitigated", "Resolved") if name in by_type):
        return False
    allowed = by_type.get("RemediationAllowed")
    if allowed is not None and allowed.reason == "AwaitingApproval":
        return False  # that may take long, and people read meanwhile
    return (allowed is not None and allowed.reason == "Allowed") or any(not one.phase.final for one in status.remediations)


def replanned(before: IncidentStatus, after: IncidentStatus) -> bool:
    """Whether another revision is accused, or another plan made, than what stands there."""
    return (before.accused_revision, before.plan and before.plan.hash) != (after.accused_revision, after.plan and after.plan.hash)


def _signal(signal: Signal, *, riding: bool) -> Signal:
    quiet = {"count": 0, "last_seen_time": signal.first_seen_time, "summary": ""}
    if riding and signal.source is SourceKind.WATCH:
        # An attempt is under way and its end is a write: that the fault is gone, or comes back, is told then. The watch can be asked again at any
        # time; what an alert said was answered with 200 and stands nowhere else.
        quiet |= {"state": "", "last_resolved_end_time": None}
    return signal.model_copy(update=quiet)


def _message(message: Message) -> Message:
    """A page's fate is worth a write; a notice's receipt rides along."""
    if message.kind is not MessageKind.PAGE:
        return message.model_copy(update={"state": "", "sent_time": None, "attempts": 0, "error": None, "method": None})
    if message.state is not MessageState.PENDING:
        return message
    return message.model_copy(update={"attempts": 0, "error": None, "method": None})


def _decision(decision: Decision) -> tuple[str, str, str]:
    if decision.verdict in {Verdict.WAITING, Verdict.CHOSEN}:
        return (decision.about, "", "")
    return (decision.about, decision.verdict, decision.reason)


def _condition(condition: Condition) -> tuple[str, str, str, str]:
    """That it is something else now is news also where the reason is the same; numbers alone are none."""
    if condition.type == "RemediationAllowed" and condition.reason in UNDER_WAY:
        return (condition.type, "", "", "")
    words = _NUMBER.sub("0", condition.message) if condition.reason in WORDS else ""
    return (condition.type, condition.status, condition.reason, words)
