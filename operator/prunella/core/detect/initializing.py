"""Pods that don't get past an init container although no rollout brought it: it fails again and again, or waits for something and is not done.

The rule this module protects: an init container may take its time. It is stuck only after twice what a healthy pod took in all; where that is not
known, after the longest that a rollout is given.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from prunella.api.names import Cause
from prunella.core import failing
from prunella.core.facts import Container, Pod

from .crash import symptom
from .look import NO_DEADLINE, Look, Symptom, in_seconds


def init_container_failing(look: Look) -> Symptom | None:
    """InitContainerFailing: one that loops, else one that runs for too long."""
    crashes = (crash for pod in look.troubled for crash in failing.crashes(pod, look.now) if crash.loops)
    found = tuple(crash for crash in crashes if crash.container.init and not crash.container.sidecar)
    if found:
        return symptom(look, Cause.INIT_CONTAINER_FAILING, found)
    return _stuck(look)


def due_times(look: Look) -> Iterator[datetime]:
    """When init containers that run now will have had time enough."""
    return (since + _patience(look) for _, _, since in _running(look))


def _stuck(look: Look) -> Symptom | None:
    found = [one for one in _running(look) if look.now >= one[2] + _patience(look)]
    if not found:
        return None
    _, container, since = min(found, key=lambda one: one[2])
    return Symptom(
        cause=Cause.INIT_CONTAINER_FAILING,
        pods=tuple({pod.name: pod for pod, _, _ in found}.values()),
        what=f"waits for its init container {container.name}, which is not done after {in_seconds(look.now - since)}",
        started_time=since,
        open_time=max(look.open_after(Cause.INIT_CONTAINER_FAILING, since), since + _patience(look)),
        container=container.name,
    )


def _running(look: Look) -> list[tuple[Pod, Container, datetime]]:
    """Init containers that run, of pods that no rollout brings: those of a rollout are judged by how its pods get Ready."""
    waiting = (pod for pod in look.troubled if not pod.ready and not (look.rolling and look.is_newest(pod)))
    init = ((pod, container) for pod in waiting for container in pod.containers if container.init and not container.sidecar)
    return [(pod, container, container.running_since) for pod, container in init if container.running_since is not None]


def _patience(look: Look) -> timedelta:
    return look.patience or NO_DEADLINE
