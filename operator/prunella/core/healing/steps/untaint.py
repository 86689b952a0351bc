"""untaint: a taint that we set on the target node goes before its time.

The rule this module protects: a taint that does not bear our mark, or that somebody has changed since, is a person's decision, and stays.
"""

from __future__ import annotations

from typing import Final

from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects import unmark
from prunella.core.healing.effects.effect import Patch, part_of
from prunella.core.healing.refusal import Refusal

from . import nodes, one_value, taints
from .step import Done, LiveFacts, Next, Right, StepKind


class Untaint(taints.Named):
    """Take a taint off the node. Only one that a step `taint` set and nobody has changed since: any other stays."""


def plan(params: Untaint, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once: the taint and its mark go together."""
    node, told = live.subject, taints.told(params.key, None, params.effect)
    if done or part_of(live.raw, params.place) is None:
        return Done(message=f"{node.short} bears no taint {told}")
    if not taints.ours(live.raw, params.place):
        message = f"the taint {told} of {node.short} was set or changed by somebody else: it stays until they say otherwise"
        return Refusal(reason="HumanOverride", message=message)
    patch = one_value.write(node.ref, live.raw, params.place, None, does=f"{node.short} bears the taint {told} no more")
    return unmark.unmarked(patch, live.raw) if isinstance(patch, Patch) else patch


def needs(params: Untaint, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To patch nodes."""
    return (nodes.PATCH,)


KIND: Final = StepKind(
    name="untaint",
    params=Untaint,
    impact=StepImpact.LOW,
    kinds=nodes.NODE,
    rights=(nodes.PATCH,),
    granted_by=nodes.GRANTED_BY,
    needs=needs,
    plan=plan,
    fixed=frozenset({"key"}),
)
