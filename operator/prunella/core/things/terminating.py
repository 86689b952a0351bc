"""An object that was to be gone by now, and whose finalizers hold it.

The rule this module protects: a finalizer is a promise to somebody. Who holds it is told, and none is ever taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from prunella.api.names import Cause
from prunella.core.facts import WorkloadCondition
from prunella.core.subject import Thing

from .sighting import NOTHING, At, Sighting, found, told


@dataclass(frozen=True, slots=True, kw_only=True)
class Space(Thing):
    """A Namespace, as an object that may not go."""

    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "Namespace"

    conditions: tuple[WorkloadCondition, ...] = field(default=())
    """Why it does not go, in the words of its controller: those that are True."""


def detect(thing: Thing, at: At) -> Sighting:
    """StuckTerminating. `deletion_time` has the grace period in it."""
    if thing.deletion_time is None:
        return NOTHING
    held = f"its finalizers hold it: {', '.join(thing.finalizers)}" if thing.finalizers else "no finalizer of its own holds it"
    why = "".join(f"; {told(one.reason, one.message)}" for one in thing.conditions) if isinstance(thing, Space) else ""
    return found(thing, Cause.STUCK_TERMINATING, f"it is being deleted and does not go; {held}{why}", thing.deletion_time, at)
