"""Evidence of a fault that no pod of a workload shows: Events, and where pods of a thing failed, the last lines of the newest one's log.

The rule this module protects: what can't be had is said, and holds up nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prunella.app.ports import Live
from prunella.core.facts import UNKNOWN, Finding, UnknownT, WorkloadFacts
from prunella.core.subject import Thing
from prunella.core.world import Capture

SECONDS: Final = 1.0
EVENTS_OF_THE_CLUSTER: Final = "default"
"""Where Events about objects without a namespace are kept."""


async def captured(live: Live, thing: Thing, finding: Finding, now: datetime, lines: int) -> Capture:
    """Take both, in at most a second."""
    pod = finding.failing_pods[0] if finding.failing_pods else ""
    try:
        async with asyncio.timeout(SECONDS):
            logs, events = await asyncio.gather(_logs(live, thing, pod, finding.failing_container, lines), _events(live, thing))
    except TimeoutError:
        return Capture(missing=f"what there is about {thing.short} could not be had within a second", captured_time=now)
    missing = [name for name, part in ((f"the log of pod {pod}", logs), (f"Events of {thing.short}", events)) if part is UNKNOWN]
    return Capture(
        logs=logs if isinstance(logs, str) else "",
        pod=pod,
        container=finding.failing_container,
        logs_truncated=isinstance(logs, str) and logs.count("\n") + 1 >= lines,
        events=events if isinstance(events, str) else "",
        missing=f"{' and '.join(missing)} could not be had" if missing else "",
        captured_time=now,
    )


async def of_no_pod(live: Live, facts: WorkloadFacts, now: datetime) -> Capture:
    """The Events about a workload and about its newest revision, which is told of each pod that could not be created; in at most a second."""
    workload = facts.workload
    uids = (workload.uid, *((facts.newest.uid,) if facts.newest is not None else ()))
    try:
        async with asyncio.timeout(SECONDS):
            events = await live.events_of(workload.namespace, uids)
    except TimeoutError:
        return Capture(missing=f"Events of {workload.short} could not be had within a second", captured_time=now)
    if isinstance(events, UnknownT):
        return Capture(missing=f"Events of {workload.short} could not be had", captured_time=now)
    return Capture(events=_lines(events), captured_time=now)


async def _logs(live: Live, thing: Thing, pod: str, container: str, lines: int) -> str | UnknownT:
    return await live.log_tail(thing.namespace, pod, container, previous=False, lines=lines) if pod else ""


async def _events(live: Live, thing: Thing) -> str | UnknownT:
    """The kubelet gives a node's name for its uid."""
    uids = (thing.uid, thing.name) if thing.kind == "Node" else (thing.uid,)
    events = await live.events_of(thing.namespace or EVENTS_OF_THE_CLUSTER, uids)
    return _lines(events) if not isinstance(events, UnknownT) else UNKNOWN


def _lines(events: Iterable[tuple[datetime | None, str, str, str]]) -> str:
    return "\n".join(f"{kind} {reason}: {message}" for _, kind, reason, message in events)
