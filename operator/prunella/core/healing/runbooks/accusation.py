"""Which revision is accused, and whether the rollout is really at fault.

Only a watch finding, or an alert whose one running revision is the newest, accuses. Without a young change, or one that began before our eyes, and
without a revision that worked, nothing is rolled back.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Signal
from prunella.api.workload_record import WorkloadRecord
from prunella.core.facts import Finding, Revision, WorkloadFacts
from prunella.core.healing.known import known_good
from prunella.core.healing.refusal import Refusal
from prunella.core.world import World

from .match import Fit

WINDOW = timedelta(seconds=1800)
"""A change older than this is not taken for the fault's cause, unless it began before our eyes."""


SOON: Final = timedelta(seconds=10)
"""When to look again where what is missing comes back by itself, and no event tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accused:
    """The revision that is accused, and by what."""

    revision: Revision
    finding: Finding | None = None
    """None where only an alert accuses."""
    alert: Signal | None = None


def accuse(world: World, fit: Fit) -> Accused | Refusal:
    """The accused revision, or why none can be accused."""
    facts = world.workload
    if facts is None or facts.newest is None:
        return Refusal(reason="NoKnownGood", message="no revision of the target is stored: there is nothing to go back to")
    if not world.watch_fresh:
        message = "a watch of the cluster is silent: what is known of the target may be old"
        return Refusal(reason="EvidenceMissing", message=message, look_again_time=world.now + SOON)
    finding = world.known_finding
    if finding is not None and finding.accused_revision:
        revision = facts.revision(finding.accused_revision)
        if revision is not None:
            return Accused(revision=revision, finding=finding)
    if fit.by_alert is None:
        return Refusal(
            reason="RolloutInProgress", message="no revision of the target can be accused now; it is looked at again when something changes"
        )
    others = {pod.revision for pod in facts.pods if not pod.deleting} - {facts.newest.hash}
    if others:
        return Refusal(reason="RolloutInProgress", message="an alert accuses no revision while two of them run")
    return Accused(revision=facts.newest, alert=fit.by_alert)


def guilty(world: World, facts: WorkloadFacts, accused: Accused) -> datetime | Refusal:
    """When the conditions of guilt held, or which one does not hold."""
    record = world.record if isinstance(world.record, WorkloadRecord) else None
    ours = world.began_before_our_eyes
    if accused.finding is not None:
        guilt = known_good.guilt(facts, accused.finding, record, began_before_our_eyes=ours, now=world.now, window=WINDOW)
        if guilt.reason:
            return Refusal(reason=guilt.reason, message=guilt.message, look_again_time=guilt.not_before)
        return guilt.not_before or world.now
    began = accused.revision.created_time
    started = (accused.alert.started_time if accused.alert else None) or world.now
    if began is not None and began > started:
        return Refusal(reason="ChangeTooOld", message="the newest revision came after the alert's condition began: it can't have caused it")
    if not ours and (began is None or world.now - began > WINDOW):
        return Refusal(
            reason="ChangeTooOld",
            message=f"revision {accused.revision.number} is older than {int(WINDOW.total_seconds() // 60)} min and did not begin before our eyes",
        )
    return started
