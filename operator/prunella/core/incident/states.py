"""The Incident's states and the moves between them, once.

The rule this module protects: state is rebuilt from times and conditions, moves only by this table, and an illegal move raises.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from prunella.api.incident import IncidentStatus
from prunella.api.names import ConditionStatus


class State(Enum):
    """Where an Incident stands."""

    NEW = "New"
    TRIGGERED = "Triggered"
    ACKNOWLEDGED = "Acknowledged"
    MITIGATED = "Mitigated"
    RESOLVED = "Resolved"
    CANCELLED = "Cancelled"


class IllegalMoveError(Exception):
    """A move that the table does not have: a mistake of ours, never of the world."""

    def __init__(self, state: State, to: State) -> None:
        super().__init__(f"an Incident can't go from {state.value} to {to.value}")


ALLOWED: Final = {
    State.NEW: frozenset({State.TRIGGERED}),
    State.TRIGGERED: frozenset({State.ACKNOWLEDGED, State.MITIGATED, State.RESOLVED, State.CANCELLED}),
    State.ACKNOWLEDGED: frozenset({State.TRIGGERED, State.MITIGATED, State.RESOLVED, State.CANCELLED}),
    State.MITIGATED: frozenset({State.TRIGGERED, State.ACKNOWLEDGED, State.RESOLVED, State.CANCELLED}),
    State.RESOLVED: frozenset({State.TRIGGERED}),
    State.CANCELLED: frozenset[State](),
}


def state_of(status: IncidentStatus) -> State:
    """The state that times and conditions imply; `status.phase` is not asked."""
    times = status.times
    if times.cancelled_time is not None:
        return State.CANCELLED
    if times.resolved_time is not None:
        return State.RESOLVED
    if times.mitigated_time is not None:
        return State.MITIGATED
    if acknowledged(status):
        return State.ACKNOWLEDGED
    return State.TRIGGERED if times.triggered_time is not None else State.NEW


def acknowledged(status: IncidentStatus) -> bool:
    """Whether a person has the current episode."""
    return any(one.type == "Acknowledged" and one.status is ConditionStatus.TRUE for one in status.conditions)


def over(status: IncidentStatus) -> bool:
    """Whether it is resolved or cancelled."""
    return state_of(status) in {State.RESOLVED, State.CANCELLED}


def check_move(status: IncidentStatus, to: State) -> None:
    """Raise IllegalMoveError unless the table allows it."""
    state = state_of(status)
    if to not in ALLOWED[state]:
        raise IllegalMoveError(state, to)
