"""A dependency came back: what crashed for want of it waits for nothing but the kubelet's back-off, which lasts for up to five minutes.

The rule this module protects: it is told by what is declared and stored alone. A pod that has crashed since its dependency is back has another
reason, and so has what began to crash before the dependency failed. So nothing is weeded twice for one outage.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
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
WAITED: Final = frozenset({Cause.CRASH_LOOP, Cause.INIT_CONTAINER_FAILING})
"""What the watch may call it that a dependency is away, where no rollout brought it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """When a dependency was away."""

    name: str
    began: datetime
    """By the watch, as its Incident stores it."""
    back: datetime
    """When the last of its pods got Ready."""


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
    outages = (outage for one in needed if (outage := _outage(one, seen.now)) is not None)
    found = max((one for one in outages if one.began <= mine and crashed <= one.back + SETTLES), key=lambda one: one.back, default=None)
    if found is None:
        return seen
    summary = f"{finding.summary}; {found.name}, which it needs, is back since {found.back:%H:%M:%S}: what crashed before waits for the kubelet"
    return replace(seen, finding=replace(finding, cause=Cause.DEPENDENCY_RECOVERED, summary=summary))


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


def _outage(dependency: Dependency, now: datetime) -> Outage | None:
    """The last one, where all that the dependency is made of serves in full again since a short while."""
    serves = all(one.workload.desired > 0 and one.workload.ready >= one.workload.desired for one in dependency.workloads)
    if not dependency.workloads or not serves:
        return None
    known = [_seen_away(one) for one in (*dependency.incidents, *dependency.ended)]
    if any(one is None for one in known):
        return None
    lately = [began for times in known if times for began, ended in times if now - LATELY <= ended <= now]
    ready = [pod.ready_since for one in dependency.workloads for pod in one.pods if pod.ready and pod.ready_since is not None]
    return Outage(name=dependency.name, began=min(lately), back=max(ready)) if lately and ready else None


def _seen_away(incident: Incident) -> list[tuple[datetime, datetime]] | None:
    """From when to when the watch saw its faults; None where it sees one of them now."""
    watched = [one for one in incident.status.signals if one.key.startswith(WATCH)]
    if any(one.state is SignalState.FIRING for one in watched):
        return None
    return [(one.started_time or one.first_seen_time, one.last_resolved_end_time) for one in watched if one.last_resolved_end_time is not None]
