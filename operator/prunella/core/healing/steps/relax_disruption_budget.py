"""relaxDisruptionBudget: the disruption budget that permits no eviction of the target's pods permits one, for a while.

The rule this module protects: it is relaxed by no more pods than one eviction needs and the Runbook allows, and one healthy pod is always left over.
What something else made, or what several budgets say at once, is not touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.notation import labels
from prunella.core.healing.owners import ownership

from . import one_value
from .step import RESOURCES, SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Right, StepKind, Wait

POLICY: Final = "policy/v1"
BUDGET: Final = "PodDisruptionBudget"
PATCH: Final = Right(verb="patch", group="policy", resource="poddisruptionbudgets")
LEAST: Final = "/spec/minAvailable"
AWAY: Final = "/spec/maxUnavailable"


class RelaxDisruptionBudget(WireModel):
    """Let one more pod of the target be evicted, for as long as ttlSeconds says, where its PodDisruptionBudget permits no eviction."""

    most: Annotated[int, Field(ge=1, le=10)] = 1
    """Never relaxed by more pods than this. One healthy pod always has to be left."""


def plan(params: RelaxDisruptionBudget, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch, once."""
    workload = live.facts.workload
    if done:
        return Done(message=f"the disruption budget of {workload.short} is relaxed")
    asked = Listed(POLICY, BUDGET, workload.namespace)
    if asked not in live.answers:
        return Ask(reads=(asked,))
    found = live.answers[asked]
    if isinstance(found, UnknownT):
        return Wait(until_time=live.now + SETTLE, message="the disruption budgets of the namespace could not be read")
    budgets = of_workload(found, live.raw)
    if len(budgets) != 1:
        return Failed(message=f"{len(budgets)} disruption budgets cover the pods of {workload.short}: exactly one can be relaxed")
    return relax(params, budgets[0], live)


def of_workload(found: tuple[Json, ...], workload: Json) -> list[Json]:
    """Those that cover the pods of a workload, by the labels of its template."""
    borne = part_of(workload, "/spec/template/metadata/labels")
    pods = borne if isinstance(borne, Mapping) else {}
    return [one for one in found if part_of(one, "/spec/selector") is not None and labels.selects(part_of(one, "/spec/selector"), pods)]


def relax(params: RelaxDisruptionBudget, budget: Json, live: LiveFacts) -> Next:
    """The patch of one budget, as its controller counts its pods."""
    name = str(part_of(budget, "/metadata/name"))
    refusal = ownership.made(budget, f"pdb/{name}")
    if refusal is not None:
        return refusal
    if part_of(budget, "/status/observedGeneration") != part_of(budget, "/metadata/generation"):
        return Wait(until_time=live.now + SETTLE, message=f"the controller of pdb/{name} has not counted its pods yet")
    counts = [part_of(budget, f"/status/{one}") for one in ("disruptionsAllowed", "desiredHealthy", "currentHealthy", "expectedPods")]
    allowed, desired, healthy, expected = (one if isinstance(one, int) else 0 for one in counts)
    if allowed > 0:
        return Done(message=f"pdb/{name} permits {allowed} evictions: it is not in the way")
    left, more = healthy - 1, desired - healthy + 1
    if left < 1:
        return Failed(message=f"pdb/{name} covers {healthy} healthy pods: one always has to be left")
    if more > params.most:
        return Failed(message=f"pdb/{name} would have to be relaxed by {more} pods to permit an eviction, and may be by {params.most}")
    return _write(budget, name, left, expected)


def _write(budget: Json, name: str, left: int, expected: int) -> Next:
    """As an absolute number, in the field that the budget has."""
    if part_of(budget, LEAST) is not None:
        path, value = LEAST, left
    elif part_of(budget, AWAY) is not None:
        path, value = AWAY, expected - left
    else:
        return Failed(message=f"pdb/{name} has neither minAvailable nor maxUnavailable")
    meta = [str(part_of(budget, f"/metadata/{one}")) for one in ("namespace", "uid")]
    ref = ObjectRef(api_version=POLICY, kind=BUDGET, namespace=meta[0], name=name, uid=meta[1])
    does = f"pdb/{name} permits an eviction for a while: {path.rpartition('/')[2]} {part_of(budget, path)} -> {value}"
    return one_value.write(ref, budget, path, value, does=does)


def undo(params: RelaxDisruptionBudget, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """What it demanded before, where it still demands what this step wrote."""
    return one_value.give_back(raw, record)


def needs(params: RelaxDisruptionBudget, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of disruption budgets."""
    return (PATCH,) if kind in RESOURCES else ()


KIND: Final = StepKind(
    name="relaxDisruptionBudget",
    params=RelaxDisruptionBudget,
    impact=StepImpact.LOW,
    rights=(PATCH,),
    needs=needs,
    plan=plan,
    undo=undo,
    approval_always=True,
    must_end=True,
    granted_by="manifests/relax-budgets",
    loosens=((BUDGET, f"{LEAST}|{AWAY}"),),
)
