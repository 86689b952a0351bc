"""What the steps about a taint have in common: which taints they are for, where one stands on a node, and whether it is ours.

The rule this module protects: a taint is known by its key and effect together, as Kubernetes knows it. Only keys of our own are ever written or taken
off, so that nothing that Kubernetes, a cloud or a person says by a taint is said or unsaid by us.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from prunella.api.base import Rule, WireModel
from prunella.api.common import ObjectRef
from prunella.core.healing.effects.effect import Json, Patch, annotated, guarded_sha256, labelled, part_of
from prunella.core.healing.notation import places

from . import nodes, one_value

OURS: Final = Rule(
    f"self.key.startsWith('{nodes.OWN_KEYS}')",
    f"must have a key that begins with {nodes.OWN_KEYS}: other keys are Kubernetes' or somebody's, and node.kubernetes.io/out-of-service needs a "
    "proof that the node is fenced, which nothing gives here: leave that to a step nodeRemediation",
)
LOOSENED: Final = r"/spec/taints/\[key=prunella\.dev~1[^\]/,]+,effect=(NoSchedule|PreferNoSchedule)\]"
"""The places of all that a step may set: a node that writes a mark onto itself gets no other taint off by that."""


def _own(key: str) -> str:
    if not key.startswith(nodes.OWN_KEYS):
        raise ValueError(OURS.message)
    return key


Key = Annotated[
    str,
    Field(max_length=317, pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"),
    AfterValidator(_own),
]
Effect = Literal["NoSchedule", "PreferNoSchedule"]
Value = Annotated[str, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$")]


class Named(WireModel):
    """A taint by its name: key and effect."""

    rules: ClassVar[tuple[Rule, ...]] = (OURS,)

    key: Key
    """Its key, which begins with prunella.dev/: `prunella.dev/suspect`. Other keys are refused; out-of-service needs a proof of fencing."""
    effect: Effect
    """NoSchedule: no pod that does not tolerate it is placed there. PreferNoSchedule: only where no other node has room. NoExecute is not offered: it
    ends pods past their disruption budgets; a step `drain` asks them."""

    @property
    def place(self) -> str:
        """Where it stands on a node."""
        return f"{nodes.TAINTS}/{places.element(key=self.key, effect=self.effect)}"


def told(key: str, value: object, effect: str) -> str:
    """As kubectl spells it: key=value:effect."""
    return f"{key}{f'={value}' if value else ''}:{effect}"


def ours(raw: Json, place: str) -> bool:
    """Whether the taint at that place is ours, and is as it was written: the mark of a temporary measure on the node says so."""
    there, mark = part_of(raw, place), nodes.marked(raw)
    return there is not None and mark.get("path") == place and mark.get("wroteHash") == guarded_sha256(there)


def added(ref: ObjectRef, raw: Json, named: Named, value: str, *, does: str) -> Patch:
    """The patch that adds one to those that are there, if they are still the same ones."""
    taint = {"key": named.key, **({"value": value} if value else {}), "effect": named.effect}
    present = part_of(raw, nodes.TAINTS)
    return Patch(
        target=ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "test", "path": nodes.TAINTS, "value": present},
            {"op": "add" if present is None else "replace", "path": nodes.TAINTS, "value": [*nodes.listed(raw, nodes.TAINTS), taint]},
        ),
        guarded_path=named.place,
        pointer=nodes.TAINTS,
        annotated=annotated(raw),
        labelled=labelled(raw),
        does=does,
        before={"guardedSha256": guarded_sha256(None), **one_value.remembered(None, taint)},
    )
