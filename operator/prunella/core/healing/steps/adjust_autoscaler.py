"""adjustAutoscaler: the maximum of the autoscaler that scales the target is raised for a while.

The rule this module protects: it is only for an autoscaler that is at its maximum, never beyond an absolute number, and it always ends.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT, Workload
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.refusal import Refusal

from . import one_value
from .scale import AUTOSCALER, AUTOSCALING, PATCH, SCALES, scalers_of
from .step import SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait

MAXIMUM: Final = "/spec/maxReplicas"


class AdjustAutoscaler(WireModel):
    """Raise the maximum of the HorizontalPodAutoscaler that scales the target, for as long as ttlSeconds says. Only where it is at its maximum."""

    percent: Annotated[int, Field(ge=101, le=300)] = 150
    """The new maximum in percent of the present one, rounded up."""
    most: Annotated[int, Field(ge=1, le=10_000)]
    """Never more replicas than this."""


def plan(params: AdjustAutoscaler, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once."""
    workload = live.facts.workload
    if done:
        return Done(message=f"the autoscaler of {workload.short} may go higher")
    asked = Listed(AUTOSCALING, AUTOSCALER, workload.namespace)
    if asked not in live.answers:
        return Ask(reads=(asked,))
    found = live.answers[asked]
    if isinstance(found, UnknownT):
        return Wait(until_time=live.now + SETTLE, message="the autoscalers of the namespace could not be read")
    owners = scalers_of(found, workload)
    if len(owners) != 1:
        return Failed(message=f"{len(owners)} autoscalers scale {workload.short}: exactly one can be adjusted")
    return _raise(params, owners[0], workload)


def _raise(params: AdjustAutoscaler, scaler: Json, workload: Workload) -> Next:
    name = str(part_of(scaler, "/metadata/name"))
    if part_of(scaler, "/metadata/ownerReferences"):
        return Refusal(reason="OwnedByAutoscaler", message=f"hpa/{name} scales {workload.short} and is itself made by something else")
    maximum, wanted = part_of(scaler, MAXIMUM), part_of(scaler, "/status/desiredReplicas")
    if not isinstance(maximum, int) or not isinstance(wanted, int):
        return Failed(message=f"hpa/{name} does not say how far it may go and how far it went")
    if wanted < maximum:
        return Done(message=f"hpa/{name} wants {wanted} and may go to {maximum}: it is not at its maximum")
    raised = min(-(-maximum * params.percent // 100), params.most)
    if raised <= maximum:
        return Done(message=f"hpa/{name} may go to {maximum} already, and no further than {params.most}")
    ref = ObjectRef(api_version=AUTOSCALING, kind=AUTOSCALER, namespace=workload.namespace, name=name, uid=str(part_of(scaler, "/metadata/uid")))
    return one_value.write(ref, scaler, MAXIMUM, raised, does=f"hpa/{name}, which scales {workload.short}, may go higher: {maximum} -> {raised}")


def undo(params: AdjustAutoscaler, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The maximum from before, where it is still the one that this step wrote."""
    return one_value.give_back(raw, record)


def needs(params: AdjustAutoscaler, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of autoscalers."""
    return (PATCH[AUTOSCALER],) if kind in SCALES else ()


KIND: Final = StepKind(
    name="adjustAutoscaler",
    params=AdjustAutoscaler,
    impact=StepImpact.LOW,
    rights=(PATCH[AUTOSCALER],),
    needs=needs,
    plan=plan,
    undo=undo,
    must_end=True,
    loosens=((AUTOSCALER, "/spec/(min|max)Replicas"),),
)
