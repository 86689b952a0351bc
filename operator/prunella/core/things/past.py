"""What only a watcher can know of a thing, because the thing shows no more than its present.

The rule this module protects: it lives in memory, so it may be forgotten, and what is not known is not found. Where an open Incident or the records
of an attempt prove it, it is known again after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import Cause, SignalState, SourceKind
from prunella.core.subject import Thing

from .node import Node
from .service import Service

TURNS: Final = 12
"""So many are remembered of a Node."""
FLAPS: Final = 3
FLAP_WINDOW: Final = timedelta(hours=1)
"""So many turns within so long are flapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was seen of a thing before."""

    uid: str = ""
    since: datetime | None = None
    """Since when it is seen without a break: what was before is not in it."""
    ever_served: bool = False
    """A Service: whether an endpoint of it was ready."""
    ready: bool | None = None
    turns: tuple[datetime, ...] = ()
    """A Node: whether it was Ready, and when that changed before our eyes, oldest first."""
    ran_again_time: datetime | None = None
    """A Job or CronJob: when the newest run that an attempt made of it was complete."""


NO_PAST: Final = Past()


def remember(past: Past | None, thing: Thing, now: datetime) -> Past | None:
    """The past with what is seen now; None of a kind whose present tells all. Another object of the same name has no past."""
    match thing:
        case Service():
            before = _of(past, thing, now)
            return replace(before, ever_served=before.ever_served or thing.ready_endpoints > 0)
        case Node():
            before = _of(past, thing, now)
            turned = before.ready not in {None, thing.ready} and thing.ready_since is not None
            turns = (*before.turns, thing.ready_since)[-TURNS:] if turned and thing.ready_since is not None else before.turns
            return replace(before, ready=thing.ready, turns=turns)
        case _:
            return None


def _of(past: Past | None, thing: Thing, now: datetime) -> Past:
    return past if past is not None and past.uid == thing.uid else Past(uid=thing.uid, since=now)


def proved(past: Past, thing: Thing, incidents: Iterable[Incident], now: datetime) -> Past:
    """With what Incidents about the thing prove that have no end yet."""
    match thing:
        case Service() if not past.ever_served:
            served = any(one.status.cause is Cause.SERVICE_WITHOUT_ENDPOINTS and one.status.times.resolved_time is None for one in incidents)
            return replace(past, ever_served=True) if served else past
        case Node() if past.since is None or now - past.since < FLAP_WINDOW:
            return _flapped(past, thing, incidents, now)
        case _:
            return past


def _flapped(past: Past, node: Node, incidents: Iterable[Incident], now: datetime) -> Past:
    """Where it flapped before this process saw it, the turns of that hour are not known but for the last: all may be as late as that."""
    known = [time for time in past.turns if now - time < FLAP_WINDOW]
    flapped = any(
        signal.cause is Cause.NODE_FLAPPING and signal.source is SourceKind.WATCH and signal.state is SignalState.FIRING
        for one in incidents
        if one.spec.target_ref.uid == node.uid
        for signal in one.status.signals
    )
    if len(known) >= FLAPS or not flapped:
        return past
    return replace(past, turns=(node.ready_since or now,) * FLAPS)
