"""cordon: the target node takes no new pods for a while. What runs on it goes on.

The rule this module protects: it always ends, by its mark; and a node that somebody else has cordoned is theirs, so that nobody's cordon is ever
ended by us.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.effect import Json

from . import nodes, one_value
from .step import Done, LiveFacts, Next, Right, StepKind


class Cordon(WireModel):
    """Let the node take no new pods, for as long as ttlSeconds says. What runs on it goes on."""

    most: Annotated[int, Field(ge=1, le=100)] = 1
    """So many nodes may be out at once, this one and those that anybody else took out or that are not Ready; never more than one in ten, but one."""


def plan(params: Cordon, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once."""
    node = live.subject
    if done:
        return Done(message=f"{node.short} takes no pods")
    if nodes.cordoned(live.raw):
        return Done(message=f"{node.short} is cordoned already{'' if nodes.ours(live.raw) else ', by somebody else: that stays theirs'}")
    held = nodes.taken_out(live, params.most)
    if held is not None:
        return held
    return one_value.write(node.ref, live.raw, nodes.UNSCHEDULABLE, True, does=f"{node.short} is cordoned: it takes no new pods")


def undo(params: Cordon, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """It takes pods again, where it still is cordoned as this step did it."""
    return one_value.give_back(raw, record)


def needs(params: Cordon, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To patch nodes, and to see whether medik8s is at work on one."""
    return (nodes.PATCH, nodes.READ_LEASES)


KIND: Final = StepKind(
    name="cordon",
    params=Cordon,
    impact=StepImpact.LOW,
    kinds=nodes.NODE,
    rights=(nodes.PATCH, nodes.READ_LEASES),
    granted_by=nodes.GRANTED_BY,
    loosens=(("Node", nodes.UNSCHEDULABLE),),
    needs=needs,
    plan=plan,
    undo=undo,
    must_end=True,
)
