"""taint: the target node bears a taint of ours for a while, so that pods go elsewhere, or rather elsewhere. What runs on it goes on.

The rules this module protects: it always ends, by its mark; somebody's taint of the same key and effect is never written over; and as few nodes bear
one at once as may be cordoned.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.effect import Json, part_of

from . import nodes, one_value, taints
from .step import Done, Failed, LiveFacts, Next, Right, StepKind


class Taint(taints.Named):
    """Keep new pods that do not tolerate it off the node, for as long as ttlSeconds says. What runs on it goes on."""

    value: taints.Value = ""
    """Its value; absent: none."""
    most: Annotated[int, Field(ge=1, le=100)] = 1
    """So many nodes may be out at once, this one and those that anybody else took out, that bear a taint of ours or that are not Ready; never more
    than one in ten, but one."""


def plan(params: Taint, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once."""
    node, told = live.subject, taints.told(params.key, params.value, params.effect)
    if done:
        return Done(message=f"{node.short} bears the taint {told}")
    there = part_of(live.raw, params.place)
    if there is not None:
        return _there(params, live, there)
    mark = nodes.marked(live.raw)
    if mark:
        return Failed(message=f"{node.short} is changed for a while already, by {mark.get('remediation')}: one measure at a time"[:1024])
    held = nodes.taken_out(live, params.most)
    if held is not None:
        return held
    return taints.added(node.ref, live.raw, params, params.value, does=f"{node.short} bears the taint {told}")


def _there(params: Taint, live: LiveFacts, there: object) -> Next:
    """It bears one of that key and effect: whoever set it, it stays as it is."""
    value = there.get("value") if isinstance(there, dict) else None
    told = taints.told(params.key, value, params.effect)
    whose = "" if taints.ours(live.raw, params.place) else ", by somebody else: that stays theirs"
    if (value or "") == params.value:
        return Done(message=f"{live.subject.short} bears the taint {told} already{whose}")
    return Failed(message=f"{live.subject.short} bears the taint {told}{whose or ' already'}; no taint is written over another of its key and effect")


def undo(params: Taint, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """That one taint goes, where it still stands as this step wrote it. Every other one stays."""
    return one_value.give_back(raw, record)


def needs(params: Taint, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To patch nodes, and to see whether medik8s is at work on one."""
    return (nodes.PATCH, nodes.READ_LEASES)


KIND: Final = StepKind(
    name="taint",
    params=Taint,
    impact=StepImpact.LOW,
    kinds=nodes.NODE,
    rights=(nodes.PATCH, nodes.READ_LEASES),
    granted_by=nodes.GRANTED_BY,
    loosens=(("Node", taints.LOOSENED),),
    needs=needs,
    plan=plan,
    undo=undo,
    must_end=True,
    fixed=frozenset({"key"}),
)
