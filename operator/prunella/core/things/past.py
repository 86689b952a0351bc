"""What only a watcher can know of a thing, because the thing shows no more than its present.

The rule this module protects: it lives in memory, so it may be forgotten, and what is not known is not found. Where an open Incident proves it, it is
known again after a restart.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import Cause
from prunella.core.subject import Thing

from .node import Node
from .service import Service

TURNS: Final = 12
"""So many are remembered of a Node."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What was seen of a thing before."""

    uid: str = ""
    ever_served: bool = False
    """A Service: whether an endpoint of it was ready."""
    ready: bool | None = None
    turns: tuple[datetime, ...] = ()
    """A Node: whether it was Ready, and when that changed before our eyes, oldest first."""


NO_PAST: Final = Past()


def remember(past: Past | None, thing: Thing) -> Past | None:
    """The past with what is seen now; None of a kind whose present tells all. Another object of the same name has no past."""
    match thing:
        case Service():
            before = past if past is not None and past.uid == thing.uid else Past(uid=thing.uid)
            return replace(before, ever_served=before.ever_served or thing.ready_endpoints > 0)
        case Node():
            before = past if past is not None and past.uid == thing.uid else Past(uid=thing.uid)
            turned = before.ready not in {None, thing.ready} and thing.ready_since is not None
            turns = (*before.turns, thing.ready_since)[-TURNS:] if turned and thing.ready_since is not None else before.turns
            return replace(before, ready=thing.ready, turns=turns)
        case _:
            return None


def proved(past: Past, incidents: Iterable[Incident]) -> Past:
    """With what Incidents about the thing prove that have no end yet."""
    served = any(one.status.cause is Cause.SERVICE_WITHOUT_ENDPOINTS and one.status.times.resolved_time is None for one in incidents)
    return replace(past, ever_served=True) if served else past
