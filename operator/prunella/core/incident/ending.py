"""The end of an episode: its times, its conditions, and the one sentence that closes the story.

The rule this module protects: an Incident ends once, and the sentence says how long it hurt and who was disturbed.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from prunella.api.names import ConditionStatus, MessageKind
from prunella.core.draft import Draft
from prunella.core.world import World

from . import times
from .correlate import reopen_window_seconds
from .states import State, check_move


def resolve(world: World, draft: Draft, reason: str, message: str, *, resolved: datetime, automation: bool, by: str = "prunella") -> Draft:
    """End the episode. `resolved` is the start of the healthy period; `automation` whether an attempt brought it."""
    check_move(draft.status, State.RESOLVED)
    source = "Operator" if by == "prunella" else "Human"
    resolved = min(max(resolved, draft.status.times.started_time or resolved), draft.now)
    draft = draft.time("resolved_time", resolved, source, by=None if by == "prunella" else by)
    draft = draft.time("resolution_confirmed_time", draft.now)
    draft = draft.with_status(
        episodes=times.kept(draft.status),
        healthy_since_time=None,
        watch_until_time=resolved + timedelta(seconds=reopen_window_seconds(draft.status.priority)),
    )
    draft = draft.condition("Resolved", ConditionStatus.TRUE, reason, message)
    draft = draft.count(
        "incidents_closed_total", priority=str(draft.status.priority or "P1"), cause=str(draft.status.cause or "Reported"), outcome=reason
    )
    if draft.status.times.acknowledged_time is None and by == "prunella":
        draft = draft.count("incidents_unacknowledged_total", reason="Automation" if automation else "AutoResolved")
    began = "began" if draft.status.episode == 1 else "came back"
    took = times.human(times.spans(draft.status.times).resolve_seconds or 0)
    opening = "" if reason == "Verified" else f"{message}; "
    return draft.note("Resolved", f"{opening}{took} after the fault {began}; {told(world, draft)}", by=by)


def told(world: World, draft: Draft) -> str:
    """Who was disturbed in this episode, and who was only told."""
    here = [one for one in draft.status.escalation.messages if one.key.startswith(f"{draft.status.episode}/")]
    arrived = {delivery.key for delivery in world.deliveries}
    paged = _names([one.receiver for one in here if one.kind is MessageKind.PAGE and (one.attempts or one.sent_time or one.key in arrived)])
    noticed = [one.receiver for one in here if one.kind is MessageKind.NOTICE]
    team = draft.status.owner.team if draft.status.owner else None
    said = f"{paged} was paged" if paged and " and " not in paged else (f"{paged} were paged" if paged else "nobody was paged")
    return f"{said}, {team or _names(noticed)} was told" if noticed else said


def _names(receivers: list[str]) -> str:
    distinct = list(dict.fromkeys(receivers))
    return distinct[0] if len(distinct) == 1 else f"{', '.join(distinct[:-1])} and {distinct[-1]}" if distinct else ""
