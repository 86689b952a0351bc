"""expandVolume: a claim asks for more storage, by a factor and up to a cap, and the step waits until it has it.

The rule this module protects: a volume never shrinks, so nothing takes this back. Only the claim that is the target grows, or one that is named and
that the target uses, and only where its class lets it; nothing is ever deleted to make room.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core import quantity
from prunella.core.facts import UnknownT, Workload
from prunella.core.healing.effects.effect import Json, part_of

from . import one_value
from .step import SETTLE, WORKLOADS, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait, cannot

REQUEST: Final = "/spec/resources/requests/storage"
CAPACITY: Final = "/status/capacity/storage"
CLAIM: Final = ("v1", "PersistentVolumeClaim")
CLASS: Final = ("storage.k8s.io/v1", "StorageClass")
KINDS: Final = WORKLOADS | {CLAIM[1]}
PATCH: Final = Right(verb="patch", group="", resource="persistentvolumeclaims")
LEAST: Final = Decimal(1024) ** 3
"""It grows by so much at least: providers allow few changes, hours apart."""
LOOK: Final = timedelta(seconds=5)


class ExpandVolume(WireModel):
    """Have a PersistentVolumeClaim ask for more storage, and wait until it has it. It can't be taken back: volumes don't shrink."""

    claim: Annotated[str, Field(min_length=1, max_length=253, pattern="^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$")] | None = None
    """Name of a claim that the target uses; if absent, the target itself."""
    percent: Annotated[int, Field(ge=101, le=300)] = 125
    """The new size in percent of the present one, at least 1Gi more, rounded down to whole Mi."""
    most: Annotated[str, Field(min_length=1, max_length=32, pattern="^[0-9]+([.][0-9]+)?(k|Ki|M|Mi|G|Gi|T|Ti)?$")]
    """Never more than this quantity, for example 200Gi."""


def plan(params: ExpandVolume, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch of the claim, once; then it waits."""
    claim = _claim(params, live)
    if not isinstance(claim, Mapping):
        return claim
    name = str(part_of(claim, "/metadata/name"))
    if done:
        return _grown(claim, name, live)
    if part_of(claim, "/status/phase") != "Bound" or part_of(claim, "/metadata/deletionTimestamp") is not None:
        return cannot(live, claim, f"claim {name} is not bound to a volume, or is being deleted")
    wanted, has = quantity.read(part_of(claim, REQUEST)), quantity.read(part_of(claim, CAPACITY))
    if wanted is None or has is None:
        return cannot(live, claim, f"claim {name} does not say how much it asks for and how much it has")
    if has < wanted:
        return cannot(
            live, claim, f"claim {name} has {part_of(claim, CAPACITY)} and waits for {part_of(claim, REQUEST)}: it is being expanded already"
        )
    lets = _class_lets(claim, name, live)
    return lets if lets is not None else _ask_for_more(params, claim, max(wanted, has), live)


def claims_of(raw: Json, workload: Workload) -> Iterator[str]:
    """The names of the claims that a workload's pods use: those of its template, and of a StatefulSet those that are made for each pod."""
    for volume in _listed(raw, "/spec/template/spec/volumes"):
        name = part_of(volume, "/persistentVolumeClaim/claimName")
        if isinstance(name, str):
            yield name
    start = part_of(raw, "/spec/ordinals/start")
    first = start if isinstance(start, int) else 0
    for template in _listed(raw, "/spec/volumeClaimTemplates"):
        yield from (f"{part_of(template, '/metadata/name')}-{workload.name}-{ordinal}" for ordinal in range(first, first + workload.desired))


def _claim(params: ExpandVolume, live: LiveFacts) -> Json | Next:
    target = live.subject
    if target.kind == CLAIM[1] and params.claim in {None, target.name}:
        return live.raw
    if params.claim is None:
        return Failed(message=f"{target.short} is no claim, and the step names none")
    if not isinstance(target, Workload) or params.claim not in claims_of(live.raw, target):
        return Failed(message=f"{target.short} uses no claim {params.claim}")
    return _read(live, Listed(*CLAIM, target.namespace, params.claim))


def _read(live: LiveFacts, asked: Listed) -> Json | Next:
    """The one object that is asked for; what the step wants where it is not known, or not there."""
    found = live.answers.get(asked)
    if found is None:
        return Ask(reads=(asked,))
    if isinstance(found, UnknownT):
        return Wait(until_time=live.now + SETTLE, message=f"{asked.kind} {asked.name} could not be read")
    return found[0] if found else Failed(message=f"there is no {asked.kind} {asked.name}")


def _class_lets(claim: Json, name: str, live: LiveFacts) -> Next | None:
    """Why its class does not let it grow, or must be read first; None where it lets it."""
    storage_class = part_of(claim, "/spec/storageClassName")
    if not isinstance(storage_class, str) or not storage_class:
        return cannot(live, claim, f"claim {name} has no StorageClass: nothing says that its volume may grow")
    found = _read(live, Listed(*CLASS, "", storage_class))
    if not isinstance(found, Mapping):
        return found
    if part_of(found, "/allowVolumeExpansion") is not True:
        return cannot(live, claim, f"StorageClass {storage_class} of claim {name} does not allow volumes to be expanded")
    return None


def _ask_for_more(params: ExpandVolume, claim: Json, present: Decimal, live: LiveFacts) -> Next:
    cap = quantity.read(params.most)
    if cap is None:
        return Failed(message=f"most is '{params.most}', which is no quantity such as 200Gi")
    written = quantity.memory(min(max(present * params.percent / 100, present + LEAST), cap))
    raised, before, name = quantity.read(written), part_of(claim, REQUEST), str(part_of(claim, "/metadata/name"))
    if raised is None or raised <= present:
        why = f"claim {name} has {part_of(claim, CAPACITY)} and may have no more than {params.most}: a person has to make room"
        return cannot(live, claim, why)
    ref = ObjectRef(api_version=CLAIM[0], kind=CLAIM[1], namespace=live.subject.namespace, name=name, uid=str(part_of(claim, "/metadata/uid")))
    return one_value.write(ref, claim, REQUEST, written, does=f"claim {name} asks for more storage: {before} -> {written}")


def _grown(claim: Json, name: str, live: LiveFacts) -> Next:
    wanted, has = quantity.read(part_of(claim, REQUEST)), quantity.read(part_of(claim, CAPACITY))
    if wanted is not None and has is not None and has >= wanted:
        return Done(message=f"claim {name} has {part_of(claim, CAPACITY)}")
    said = [str(part_of(one, "/type")) for one in _listed(claim, "/status/conditions") if part_of(one, "/status") == "True"]
    return Wait(until_time=live.now + LOOK, message=f"claim {name} is being expanded{_told(said)}"[:1024])


def _told(conditions: list[str]) -> str:
    return f" ({', '.join(conditions)})" if conditions else ""


def _listed(raw: Json, path: str) -> list[Json]:
    found = part_of(raw, path)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, Sequence) and not isinstance(found, str) else []


def needs(params: ExpandVolume, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of claims."""
    return (PATCH,) if kind in KINDS else ()


KIND: Final = StepKind(
    name="expandVolume",
    params=ExpandVolume,
    impact=StepImpact.LOW,
    kinds=KINDS,
    rights=(PATCH,),
    needs=needs,
    plan=plan,
    goes_on=True,
)
