"""Updates of a StatefulSet or DaemonSet that pods of an earlier revision hold up: they are not Ready, so the controller goes no further.

The rule this module protects: nobody is hurried, and nobody's wish is a fault. A pod has twice what a healthy one took, or ten minutes. An update
that somebody stages (OnDelete, a partition) is not stuck; nor is a pod whose containers are all ready, which waits for its node or for a gate.
Nodes are not watched: a pod on one that is cordoned counts like any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.facts import Pod

from .look import NO_DEADLINE, Look, Symptom, in_seconds

CAUSES: Final = {"StatefulSet": Cause.STATEFUL_SET_STUCK, "DaemonSet": Cause.DAEMON_SET_STUCK}


def update_blocked(look: Look) -> Symptom | None:
    """StatefulSetStuck or DaemonSetStuck: pods that are due to be replaced had time enough to get Ready."""
    found = tuple(pod for pod in _blocking(look) if look.now >= _due(look, pod))
    if not found or look.newest is None:
        return None
    cause = CAUSES[look.facts.workload.kind]
    first = min(found, key=lambda pod: _since(look, pod))
    since = _since(look, first)
    return Symptom(
        cause=cause,
        pods=found,
        what=f"holds up the update to revision {look.newest.number}: not Ready for {in_seconds(look.now - since)}",
        started_time=since,
        open_time=max(look.open_after(cause, since), _due(look, first)),
    )


def due_times(look: Look) -> Iterator[datetime]:
    """When the pods that hold an update up will have had time enough."""
    return (_due(look, pod) for pod in _blocking(look))


def _blocking(look: Look) -> tuple[Pod, ...]:
    workload = look.facts.workload
    staged = workload.strategy == "OnDelete" or workload.partition > 0
    if workload.kind not in CAUSES or staged or look.newest is None or not look.incomplete:
        return ()
    return tuple(pod for pod in look.other_pods if failing.unready(pod))


def _due(look: Look, pod: Pod) -> datetime:
    return _since(look, pod) + (look.patience or NO_DEADLINE)


def _since(look: Look, pod: Pod) -> datetime:
    """Since when it is in the way: it may have been unready long before there was an update."""
    since = failing.unready_since(pod, look.now)
    return since if look.began is None else max(since, look.began)
