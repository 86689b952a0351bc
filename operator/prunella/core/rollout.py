"""Which revision a workload is going to, whether it has arrived there, and when it set out.

The rule this module protects: a status that is older than the template says nothing about the newest revision; and a rollout is never taken for
younger than the evidence allows.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from prunella.api.marks import IRREVERSIBLE_ANNOTATION

from .facts import Revision, Workload, WorkloadCondition, WorkloadFacts
from .failing import counts

DEADLINE_EXCEEDED: Final = "ProgressDeadlineExceeded"
COMPLETE: Final = "NewReplicaSetAvailable"
SILENT: Final = frozenset({"DeploymentPaused", "DeploymentResumed"})
"""Reasons of Progressing that tell nothing about how far the rollout is."""


def newest(facts: WorkloadFacts) -> Revision | None:
    """The revision that the template asks for; None while that is not known.

    A StatefulSet's status names it; the others' is the one with the highest number, once the controller has seen the template.
    """
    workload = facts.workload
    if workload.observed_generation < workload.generation:
        return None
    if workload.kind == "StatefulSet" and workload.update_revision:
        return facts.revision(workload.update_revision)
    return facts.newest


def settled(facts: WorkloadFacts) -> bool:
    """Whether status and revisions speak of the template that stands there now. While they don't, nothing is concluded from them."""
    if facts.workload.observed_generation < facts.workload.generation:
        return False
    return newest(facts) is not None or not facts.revisions


def deadline_condition(workload: Workload) -> WorkloadCondition | None:
    """The Progressing condition of a Deployment whose rollout made no progress in time."""
    condition = workload.condition("Progressing")
    return condition if condition is not None and condition.status == "False" and condition.reason == DEADLINE_EXCEEDED else None


def incomplete(facts: WorkloadFacts) -> bool:
    """Whether the rollout of the newest revision has not arrived: pods are not updated, others remain, or it was never all available.

    A Deployment's Progressing condition and a StatefulSet's current revision stay where they are when pods fail later, so that a rollout that was
    complete once is told from one that never was. A DaemonSet has nothing of that kind: once all its pods are updated, it counts as complete.
    """
    workload, target = facts.workload, newest(facts)
    if target is not None and any(counts(pod) and pod.revision != target.hash for pod in facts.pods):
        return True
    if workload.kind == "StatefulSet" and workload.current_revision:
        return workload.current_revision != workload.update_revision
    condition = workload.condition("Progressing")
    if condition is not None and condition.reason not in SILENT:
        return condition.reason != COMPLETE
    return workload.updated < workload.desired or (workload.kind == "Deployment" and workload.available < workload.desired)


def rollout_began(facts: WorkloadFacts) -> datetime | None:
    """When the rollout of the newest revision began; None where nothing tells.

    The newest revision's creation, if no other stored one was created after it. Else an old one was applied again, which began after the youngest of
    the others was created: then its first pod created since, or what the Progressing condition last said, whichever is earlier.

    Limits: where two revisions take turns, the second return of the younger one can't be told from its first and counts as old, so that automation
    stays away, unless it began before our eyes. Of a revision that was applied again, and whose every pod was replaced since, the rollout looks
    younger than it is.
    """
    target = newest(facts)
    if target is None:
        return None
    others = [revision.created_time for revision in facts.revisions if revision.hash != target.hash and revision.created_time is not None]
    youngest = max(others, default=None)
    if target.created_time is not None and (youngest is None or target.created_time >= youngest):
        return target.created_time
    known = [pod.created_time for pod in facts.pods if pod.revision == target.hash and pod.created_time is not None]
    said = _said(facts.workload)
    candidates = [time for time in (*known, *([said] if said is not None else [])) if youngest is None or time >= youngest]
    return min(candidates, default=youngest)


def _said(workload: Workload) -> datetime | None:
    """The latest instant at which the rollout can have begun by the Progressing condition."""
    condition = workload.condition("Progressing")
    if condition is None or condition.last_update_time is None or condition.reason in SILENT:
        return None
    if condition.reason == DEADLINE_EXCEEDED:
        return condition.last_update_time - timedelta(seconds=workload.progress_deadline_seconds)
    return condition.last_update_time


def irreversible(facts: WorkloadFacts, accused_hash: str) -> bool:
    """Whether the workload, its template or the accused revision is marked so that nothing may go back over it."""
    accused = facts.revision(accused_hash)
    marked = facts.workload.annotations.get(IRREVERSIBLE_ANNOTATION) == "true" or facts.workload.template_irreversible
    return marked or (accused is not None and accused.irreversible)
