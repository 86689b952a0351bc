"""Pods of the newest revision that run or wait and don't get Ready, without any other fault to be seen.

The rule this module protects: nobody is hurried. It is found when it may be acted on and not earlier: after the longest of 60 s, twice what a healthy
revision took, and what the probes allow; or when the progress deadline has passed. Where no revision's time is known, only then.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from prunella.api.names import Cause
from prunella.core import failing, rollout
from prunella.core.facts import Pod

from .look import NO_DEADLINE, Look, Symptom, in_seconds


def rollout_not_ready(look: Look) -> Symptom | None:
    """RolloutNotReady: pods of the newest revision had time enough."""
    condition = rollout.deadline_condition(look.facts.workload)
    waiting = tuple(pod for pod in look.troubled_newest if failing.unready(pod))
    found = tuple(pod for pod in waiting if condition is not None or _late(look, pod))
    if not look.rolling or not found:
        return None
    due = [time for pod in found if (time := due_time(look, pod)) is not None]
    if condition is not None:
        due.append(condition.last_transition_time or look.now)
    started = min(failing.unready_since(pod, look.now) for pod in found)
    return Symptom(
        cause=Cause.ROLLOUT_NOT_READY,
        pods=found,
        what=f"{_what(found[0])} for {in_seconds(look.now - started)}",
        started_time=started,
        open_time=min(*due, look.now),
        accused=look.newest,
    )


def due_time(look: Look, pod: Pod) -> datetime | None:
    """When the pod will have had time enough; None where only the progress deadline can say."""
    patience = look.patience
    if patience is None and look.facts.workload.kind != "Deployment":
        patience = NO_DEADLINE
    return failing.unready_since(pod, look.now) + patience if patience is not None else None


def late_elsewhere(look: Look, pod: Pod) -> datetime:
    """When a pod of another revision that is not Ready counts as failing, too."""
    return failing.unready_since(pod, look.now) + (look.patience or timedelta(seconds=60))


def _late(look: Look, pod: Pod) -> bool:
    due = due_time(look, pod)
    return due is not None and look.now >= due


def _what(pod: Pod) -> str:
    reason = next((container.waiting_reason for container in pod.containers if container.waiting_reason), "")
    if reason or not any(container.running_since for container in pod.containers):
        return f"waits in {reason or 'creation'}"
    return "runs but is not Ready"
