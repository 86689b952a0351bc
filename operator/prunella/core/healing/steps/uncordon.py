"""uncordon: the target node takes pods again, where it was cordoned by us.

The rule this module protects: a cordon that does not bear our mark is a person's decision, and stays.
"""

from __future__ import annotations

from typing import Final

from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects import unmark
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal

from . import nodes, one_value
from .step import Done, LiveFacts, Next, Right, StepKind


class Uncordon(WireModel):
    """Let the node take pods again. Only where Prunella cordoned it: a person's cordon stays."""


def plan(params: Uncordon, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """One patch, once: the cordon and its mark go together."""
    node = live.subject
    if done or not nodes.cordoned(live.raw):
        return Done(message=f"{node.short} takes pods")
    if not nodes.ours(live.raw):
        return Refusal(reason="HumanOverride", message=f"{node.short} was cordoned by somebody else: it stays cordoned until they say otherwise")
    patch = one_value.write(node.ref, live.raw, nodes.UNSCHEDULABLE, None, does=f"{node.short} takes pods again")
    return unmark.unmarked(patch, live.raw) if isinstance(patch, Patch) else patch


def needs(params: Uncordon, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To patch nodes."""
    return (nodes.PATCH,)


KIND: Final = StepKind(
    name="uncordon",
    params=Uncordon,
    impact=StepImpact.LOW,
    kinds=nodes.NODE,
    rights=(nodes.PATCH,),
    granted_by=nodes.GRANTED_BY,
    needs=needs,
    plan=plan,
)
