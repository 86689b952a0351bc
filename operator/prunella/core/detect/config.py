"""Containers that can't be created, because the newest revision refers to something that isn't there or asks for something that is refused.

An old revision whose object was deleted shows the same reason; it is no rollout's fault and is not found here.
"""

from __future__ import annotations

from prunella.api.names import Cause
from prunella.core import failing

from .look import Look, Symptom, in_container, quote


def rollout_config(look: Look) -> Symptom | None:
    """RolloutConfigError: containers of the newest revision can't be created."""
    found = tuple((pod, container) for pod in look.newest_pods for container in failing.waiting_for(pod, failing.CONFIG_REASONS))
    if not look.rolling or not found:
        return None
    pod, container = found[0]
    started = min(failing.unready_since(one, look.now) for one, _ in found)
    return Symptom(
        cause=Cause.ROLLOUT_CONFIG_ERROR,
        pods=tuple({one.name: one for one, _ in found}.values()),
        what=f"can't create its container ({in_container(pod, container.name)}{quote(container.waiting_message) or container.waiting_reason})",
        started_time=started,
        open_time=look.open_after(Cause.ROLLOUT_CONFIG_ERROR, started),
        container=container.name,
        accused=look.newest,
    )
