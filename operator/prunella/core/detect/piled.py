"""Pods that failed or were evicted and are still there: they count against quotas, and hide what fails now.

The rule this module protects: a few are evidence, and what failed lately is somebody's work. Only many that are old are litter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.facts import Pod

from .look import Look, Symptom

PILE: Final = 5
"""So many are a pile: more than anybody keeps as evidence."""
OLD: Final = timedelta(hours=1)


def failed_pods(look: Look) -> Symptom | None:
    """FailedPodsPiledUp: pods of the workload that ended long ago, and that nobody took away."""
    due = _due(look)
    if due is None or look.now < due:
        return None
    old = tuple(pod for pod, since in _left(look) if look.now >= since + OLD)
    return Symptom(
        cause=Cause.FAILED_PODS_PILED_UP,
        pods=old,
        what=f"failed over an hour ago and is still there ({_why(old)})",
        started_time=due,
        open_time=look.open_after(Cause.FAILED_PODS_PILED_UP, due),
    )


def due_times(look: Look) -> Iterator[datetime]:
    """When they will have been there long enough, if nobody takes them away."""
    due = _due(look)
    if due is not None:
        yield due
        yield from (since + OLD for _, since in _left(look))


def _left(look: Look) -> list[tuple[Pod, datetime]]:
    """What failed and is not on its way out, the oldest first. A pod that nothing controls is somebody's own."""
    failed = ((pod, failing.failed_since(pod)) for pod in look.facts.pods if pod.owner_uid and not pod.deleting)
    return sorted(((pod, since) for pod, since in failed if since is not None), key=lambda one: (one[1], one[0].name))


def _due(look: Look) -> datetime | None:
    """When the oldest of them that make a pile are old enough; None where there are too few."""
    left = _left(look)
    return left[PILE - 1][1] + OLD if len(left) >= PILE else None


def _why(pods: tuple[Pod, ...]) -> str:
    return ", ".join(f"{reason} {count}" for reason, count in Counter(pod.status_reason or "no reason given" for pod in pods).most_common(3))
