"""Pods that no node takes: no room, a selector or an affinity that nothing fits, a taint, a claim that is not bound.

The rule this module protects: only the scheduler's own verdict counts. A pod that it has not looked at, or that a gate holds back on purpose, is no
fault. It accuses nobody: the same template may find room in a minute, and the message says which it is.
"""

from __future__ import annotations

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.facts import Pod

from .look import Look, Symptom, quote

UNSCHEDULABLE = "Unschedulable"


def unschedulable(look: Look) -> Symptom | None:
    """Unschedulable: the scheduler says that no node takes a pod."""
    found = tuple(pod for pod in look.facts.pods if pod.unscheduled_reason == UNSCHEDULABLE and _waits(pod))
    if not found:
        return None
    oldest = min(found, key=lambda pod: pod.created_time or look.now)
    since = oldest.created_time or look.now
    message = quote(oldest.unschedulable_message)
    return Symptom(
        cause=Cause.UNSCHEDULABLE,
        pods=found,
        what=f"finds no node ({message})" if message else "finds no node",
        started_time=since,
        open_time=look.open_after(Cause.UNSCHEDULABLE, since),
    )


def _waits(pod: Pod) -> bool:
    return not pod.scheduled and not pod.deleting and pod.phase not in failing.OUT_PHASES
