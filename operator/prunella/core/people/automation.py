"""What paging needs to know of automation: whether it is at work, and whether it has just failed.

The rule this module protects: a page waits only while something is really being done, and a failure ends the waiting.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import ConditionStatus, Outcome, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.core.draft import Draft
from prunella.core.standing import firing, not_over, phase_of, reported, unknown, untried
from prunella.core.world import World

WAITING: Final = "DwellRunning"
PAGE: Final = "page"
"""What an escalate step leaves in its outcome: somebody is needed now."""
UNHEALED_SECONDS: Final = 1800
"""A target that stays unhealthy so long after its last signal ended is somebody's concern, detector or not."""
ALERT_GRACE_SECONDS: Final = 600
"""An alert may look back over the fault for a while after it was mended."""


def at_work(world: World, draft: Draft) -> bool:
    """Whether an attempt runs, or an allowed plan is in its dwell."""
    if draft.attempt is not None or any(_runs(one) for one in world.remediations):
        return True
    plan = draft.status.plan
    allowed = next((one for one in draft.status.conditions if one.type == "RemediationAllowed"), None)
    if plan is None or allowed is None:
        return False
    return allowed.status is ConditionStatus.TRUE or (allowed.reason == WAITING and not draft.idle)


def worked_until(world: World) -> datetime | None:
    """When the newest attempt ended; None where none has. Until then a step had a reason to wait."""
    ends = [one.status.ended_time or one.status.started_time for one in world.remediations]
    return max((end for end in ends if end is not None), default=None)


def failed_since(world: World, draft: Draft, since: datetime) -> bool:
    """Whether an attempt ended without mending, or can't be known, after that instant, and nothing is tried after it: a person is needed now."""
    return any(_needs_a_person(world, draft, one, since) for one in world.remediations)


def hurts(world: World, draft: Draft) -> tuple[bool, datetime | None]:
    """Whether anything fires that somebody may be woken for; else when to look again."""
    grace = _alert_grace(draft)
    if grace is not None and draft.now < grace:
        return False, grace
    fires = any(not world.is_past(one) for one in firing(draft.status))
    if fires or reported(world.incident) or unknown(world.remediations) is not None:
        return True, None
    began = draft.status.episodes[-1].triggered_time if draft.status.episodes else draft.now
    begun = (one for one in world.remediations if one.status.started_time is not None and not untried(one))
    if any(_needs_a_person(world, draft, one, began) for one in begun):
        return True, None  # what was done did not help, or nobody can tell: that the signal went quiet proves nothing
    if not_over(draft.status) or draft.status.healthy_since_time is not None:
        return False, None
    ends = [one.last_resolved_end_time or one.last_seen_time for one in draft.status.signals]
    due = max(ends, default=draft.now) + timedelta(seconds=UNHEALED_SECONDS)
    return draft.now >= due, due


def _runs(one: Remediation) -> bool:
    phase = phase_of(one)
    if one.status.asking is not None:
        return False  # it waits for people
    if phase is not RemediationPhase.PENDING:
        return phase in {RemediationPhase.DISPATCHED, RemediationPhase.VERIFYING}
    blocked = any(condition.type == "RemediationAllowed" and condition.status is ConditionStatus.FALSE for condition in one.status.conditions)
    return not blocked


def _followed(world: World, draft: Draft, one: Remediation) -> bool:
    """Whether another Runbook is about to be tried after this attempt, is being tried, or has mended what this one did not."""
    later = (other for other in world.remediations if one.metadata.name in other.spec.after)
    return one.metadata.name in draft.followed or any(_runs(other) or other.status.outcome is Outcome.REMEDIATED for other in later)


def _needs_a_person(world: World, draft: Draft, one: Remediation, since: datetime) -> bool:
    phase = phase_of(one)
    if any(step.outcome is not None and PAGE in step.outcome.after and step.outcome.observed_time > since for step in one.status.steps):
        return True
    if phase is RemediationPhase.FAILED:
        return one.status.ended_time is not None and one.status.ended_time > since and not _followed(world, draft, one)
    return phase is RemediationPhase.UNKNOWN and one.status.started_time is not None and one.status.started_time > since


def _alert_grace(draft: Draft) -> datetime | None:
    mitigated = next((one for one in draft.status.conditions if one.type == "Mitigated" and one.status is ConditionStatus.TRUE), None)
    return mitigated.last_transition_time + timedelta(seconds=ALERT_GRACE_SECONDS) if mitigated is not None else None
