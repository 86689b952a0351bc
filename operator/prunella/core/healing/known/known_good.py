"""Which revision is known to be good, whether a workload is healthy, and whether a rollout is really at fault.

The rule this module protects: known-good is pinned, never "the one before", and a rollback needs a revision that worked, a change that is young or
began before our eyes, and evidence against the newest revision alone. What is not known is no permission.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.workload_record import WorkloadRecord
from prunella.core import failing, rollout
from prunella.core.facts import UNKNOWN, Finding, Pod, Revision, UnknownT, Workload, WorkloadFacts

OLDEST: Final = timedelta(days=14)
"""A revision last seen healthy longer ago is not gone back to, unless it serves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownGood:
    """The revision to go back to, or why there is none, as a sentence."""

    revision: Revision | None
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Guilt:
    """Whether the rollout is at fault. `reason` is empty where it is; `not_before` is then the instant at which all conditions held."""

    reason: str
    message: str
    not_before: datetime | None = None

    @property
    def guilty(self) -> bool:
        """Whether the newest revision may be rolled back for it."""
        return not self.reason


def known_good(facts: WorkloadFacts, accused_hash: str, record: WorkloadRecord | None, policy_after_seconds: int, now: datetime) -> KnownGood:
    """The newest stored revision that is not the accused one, not quarantined, does not fail now, and serves or was seen healthy long enough.

    The WorkloadRecord holds only revisions that were healthy for `policy_after_seconds` before the next one appeared.
    """
    record = record if record is not None and record.spec.target_ref.uid == facts.workload.uid else None
    quarantined = {one.hash for one in record.spec.quarantined} if record is not None else set()
    healthy = {one.hash: one.last_healthy_time for one in record.spec.revisions} if record is not None else {}
    for revision in sorted(facts.revisions, key=lambda one: one.number, reverse=True):
        if revision.hash == accused_hash or revision.hash in quarantined or _fails(facts, revision.hash, now):
            continue
        if serves(facts, revision.hash, now):
            return KnownGood(revision=revision, message=f"revision {revision.number} serves now")
        seen = healthy.get(revision.hash)
        if seen is not None and now - seen <= OLDEST:
            return KnownGood(revision=revision, message=f"revision {revision.number} was last seen healthy {seen:%H:%M:%S}")
    return KnownGood(revision=None, message=_why_none(facts.workload, quarantined, policy_after_seconds))


def serves(facts: WorkloadFacts, revision_hash: str, now: datetime) -> bool:
    """Whether pods of the revision are Ready and none of them fails. A pod that loops is Ready for a moment now and then: that is no service."""
    counted = _counted(facts, revision_hash)
    return any(pod.ready for pod in counted) and not _fails(facts, revision_hash, now)


def healthy(facts: WorkloadFacts) -> bool | UnknownT:
    """Whether the workload is all that it should be: the newest revision alone, all of it available.

    UNKNOWN where the facts do not tell, for example while the controller has not seen the newest template. Scaled to zero is not healthy: it
    proves nothing.
    """
    workload = facts.workload
    if not rollout.settled(facts):
        return UNKNOWN
    if workload.desired <= 0 or workload.deleting:
        return False
    if workload.available != workload.desired:
        return False
    match workload.kind:
        case "Deployment":
            return _one_replica_set(facts)
        case "StatefulSet":
            if not workload.current_revision or not workload.update_revision:
                return UNKNOWN
            return workload.current_revision == workload.update_revision
        case "DaemonSet":
            return workload.updated == workload.desired
        case _:
            return UNKNOWN


def healthy_since(facts: WorkloadFacts) -> datetime | None:
    """Since when the workload is healthy: the latest Ready transition of its pods. None where it isn't, or where the pods don't tell.

    It may lie before a fault that other pods had, for those that served went on serving: a recovery is dated by the later of this and the action.
    """
    newest = rollout.newest(facts)
    if healthy(facts) is not True or newest is None:
        return None
    running = _counted(facts, newest.hash)
    since = [pod.ready_since for pod in running if pod.ready and pod.ready_since is not None]
    return max(since) if len(since) == len(running) >= facts.workload.desired else None


def guilt(
    facts: WorkloadFacts, finding: Finding, record: WorkloadRecord | None, *, began_before_our_eyes: bool, now: datetime, window: timedelta
) -> Guilt:
    """Whether the newest revision is at fault, as far as one workload tells: its pods fail, the change is young, the others don't fail.

    That nothing else fails at the same time is the storm brake's to say; that there is a revision to go back to is `known_good`'s.
    """
    newest = rollout.newest(facts)
    if newest is None or finding.accused_revision != newest.hash:
        return Guilt(
            reason="RolloutInProgress",
            message="what fails is not the newest revision, or that one is not known yet: it is looked at again when the controller has caught up",
        )
    began = rollout.rollout_began(facts)
    if not began_before_our_eyes and (began is None or now - began >= window):
        return _too_old(facts.workload, newest, began, now, window)
    others = _other_revisions(facts, newest)
    serving = [one for one in others if serves(facts, one, now)]
    if not serving and (not finding.only_newest_fails or any(_fails(facts, one, now) for one in others)):
        return Guilt(reason="OldRevisionFails", message=_old_fails(facts, others, record, now))
    lately = _recovered_lately(facts, finding, newest, serving, now)
    if lately is not None:
        return lately
    return Guilt(reason="", message=f"revision {newest.number} fails and no other does", not_before=_held_since(facts, finding, serving))


