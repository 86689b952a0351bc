"""adjustAutoscaler: the maximum of an autoscaler, the target itself or the one that scales it, is raised for a while.

The rule this module protects: it is only for an autoscaler that is at its maximum, never beyond an absolute number, and it always ends.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.refusal import Refusal

from . import one_value
from .scale import AUTOSCALER, AUTOSCALING, PATCH, SCALES, scalers_of
from .step import SETTLE, WORKLOADS, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait

MAXIMUM: Final = "/spec/maxReplicas"


class AdjustAutoscaler(WireModel):
    """Raise the maximum of a HorizontalPodAutoscaler that is at it, the target or the one that scales it, for as long as ttlSeconds says."""

    percent: Annotated[int, Field(ge=101, le=300)] = 150
    """The new maximum in percent of the present one, rounded up."""
    most: Annotated[int, Field(ge=1, le=10_000)]
    """Never more replicas than this."""


def plan(params: AdjustAutoscaler, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once."""
    target = live.subject
    if done:
        return Done(message=f"{target.short} may go higher" if target.kind == AUTOSCALER else f"the autoscaler of {target.short} may go higher")
    if target.kind == AUTOSCALER:
        return _raise(params, live.raw, target.namespace, "")
    workload = live.facts.workload
    asked = Listed(AUTOSCALING, AUTOSCALER, workload.namespace)
    if asked not in live.answers:
        return Ask(reads=(asked,))
    found = live.answers[asked]
    if isinstance(found, UnknownT):
        return Wait(until_time=live.now + SETTLE, message="the autoscalers of the namespace could not be read")
    owners = scalers_of(found, workload)
    if len(owners) != 1:
        return Failed(message=f"{len(owners)} autoscalers scale {workload.short}: exactly one can be adjusted")
    return _raise(params, owners[0], workload.namespace, workload.short)


def _raise(params: AdjustAutoscaler, scaler: Json, namespace: str, scales: str) -> Next:
    """`scales` is the target that it scales; empty where it is the target."""
    name = str(part_of(scaler, "/metadata/name"))
    if part_of(scaler, "/metadata/ownerReferences"):
        who = f"hpa/{name} scales {scales} and is itself" if scales else f"hpa/{name} is"
        return Refusal(reason="OwnedByAutoscaler", message=f"{who} made by something else")
    maximum, wanted = part_of(scaler, MAXIMUM), part_of(scaler, "/status/desiredReplicas")
    if not isinstance(maximum, int) or not isinstance(wanted, int):
        return _left(scales, Failed(message=f"hpa/{name} does not say how far it may go and how far it went"))
    if wanted < maximum:
        return _left(scales, Done(message=f"hpa/{name} wants {wanted} and may go to {maximum}: it is not at its maximum"))
    raised = min(-(-maximum * params.percent // 100), params.most)
    if raised <= maximum:
        return _left(scales, Done(message=f"hpa/{name} may go to {maximum} already, and no further than {params.most}"))
    ref = ObjectRef(api_version=AUTOSCALING, kind=AUTOSCALER, namespace=namespace, name=name, uid=str(part_of(scaler, "/metadata/uid")))
    who = f"hpa/{name}, which scales {scales}," if scales else f"hpa/{name}"
    return one_value.write(ref, scaler, MAXIMUM, raised, does=f"{who} may go higher: {maximum} -> {raised}")


def _left(scales: str, why: Done | Failed) -> Next:
    """Left as it is. Of the target itself that is known before people are asked; of another one the step ends."""
    return why if scales else Refusal(reason="PreconditionFalse", message=why.message)


def undo(params: AdjustAutoscaler, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The maximum from before, where it is still the one that this step wrote."""
    return one_value.give_back(raw, record)


def needs(params: AdjustAutoscaler, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of autoscalers."""
    return (PATCH[AUTOSCALER],) if kind in SCALES | {AUTOSCALER} else ()


KIND: Final = StepKind(
    name="adjustAutoscaler",
    params=AdjustAutoscaler,
    impact=StepImpact.LOW,
    kinds=WORKLOADS | {AUTOSCALER},
    rights=(PATCH[AUTOSCALER],),
    needs=needs,
    plan=plan,
    undo=undo,
    must_end=True,
    loosens=((AUTOSCALER, "/spec/(min|max)Replicas"),),
)
