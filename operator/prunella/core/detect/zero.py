"""A workload that served a while ago and wants no pods now, although a Service sends its callers there and nowhere else.

The rule this module protects: whether it is a mistake only people know, so it is told and never mended. Whoever scales by machine, says that it is
meant, or switches a whole namespace off, is not asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from prunella.api.marks import MAY_BE_ZERO_ANNOTATION
from prunella.api.names import Cause
from prunella.core.facts import Workload

from .look import AtZero, Look, Symptom

KINDS: Final = frozenset({"Deployment", "StatefulSet"})
LATELY: Final = timedelta(hours=24)
"""What served longer ago is nobody's mistake of now: then no Incident is opened. One that is open stays so."""


def scaled_to_zero(look: Look) -> Symptom | None:
    """ScaledToZero: a Service routes to nothing since the workload was scaled down."""
    beside = _in_question(look)
    unserved = sorted(name for name, count in beside.endpoints.items() if not count) if beside is not None else []
    if beside is None or not unserved:
        return None
    workload = look.facts.workload
    since = min(max(filter(None, (workload.zeroed_time, beside.served_time)), default=look.now), look.now)
    return Symptom(
        cause=Cause.SCALED_TO_ZERO,
        pods=(),
        who="it",
        what=f"was scaled to zero{_by(workload)}, and {_services(unserved)} to it and has no endpoint. {_if_meant(workload)}",
        started_time=since,
        open_time=look.open_after(Cause.SCALED_TO_ZERO, since),
    )


def due_times(look: Look) -> Iterator[datetime]:
    """A Service loses its endpoints a moment after the last pod went, which changes nothing of the workload."""
    if _in_question(look) is not None:
        yield look.now + look.time_to_open(Cause.SCALED_TO_ZERO)


def _in_question(look: Look) -> AtZero | None:
    """What stands beside a workload of which nothing says that it is meant to have no pods."""
    workload, beside = look.facts.workload, look.surroundings.at_zero
    meant = workload.owner is not None or workload.annotations.get(MAY_BE_ZERO_ANNOTATION) == "true"
    if workload.kind not in KINDS or meant or beside is None or beside.autoscaled or beside.switched_off or not beside.endpoints:
        return None
    lately = beside.served_time is not None and look.now - beside.served_time < LATELY
    return beside if lately or beside.told else None


def _by(workload: Workload) -> str:
    by = f" by {workload.zeroed_by}" if workload.zeroed_by else ""
    return by + (f" at {workload.zeroed_time:%H:%M:%S}" if by and workload.zeroed_time is not None else "")


def _services(names: list[str]) -> str:
    more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
    return f"Service {names[0]}{more} routes"


def _if_meant(workload: Workload) -> str:
    return f"If that is meant: kubectl annotate {workload.short} -n {workload.namespace} {MAY_BE_ZERO_ANNOTATION}=true"