def _recovered_lately(facts: WorkloadFacts, finding: Finding, newest: Revision, serving: list[str], now: datetime) -> Guilt | None:
    """The revision that serves failed as well, until a moment ago: what both need came back, and the newest one may only be slower.

    So the newest must fail on, for as long as a crash takes to be over, and a crash must have happened since.
    """
    pods = [pod for one in serving for pod in _counted(facts, one) if pod.ready and pod.ready_since is not None]
    if any(pod.ready_since is not None and pod.ready_since <= finding.started_time for pod in pods):
        return None  # it served all the while
    older = [pod for pod in pods if any(one.restarts for one in pod.containers) or (pod.created_time or now) < finding.started_time]
    since = max((pod.ready_since for pod in older if pod.ready_since is not None and pod.ready_since > finding.started_time), default=None)
    if since is None:
        return None
    calm = since + failing.CALM
    failed_since = finding.restarted_time is None or finding.restarted_time > since
    if now >= calm and failed_since:
        return None
    numbers = " and ".join(str(one.number) for one in facts.revisions if one.hash in serving)
    message = f"revision {numbers} failed as well until {since:%H:%M:%S}: what both need came back, and revision {newest.number} may only be slower"
    return Guilt(reason="OldRevisionFails", message=message, not_before=calm)


def _too_old(workload: Workload, newest: Revision, began: datetime | None, now: datetime, window: timedelta) -> Guilt:
    when = "at an unknown time" if began is None else f"{_span(now - began)} ago"
    return Guilt(
        reason="ChangeTooOld",
        message=(
            f"the rollout of revision {newest.number} began {when} and not before our eyes; only a change of the last {_span(window)} is taken for"
            f" the cause. If it is at fault: kubectl rollout undo {workload.short} -n {workload.namespace}"
        ),
    )


def _old_fails(facts: WorkloadFacts, others: tuple[str, ...], record: WorkloadRecord | None, now: datetime) -> str:
    failing_ones = [one for one in others if _fails(facts, one, now)] or list(others)
    numbers = sorted(revision.number for revision in facts.revisions if revision.hash in failing_ones)
    named = " and ".join(str(number) for number in numbers)
    known = {one.hash for one in record.spec.revisions} if record is not None else set()
    before = " although it was healthy before" if known & set(failing_ones) else ""
    return f"pods of revision {named} fail as well{before}: going back would not help; look for what both need"


def _held_since(facts: WorkloadFacts, finding: Finding, serving: list[str]) -> datetime:
    """When it began to hold: the newest failed, and a pod of a revision that serves was Ready."""
    ready = [pod.ready_since for one in serving for pod in _counted(facts, one) if pod.ready and pod.ready_since is not None]
    return max(finding.started_time, min(ready)) if ready else finding.started_time


def _other_revisions(facts: WorkloadFacts, newest: Revision) -> tuple[str, ...]:
    return tuple(sorted({pod.revision for pod in facts.pods if failing.counts(pod)} - {newest.hash}))


def _counted(facts: WorkloadFacts, revision_hash: str) -> tuple[Pod, ...]:
    return tuple(pod for pod in facts.pods if pod.revision == revision_hash and failing.counts(pod))


def _fails(facts: WorkloadFacts, revision_hash: str, now: datetime) -> bool:
    return any(failing.fails(pod, now) for pod in _counted(facts, revision_hash))


def _one_replica_set(facts: WorkloadFacts) -> bool | UnknownT:
    """Whether the newest ReplicaSet alone has replicas, and all of them."""
    workload, newest = facts.workload, facts.newest
    if newest is None:
        return UNKNOWN
    alone = all(one.replicas == 0 for one in facts.revisions if one.hash != newest.hash)
    return alone and newest.replicas == workload.desired == workload.updated


def _why_none(workload: Workload, quarantined: set[str], after_seconds: int) -> str:
    after = max(after_seconds, workload.min_ready_seconds)
    held = f"; {len(quarantined)} in quarantine" if quarantined else ""
    return f"no other stored revision of {workload.short} has Ready pods, or was seen healthy for {after} s before this one appeared{held}"


def _span(span: timedelta) -> str:
    for unit, length in (("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if span >= 2 * length:
            return f"{span // length} {unit}"
    return f"{span // timedelta(seconds=1)} s"
