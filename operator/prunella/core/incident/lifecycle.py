"""Stage: where the Incident stands, by the table of moves. Duplicates, acknowledgement, relapse, mitigation, end, in this order.

The rule this module protects: each thing that happens is told once, with its Event's name, and a second look at the same world changes nothing.
"""

from __future__ import annotations

from datetime import datetime

from prunella.api.names import ConditionStatus
from prunella.core.draft import Draft
from prunella.core.facts import UnknownT
from prunella.core.world import World

from . import acknowledgement, duplicates, flapping, opening, recovery, relapse
from .states import State, over, state_of


def advance(world: World, draft: Draft, *, target_healthy: bool | UnknownT, healthy_since: datetime | None) -> Draft:
    """Move the Incident as far as the world says. `target_healthy` is UNKNOWN where there is no data; `healthy_since` the start of that health."""
    draft = opening.begin(world, draft)
    draft = duplicates.merge(world, draft)
    if state_of(draft.status) is State.CANCELLED:
        return draft
    draft = relapse.reopen(world, draft)
    draft = acknowledgement.hear(world, draft)
    draft = relapse.fire_again(world, draft)
    mitigated_before = draft.has_condition("Mitigated")
    draft = recovery.mitigate(world, draft)
    draft = recovery.conclude(world, draft, target_healthy=target_healthy, healthy_since=healthy_since)
    if draft.has_condition("Mitigated") and not mitigated_before and not over(draft.status):
        draft = draft.note("Mitigated", _mitigated_message(draft))
    return flapping.flag(acknowledgement.expire(world, draft))


def _mitigated_message(draft: Draft) -> str:
    by_type = {one.type: one for one in draft.status.conditions}
    waiting = by_type.get("Resolved")
    said = by_type["Mitigated"].message
    return f"{said}; {waiting.message}" if waiting is not None and waiting.status is not ConditionStatus.TRUE and waiting.message else said
