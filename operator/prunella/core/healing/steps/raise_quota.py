"""raiseQuota: one hard limit of a ResourceQuota that refuses the target's pods is raised for a while.

The rule this module protects: only a limit that is there and that is in the way is raised, by a part of what it is, and never beyond the Runbook's
cap.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, Decimal
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core import quantity
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.notation import places
from prunella.core.healing.owners import ownership

from . import evidence, one_value
from .step import RESOURCES, SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait

QUOTA: Final = "ResourceQuota"
PATCH: Final = Right(verb="patch", group="", resource="resourcequotas")


class RaiseQuota(WireModel):
    """Raise one hard limit of the ResourceQuota that refuses the target's pods, for as long as ttlSeconds says."""

    resource: Annotated[str, Field(min_length=1, max_length=253, pattern="^[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?$")]
    """Which of its limits, for example requests.memory, pods or count/jobs.batch."""
    percent: Annotated[int, Field(ge=101, le=200)] = 125
    """The new limit in percent of the present one: rounded up to a whole number, of memory and cpu down to whole Mi and thousandths of a core."""
    most: Annotated[str, Field(min_length=1, max_length=32, pattern="^[0-9]+([.][0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
    """Never more than this quantity."""
    quota: Annotated[str, Field(max_length=253, pattern="^([a-z0-9]([-a-z0-9.]*[a-z0-9])?)?$")] = ""
    """Name of the ResourceQuota, where several of the namespace limit the resource."""


def plan(params: RaiseQuota, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once."""
    workload = live.facts.workload
    if done:
        return Done(message=f"the quota of {params.resource} in {workload.namespace} is raised")
    asked = Listed("v1", QUOTA, workload.namespace)
    if asked not in live.answers:
        return Ask(reads=(asked,))
    found = live.answers[asked]
    if isinstance(found, UnknownT):
        return Wait(until_time=live.now + SETTLE, message="the quotas of the namespace could not be read")
    quotas = limiting(found, params)
    if len(quotas) != 1:
        names = ", ".join(sorted(str(part_of(one, "/metadata/name")) for one in quotas))
        which = f": name one of {names} with quota" if quotas else ""
        return Failed(message=f"{len(quotas)} quotas of {workload.namespace} limit {params.resource}{which}; exactly one can be raised")
    name = str(part_of(quotas[0], "/metadata/name"))
    if not _full(quotas[0], params) and not evidence.refused_by(live, f"exceeded quota: {name},"):
        return Done(message=f"quota/{name} has room left and refuses no pod of {workload.short}: it is not in the way")
    return raised(params, quotas[0], live)


def limiting(found: tuple[Json, ...], params: RaiseQuota) -> list[Json]:
    """Those that limit the resource; only the one of that name where the Runbook names one."""
    named = [one for one in found if params.quota in {"", part_of(one, "/metadata/name")}]
    return [one for one in named if part_of(one, _path(params)) is not None]


def _path(params: RaiseQuota) -> str:
    return f"/spec/hard/{places.key(params.resource)}"


def _full(quota: Json, params: RaiseQuota) -> bool:
    hard, used = (quantity.read(part_of(quota, f"/status/{one}/{places.key(params.resource)}")) for one in ("hard", "used"))
    return hard is not None and used is not None and used >= hard


def raised(params: RaiseQuota, quota: Json, live: LiveFacts) -> Next:
    """The patch of one quota."""
    name, path = str(part_of(quota, "/metadata/name")), _path(params)
    refusal = ownership.made(quota, f"quota/{name}")
    if refusal is not None:
        return refusal
    stands = part_of(quota, path)
    if part_of(quota, path.replace("/spec/", "/status/", 1)) != stands:
        return Wait(until_time=live.now + SETTLE, message=f"the controller of quota/{name} has not counted what is used yet")
    present, cap = quantity.read(stands), quantity.read(params.most)
    if present is None or cap is None:
        return Failed(
            message=f"quota/{name} limits {params.resource} to '{stands}', and most is '{params.most}': one of them is no quantity such as 2Gi"
        )
    wrote = _spelled(params.resource)(min(present * params.percent / 100, cap))
    after = quantity.read(wrote)
    if after is None or after <= present or after > cap:
        return Done(message=f"quota/{name} limits {params.resource} to {stands}: it may not go higher, and no further than {params.most}")
    meta = [str(part_of(quota, f"/metadata/{one}")) for one in ("namespace", "uid")]
    ref = ObjectRef(api_version="v1", kind=QUOTA, namespace=meta[0], name=name, uid=meta[1])
    return one_value.write(ref, quota, path, wrote, does=f"quota/{name} has a higher limit of {params.resource} for a while: {stands} -> {wrote}")


def _spelled(resource: str) -> Callable[[Decimal], str]:
    """How amounts of a resource are written."""
    last = resource.rpartition(".")[2].rpartition("/")[2]
    if last in {"memory", "storage", "ephemeral-storage"} or last.startswith("hugepages-"):
        return quantity.memory
    return quantity.cpu if last == "cpu" else lambda value: quantity.cpu(value.to_integral_value(rounding=ROUND_CEILING))


def undo(params: RaiseQuota, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The limit from before, where it is still the one that this step wrote. What was created meanwhile stays."""
    return one_value.give_back(raw, record)


def needs(params: RaiseQuota, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of quotas."""
    return (PATCH,) if kind in RESOURCES else ()


KIND: Final = StepKind(
    name="raiseQuota",
    params=RaiseQuota,
    impact=StepImpact.LOW,
    rights=(PATCH,),
    needs=needs,
    plan=plan,
    undo=undo,
    approval_always=True,
    must_end=True,
    granted_by="manifests/raise-quotas",
    loosens=((QUOTA, "/spec/hard/[^/]+"),),
)
