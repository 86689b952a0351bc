"""A Deployment whose rollout makes no progress although no container shows why: no quota, no room, a gate that stays shut.

The rule this module protects: a child cause goes before the deadline that it made pass. And it accuses nobody: what no container shows may be the
cluster's fault as well.
"""

from __future__ import annotations

from prunella.api.names import Cause
from prunella.core import rollout

from .creation import replica_creation_failed
from .look import Look, Symptom, quote
from .placement import unschedulable


def rollout_stuck(look: Look) -> Symptom | None:
    """RolloutStuck: the progress deadline passed without a child cause; else that one."""
    condition = rollout.deadline_condition(look.facts.workload)
    if condition is None or look.newest is None:
        return None
    child = replica_creation_failed(look) or unschedulable(look)
    if child is not None:
        return child
    since = condition.last_transition_time or condition.last_update_time or look.now
    return Symptom(
        cause=Cause.ROLLOUT_STUCK,
        pods=(),
        what=f"made no progress in {look.facts.workload.progress_deadline_seconds} s{_why(look)}",
        started_time=since,
        open_time=look.open_after(Cause.ROLLOUT_STUCK, since),
    )


def _why(look: Look) -> str:
    """The best hint: replicas that could not be created, else pods that no node takes."""
    refused = look.facts.workload.condition("ReplicaFailure")
    if refused is not None and refused.status == "True":
        return f" ({quote(refused.message)})"
    unplaced = next((pod for pod in look.facts.pods if not pod.scheduled and not pod.deleting), None)
    return f" ({quote(unplaced.unschedulable_message) or 'a pod is not scheduled'})" if unplaced is not None else ""
