"""drain: the pods of a node that we cordoned are evicted, one after the other.

The rules this module protects: a pod is only ever evicted, so that disruption budgets are asked, and where one has no room it is waited for; nothing
is evicted that would not come back or would lose its data, and that is known before the first pod goes; and only a node that we cordoned is drained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Evict, Json, part_of

from . import nodes
from .step import SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait

MIRROR: Final = "kubernetes.io/config.mirror"
OVER: Final = frozenset({"Succeeded", "Failed"})


class Drain(WireModel):
    """Evict the pods of the node, one after the other. Disruption budgets are asked; only a node that a step `cordon` took out is drained."""

    most: Annotated[int, Field(ge=1, le=60)] = 30
    """Where more pods than this have to go, the step fails and evicts none."""
    empty_dir: Literal["Abort", "Lose"] = "Abort"
    """What becomes of data in emptyDir volumes. Abort: a pod with one makes the step fail before anything is evicted. Lose: it goes, and its data."""


def plan(params: Drain, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The next pod, once the one before is gone."""
    node = live.subject
    if nodes.well_again(live):
        return Done(message=f"{node.short} is well again: no more pods are evicted")
    if not nodes.ours(live.raw):
        how = "was cordoned by somebody else" if nodes.cordoned(live.raw) else "is not cordoned"
        return Failed(message=f"{node.short} {how}: only a node that a step cordon took out is drained")
    return _next(params, live, done)


def _next(params: Drain, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    node = live.subject
    asked = Listed("v1", "Pod", "", node=node.name)
    pods = live.answers.get(asked)
    if pods is None:
        return Ask(reads=(asked,))
    if isinstance(pods, UnknownT):
        return Wait(until_time=live.now + SETTLE, message=f"the pods of {node.short} could not be read")
    gone = {one.intent.target_ref.uid for one in done if one.intent is not None and one.state is StepState.APPLIED}
    going = [one for one in pods if part_of(one, "/metadata/uid") in gone]
    if going:
        return Wait(until_time=live.now + SETTLE, message=f"{_where(going[0])} is not gone yet: one at a time")
    left = sorted((one for one in pods if _has_to_go(one)), key=_where)
    if not left:
        return Done(message=f"{len(gone)} pods of {node.short} were evicted, and none is left that has to go")
    stays = _why_none(params, left)
    if stays:
        return Failed(message=stays[:1024])
    if len(left) + len(gone) > params.most:
        return Failed(message=f"{len(left) + len(gone)} pods of {node.short} would have to go, and at most {params.most} may")
    return _evict(left[0], f"{len(gone) + 1} of {len(gone) + len(left)}", last=len(left) == 1)


def _has_to_go(pod: Json) -> bool:
    """Not what the node's own agent or a DaemonSet would bring back to it at once, what has ended, or what is on its way out."""
    annotations = part_of(pod, "/metadata/annotations")
    mirror = isinstance(annotations, Mapping) and MIRROR in annotations
    over = part_of(pod, "/status/phase") in OVER or part_of(pod, "/metadata/deletionTimestamp") is not None
    return not mirror and not over and _controller(pod) != "DaemonSet"


def _controller(pod: Json) -> str:
    owners = part_of(pod, "/metadata/ownerReferences")
    found = (part_of(one, "/kind") for one in _list(owners) if part_of(one, "/controller") is True)
    return str(next(found, ""))


def _why_none(params: Drain, left: Sequence[Json]) -> str:
    """Which pods make it impossible, in a sentence; empty where none does."""
    bare = [_where(one) for one in left if not _controller(one)]
    if bare:
        return f"nothing would bring {_names(bare)} back: no controller owns it; nothing is evicted"
    local = [_where(one) for one in left if any(part_of(volume, "/emptyDir") is not None for volume in _list(part_of(one, "/spec/volumes")))]
    if local and params.empty_dir == "Abort":
        return f"{_names(local)} would lose the data of an emptyDir volume; nothing is evicted, unless the step has emptyDir: Lose"
    return ""


def _names(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} (and {len(names) - 1} more)"


def _list(found: object) -> Iterable[Json]:
    return found if isinstance(found, list | tuple) else ()


def _where(pod: Json) -> str:
    return f"pod {part_of(pod, '/metadata/namespace')}/{part_of(pod, '/metadata/name')}"


def _evict(pod: Json, number: str, *, last: bool) -> Evict:
    namespace, name, uid = (str(part_of(pod, f"/metadata/{key}")) for key in ("namespace", "name", "uid"))
    return Evict(
        target=ObjectRef(api_version="v1", kind="Pod", namespace=namespace, name=name, uid=uid),
        last=last,
        does=f"{_where(pod)} was evicted, {number}",
        before={"pod": name, "namespace": namespace},
    )


def needs(params: Drain, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To evict pods, in every namespace."""
    return (nodes.EVICT,)


KIND: Final = StepKind(
    name="drain",
    params=Drain,
    impact=StepImpact.DISRUPTIVE,
    kinds=nodes.NODE,
    rights=(nodes.EVICT,),
    granted_by=nodes.GRANTED_BY,
    needs=needs,
    plan=plan,
    outputs={"pod": "What became of the last pod: evicted or gone."},
    event="PodsDeleted",
    approval_always=True,
    several=nodes.NODE,
)
