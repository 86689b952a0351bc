"""scale: another number of replicas, an absolute one, so that a second request changes nothing.

The rule this module protects: who scales a workload owns its number. Where an autoscaler does, its minimum is raised instead; where something
generated that autoscaler, nothing is done. Nothing is ever scaled to zero: that hides a fault and heals none.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import Field

from prunella.api.base import Rule, WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT, Workload
from prunella.core.healing.effects.effect import Json, Patch, annotated, guarded_sha256, part_of
from prunella.core.healing.refusal import Refusal

from .step import RESOURCES, SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Right, Skip, StepKind, Wait

AUTOSCALING: Final = "autoscaling/v2"
AUTOSCALER: Final = "HorizontalPodAutoscaler"
REPLICAS: Final = "/spec/replicas"
MINIMUM: Final = "/spec/minReplicas"
SCALES: Final = frozenset({"Deployment", "StatefulSet"})
PATCH: Final = {
    **{kind: Right(verb="patch", group="apps", resource=RESOURCES[kind]) for kind in sorted(SCALES)},
    AUTOSCALER: Right(verb="patch", group="autoscaling", resource="horizontalpodautoscalers"),
}
LOOSENS: Final = (*((kind, REPLICAS) for kind in sorted(SCALES)), (AUTOSCALER, MINIMUM))
Replicas = Annotated[int, Field(ge=1, le=10_000)]


class Scale(WireModel):
    """Run more or fewer replicas; where an autoscaler owns their number, its minimum instead. Deployment, StatefulSet. Never to zero."""

    rules: ClassVar[tuple[Rule, ...]] = (Rule("has(self.to) != has(self.by)", "must have exactly one of to and by: a number, or how many more"),)

    to: Replicas | None = None
    """So many replicas."""
    by: Annotated[int, Field(ge=-1000, le=1000)] | None = None
    """So many more than there should be now; fewer where it is negative."""
    least: Replicas = 1
    """Never fewer than this."""
    most: Replicas
    """Never more than this."""


def plan(params: Scale, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once: of the workload, or of the autoscaler that owns its number."""
    workload = live.facts.workload
    if done:
        return Done(message=f"{workload.short} was scaled")
    if workload.kind not in SCALES:
        return Failed(message=f"a {workload.kind} has no number of replicas")
    asked = Listed(AUTOSCALING, AUTOSCALER, workload.namespace)
    if asked not in live.answers:
        return Ask(reads=(asked,))
    found = live.answers[asked]
    if isinstance(found, UnknownT):
        return Wait(until_time=live.now + SETTLE, message="the autoscalers of the namespace could not be read")
    owners = scalers_of(found, workload)
    if len(owners) > 1:
        return Refusal(reason="OwnedByAutoscaler", message=f"{len(owners)} autoscalers scale {workload.short}: they contradict each other")
    return _minimum(params, owners[0], workload) if owners else _replicas(params, live.raw, workload)


def _replicas(params: Scale, raw: Json, workload: Workload) -> Next:
    current = part_of(raw, REPLICAS)
    if not isinstance(current, int):
        return Failed(message=f"{workload.short} does not say how many replicas it wants")
    if current == 0:
        return Refusal(reason="HumanOverride", message=f"{workload.short} was scaled to zero: that is somebody's decision")
    return _patch(workload.ref, raw, REPLICAS, current, _wanted(params, current), f"{workload.short} is scaled")


def _minimum(params: Scale, scaler: Json, workload: Workload) -> Next:
    name = str(part_of(scaler, "/metadata/name"))
    generated = part_of(scaler, "/metadata/ownerReferences")
    if generated:
        return Refusal(reason="OwnedByAutoscaler", message=f"hpa/{name} scales {workload.short} and is itself made by something else")
    current, most = part_of(scaler, MINIMUM), part_of(scaler, "/spec/maxReplicas")
    if not isinstance(current, int) or not isinstance(most, int):
        return Failed(message=f"hpa/{name} has no bounds that could be read")
    wanted = min(_wanted(params, current), most)
    ref = ObjectRef(api_version=AUTOSCALING, kind=AUTOSCALER, namespace=workload.namespace, name=name, uid=str(part_of(scaler, "/metadata/uid")))
    return _patch(ref, scaler, MINIMUM, current, wanted, f"hpa/{name}, which scales {workload.short}, gets another minimum")


def _patch(ref: ObjectRef, raw: Json, path: str, current: int, wanted: int, does: str) -> Next:
    if wanted == current:
        return Done(message=f"{wanted} already")
    return Patch(
        target=ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "test", "path": path, "value": current},
            {"op": "replace", "path": path, "value": wanted},
        ),
        guarded_path=path,
        annotated=annotated(raw),
        does=f"{does}: {current} -> {wanted}",
        before={"guardedSha256": guarded_sha256(current), "replicas": str(current), "wanted": str(wanted)},
    )


def _wanted(params: Scale, current: int) -> int:
    wanted = params.to if params.to is not None else current + (params.by or 0)
    return max(min(wanted, params.most), params.least)


def scalers_of(found: tuple[Json, ...], workload: Workload) -> list[Json]:
    """Those that scale this workload."""
    return [one for one in found if _scales(one, workload)]


def _scales(scaler: Json, workload: Workload) -> bool:
    target = part_of(scaler, "/spec/scaleTargetRef")
    return isinstance(target, dict) and (target.get("kind"), target.get("name")) == (workload.kind, workload.name)


def undo(params: Scale, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The number from before, where it is still the one that this step wrote."""
    intent = record.intent
    if intent is None or not {"replicas", "wanted", "guardedPath"} <= intent.before.keys():
        return Skip(message="its record does not say what was there before")
    path, before, wrote = intent.before["guardedPath"], int(intent.before["replicas"]), int(intent.before["wanted"])
    current = part_of(raw, path)
    if current != wrote:
        return Skip(message=f"{intent.target_ref.name} has {current} now, and not the {wrote} that were written: that is somebody else's")
    return _patch(intent.target_ref, raw, path, wrote, before, f"{intent.target_ref.name} gets back its number")


def needs(params: Scale, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of the workload. Whether an autoscaler owns the number is known later; the patch of that one is refused where the right is missing."""
    return (PATCH[kind],) if kind in PATCH else ()


KIND: Final = StepKind(
    name="scale", params=Scale, impact=StepImpact.LOW, rights=tuple(PATCH.values()), needs=needs, plan=plan, undo=undo, loosens=LOOSENS
)
