"""A dependency came back: what crashed for want of it waits for nothing but the kubelet's back-off, which lasts for up to five minutes.

The rule this module protects: it is told by what is declared and stored alone. A pod that has crashed since its dependency is back has another
reason, and so has what began to crash before the dependency failed. So nothing is weeded twice for one outage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.names import Cause, SignalState
from prunella.core import failing
from prunella.core.around import Dependency
from prunella.core.facts import WorkloadFacts
from prunella.core.world import World

from .common_cause import own_begin
from .sources import WATCH

LATELY: Final = timedelta(minutes=5)
"""How long ago it may have come back: the kubelet waits for no longer."""
SETTLES: Final = timedelta(seconds=10)
"""How long it may take until each node knows that there is an endpoint again."""
AGAIN: Final = timedelta(seconds=5)
"""How soon it is looked again whether a dependency whose fault is over serves in full."""
WAITED: Final = frozenset({Cause.CRASH_LOOP, Cause.INIT_CONTAINER_FAILING})
"""What the watch may call it that a dependency is away, where no rollout brought it."""


def refined(seen: World, needed: Iterable[Dependency]) -> World:
    """The same world, with a better cause where all that fails waits for the kubelet since one of `needed`, which the target declares, was away."""
    finding, facts = seen.known_finding, seen.workload
    if finding is None or facts is None or finding.cause not in WAITED or finding.open_time > seen.now:
        return seen
    told = seen.incident.status.cause is Cause.DEPENDENCY_RECOVERED
    crashed = _last_crash(facts, frozenset(finding.failing_pods), seen.now, told=told)
    mine = own_begin(seen)
    if crashed is None or mine is None:
        return seen
    away = [one for one in needed if (began := _began(one, seen.now)) is not None and began <= mine]
    returned = [(since, one.name) for one in away if (since := _back(one)) is not None and crashed <= since + SETTLES]
    if returned:
        since, name = max(returned)
        summary = f"{finding.summary}; {name}, which it needs, is back since {since:%H:%M:%S}: what crashed before waits for the kubelet"
        return replace(seen, finding=replace(finding, cause=Cause.DEPENDENCY_RECOVERED, summary=summary))
    return replace(seen, again_time=seen.now + AGAIN) if any(_back(one) is None for one in away) else seen


def _last_crash(facts: WorkloadFacts, names: frozenset[str], now: datetime, *, told: bool) -> datetime | None:
    """When the last of those pods crashed; None where one does not tell, or where none waits for the kubelet, and that was not `told` before.

    While some wait, the kubelet starts others: those run, and are as little at fault.
    """
    pods = [pod for pod in facts.pods if pod.name in names]
    if not told and not any(failing.backs_off(pod) for pod in pods):
        return None
    last = [crash.last.finished_time if crash.last is not None else None for pod in pods for crash in failing.crashes(pod, now)]
    known = [time for time in last if time is not None]
    return max(known) if known and len(known) == len(last) else None


def _began(dependency: Dependency, now: datetime) -> datetime | None:
    """When its last fault began, by the watch, where that is over since a short while; None where there was none, or one goes on."""
    watched = [signal for one in (*dependency.incidents, *dependency.ended) for signal in one.status.signals if signal.key.startswith(WATCH)]
    if any(one.state is SignalState.FIRING for one in watched):
        return None
    ended = ((one, one.last_resolved_end_time) for one in watched)
    return min((one.started_time or one.first_seen_time for one, end in ended if end is not None and now - LATELY <= end <= now), default=None)


def _back(dependency: Dependency) -> datetime | None:
    """When the last of its pods got Ready, where all that it is made of serves in full; None where it does not."""
    workloads = [one.workload for one in dependency.workloads]
    if not any(one.desired for one in workloads) or any(one.ready < one.desired for one in workloads):
        return None
    return max((pod.ready_since for one in dependency.workloads for pod in one.pods if pod.ready and pod.ready_since is not None), default=None)
