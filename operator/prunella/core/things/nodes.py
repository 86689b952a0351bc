"""Nodes that are gone, come and go, are at fault, are short of something, or were left cordoned by us.

The rule this module protects: somebody else's cordon is somebody's decision. Only one that bears our mark, past its time, was forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.api.names import Cause
from prunella.core.facts import WorkloadCondition

from .node import Node
from .past import FLAP_WINDOW, FLAPS
from .sighting import NOTHING, At, Sighting, found, told

CORDON: Final = "/spec/unschedulable"
"""The place of which a mark speaks that is of a cordon."""
ENDING: Final = timedelta(seconds=60)
"""Within it a cordon whose time is over is ended in the course of things: that is nothing to tell."""


def detect(node: Node, at: At) -> Sighting:
    """NodeFlapping, NodeNotReady, NodeFault, NodePressure or LeftoverCordon: what hurts most is told.

    What has held for long enough comes before what has not.
    """
    sights = tuple(_sights(node, at))
    seen = [one.finding for one in sights if one.finding is not None]
    again = min((one.look_again for one in sights if one.look_again is not None), default=None)
    told_of = next((one for one in seen if one.open_time <= at.now), seen[0] if seen else None)
    if told_of is None:
        return Sighting(look_again=again)
    # What presses on a node that is not Ready it does not say any more: that is no end of it.
    causes = frozenset(one.cause for one in seen) if node.ready else None
    return Sighting(finding=replace(told_of, seen_causes=causes), look_again=again)


def _sights(node: Node, at: At) -> Iterator[Sighting]:
    """All that is wrong with it, the worst first."""
    turns = [time for time in at.past.turns if at.now - time < FLAP_WINDOW]
    if len(turns) >= FLAPS:
        yield _flapping(node, turns, at)
    if not node.ready:
        what = f"the node is not Ready ({told(node.ready_reason, node.ready_message)})"
        yield found(node, Cause.NODE_NOT_READY, what, node.ready_since or at.now, at)
    if node.faults:
        yield _says(node, Cause.NODE_FAULT, "the node says", node.faults, at)
    if node.pressures:
        yield _says(node, Cause.NODE_PRESSURE, "the node is under", node.pressures, at)
    yield _left_cordoned(node, at)


def _says(node: Node, cause: Cause, what: str, conditions: tuple[WorkloadCondition, ...], at: At) -> Sighting:
    """The first one's words, for as long as the longest of them holds."""
    names = " and ".join(one.type for one in conditions)
    since = min(one.last_transition_time or at.now for one in conditions)
    return found(node, cause, f"{what} {names} ({told(conditions[0].reason, conditions[0].message)})", since, at)


def _flapping(node: Node, turns: list[datetime], at: At) -> Sighting:
    now = "Ready" if node.ready else "not Ready"
    seen = found(node, Cause.NODE_FLAPPING, f"the node turned Ready or not Ready {len(turns)} times within an hour; it is {now} now", turns[0], at)
    calm = turns[-FLAPS] + FLAP_WINDOW
    return Sighting(finding=seen.finding, look_again=min(seen.look_again or calm, calm))


def _left_cordoned(node: Node, at: At) -> Sighting:
    mark = node.annotations.get(TEMPORARY_ANNOTATION)
    if not node.cordoned or mark is None:
        return NOTHING
    says = _read(mark)
    if says.get("path", CORDON) != CORDON:
        return NOTHING  # it is of a taint: the cordon is somebody else's
    due = _undo_after(says)
    if due is not None and due + ENDING > at.now:
        return Sighting(look_again=due + ENDING)
    what = "the node is still cordoned by a measure of ours whose time is over: it takes no pods"
    return found(node, Cause.LEFTOVER_CORDON, what, due or at.now, at)


def _read(mark: str) -> dict[str, object]:
    """What stands in a mark; nothing where it can't be read."""
    try:
        says = json.loads(mark)
    except (ValueError, RecursionError):
        return {}
    return says if isinstance(says, dict) else {}


def _undo_after(says: dict[str, object]) -> datetime | None:
    """When the measure was to end; None where that can't be told: then it is over."""
    try:
        time = datetime.fromisoformat(str(says.get("undoAfterTime")))
        return time.astimezone(UTC) if time.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None
