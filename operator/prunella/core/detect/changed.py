"""Pods that loop or lose their Ready without a rollout, right after a ConfigMap that they read was changed.

The rule this module protects: a change is accused only where everything that fails began to fail after it and soon, where it differs from what the
workload was healthy with, and where no pod that was started with it is well.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import Cause
from prunella.core import configs, failing
from prunella.core.configs import ConfigChange
from prunella.core.facts import Pod
from prunella.core.failing import Crash

from .crash import symptom
from .look import LEAST_PATIENCE, Look, Symptom, in_seconds

NAMED: Final = 5
"""So many keys are named in a sentence."""


def config_changed(look: Look) -> Symptom | None:
    """ConfigChanged: containers loop, or pods that were Ready are not for long, since a ConfigMap that they read was changed."""
    changes = look.surroundings.config_changes
    if not changes or look.rolling:
        return None
    crashes = tuple(crash for pod in look.troubled_newest for crash in failing.crashes(pod, look.now) if crash.loops)
    late = tuple(pod for pod in look.troubled_newest if failing.unready(pod) and look.now >= _due(look, pod))
    began = [*(_began(crash, look.now) for crash in crashes), *(failing.unready_since(pod, look.now) for pod in late)]
    accused = next((change for change in changes if began and _accused(look, change, min(began))), None)
    if accused is None:
        return None
    told = f"since ConfigMap {accused.name} was changed at {accused.changed_time:%H:%M:%S} ({configs.named(accused.keys, NAMED)})"
    if crashes:
        found = symptom(look, Cause.CONFIG_CHANGED, crashes)
        return replace(symptom(look, Cause.CONFIG_CHANGED, crashes, what=f"{found.what} {told}"), config_map=accused.name)
    since = min(began)
    return Symptom(
        cause=Cause.CONFIG_CHANGED,
        pods=late,
        what=f"runs but is not Ready for {in_seconds(look.now - since)} {told}",
        started_time=since,
        open_time=look.open_after(Cause.CONFIG_CHANGED, since),
        config_map=accused.name,
    )


def due_times(look: Look) -> Iterator[datetime]:
    """When a pod that is not Ready will have had time enough."""
    if look.surroundings.config_changes and not look.rolling:
        yield from (_due(look, pod) for pod in look.troubled_newest if failing.unready(pod))


def _accused(look: Look, change: ConfigChange, began: datetime) -> bool:
    window = timedelta(seconds=look.settings.window_seconds)
    if not change.good_time <= change.changed_time <= began <= change.changed_time + window:
        return False
    well = (pod for pod in look.newest_pods if pod.ready and not failing.crashes(pod, look.now))
    return not any(_started_with(pod, change) for pod in well)


def _started_with(pod: Pod, change: ConfigChange) -> bool:
    """Whether all of it was started after the change."""
    running = [one.running_since for one in pod.containers if not one.init or one.sidecar]
    return bool(running) and all(time is not None and time > change.changed_time for time in running)


def _began(crash: Crash, now: datetime) -> datetime:
    """When it began, as far back as the pod still tells: the kubelet shows two ends, and Ready is lost with the first."""
    return crash.started_time if crash.pod.ready else min(crash.started_time, failing.unready_since(crash.pod, now))


def _due(look: Look, pod: Pod) -> datetime:
    return failing.unready_since(pod, look.now) + max(look.patience or LEAST_PATIENCE, LEAST_PATIENCE)
