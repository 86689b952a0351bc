"""Pods that were to be gone long ago: a finalizer holds them, or the kubelet of their node does not end them.

The rule this module protects: what a lost node holds up is told of the node. A pod whose node is not Ready, or can't be seen, is no fault of its own;
and who holds a pod is told, for no finalizer is ever taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prunella.api.names import Cause
from prunella.core.facts import Pod

from .look import Look, Symptom


def stuck_terminating(look: Look) -> Symptom | None:
    """StuckTerminating: pods whose deletion is overdue. Their deletion time has the grace period in it."""
    overdue = [(pod, due) for pod, due in _leaving(look) if look.now >= due and _is_its_own(look, pod)]
    if not overdue:
        return None
    oldest, due = min(overdue, key=lambda one: (one[1], one[0].name))
    name = f"{oldest.name}: " if len(overdue) > 1 else ""
    return Symptom(
        cause=Cause.STUCK_TERMINATING,
        pods=tuple(pod for pod, _ in overdue),
        what=f"is being deleted and does not go ({name}{_held_by(oldest)}; {_where(look, oldest)})",
        started_time=due - look.time_to_open(Cause.STUCK_TERMINATING),
        open_time=due,
    )


def due_times(look: Look) -> Iterator[datetime]:
    """When a pod is overdue. One whose node is not Ready is asked for again as long after that: its node's return brings no event of it."""
    again = look.now + look.time_to_open(Cause.STUCK_TERMINATING)
    return (due if look.now < due else again for pod, due in _leaving(look) if look.now < due or not _is_its_own(look, pod))


def _leaving(look: Look) -> Iterator[tuple[Pod, datetime]]:
    """The pods that are being deleted, and when each is overdue."""
    patience = look.time_to_open(Cause.STUCK_TERMINATING)
    return ((pod, pod.deletion_time + patience) for pod in look.facts.pods if pod.deletion_time is not None)


def _is_its_own(look: Look, pod: Pod) -> bool:
    """Whether nothing is wrong with its node, as far as that can be known. A node that is gone for good holds nothing up."""
    return not pod.node or look.surroundings.nodes.get(pod.node, False) is not False


def _held_by(pod: Pod) -> str:
    return f"its finalizers hold it: {', '.join(pod.finalizers)}" if pod.finalizers else "no finalizer of its own holds it"


def _where(look: Look, pod: Pod) -> str:
    if not pod.node:
        return "it never got to a node"
    return f"its node {pod.node} is {'Ready' if look.surroundings.nodes.get(pod.node) else 'gone'}"
