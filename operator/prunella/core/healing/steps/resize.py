"""resize: one container of the pod template gets more memory or cpu, by a factor and up to a cap.

The rule this module protects: only a limit that is there is raised, only of the container that is named or that alone ran out of memory, and never
beyond the smaller of the Runbook's cap and what the workload's owner says with prunella.dev/max-memory. A request that equals the limit goes with it,
so that the pod stays in its class.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from prunella.api.base import Rule, WireModel
from prunella.api.common import ObjectRef
from prunella.api.marks import MAX_MEMORY_ANNOTATION
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core import failing, quantity
from prunella.core.facts import Workload
from prunella.core.healing.effects.effect import Json, Patch, annotated, guarded_sha256, part_of
from prunella.core.healing.refusal import Refusal

from .step import PATCH_WORKLOAD, Done, Failed, LiveFacts, Next, Right, Skip, StepKind, patch_of, untold

TEMPLATE: Final = "/spec/template"
WRITE: Final = {"memory": quantity.memory, "cpu": quantity.cpu}
_AT: Final = "/spec/template/spec/containers"


class Resize(WireModel):
    """Raise the memory or cpu limit of one container in the pod template. The pods are made anew, as by a rollout."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.container) || self.resource == 'memory'", "must have container where resource is cpu: nothing tells which one lacks it"),
    )

    container: Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = None
    """Name of the container. Default, of memory alone: the one that ran out of it; where it is not exactly one, the step fails."""
    resource: Literal["memory", "cpu"]
    """Which limit."""
    percent: Annotated[int, Field(ge=101, le=300)] = 150
    """The new limit in percent of the present one, rounded down to whole Mi or thousandths of a core."""
    most: Annotated[str, Field(min_length=1, max_length=32, pattern="^[0-9]+([.][0-9]+)?(m|k|Ki|M|Mi|G|Gi|T|Ti)?$")]
    """Never more than this quantity, for example 2Gi. The annotation prunella.dev/max-memory on the workload can only lower it."""


def plan(params: Resize, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch of the template, once."""
    workload = live.facts.workload
    if done:
        return Done(message=f"a container of {workload.short} has another {params.resource} limit")
    if workload.paused:
        return Refusal(reason="TargetPaused", message=f"{workload.short} is paused")
    named = [params.container] if params.container is not None else _out_of_memory(live)
    waits = untold(live) if not named else None
    if waits is not None:
        return waits
    if len(named) != 1:
        which = f": {', '.join(named)}" if named else ""
        return Failed(message=f"{len(named)} containers of {workload.short} ran out of memory{which}; exactly one can be given more")
    return _raise(params, live, named[0])


def _out_of_memory(live: LiveFacts) -> list[str]:
    crashes = (crash for pod in live.facts.pods for crash in failing.crashes(pod, live.now))
    return sorted({crash.container.name for crash in crashes if crash.out_of_memory})


def _raise(params: Resize, live: LiveFacts, name: str) -> Next:
    workload = live.facts.workload
    found = _container(live.raw, name)
    if found is None:
        return Failed(message=f"{workload.short} has no container {name}")
    index, container = found
    limit, request = _stands(container, "limits", params.resource), _stands(container, "requests", params.resource)
    present, cap = quantity.read(limit), _cap(params, workload)
    if isinstance(cap, Failed):
        return cap
    if present is None or present <= 0:
        return Failed(message=f"container {name} of {workload.short} has no {params.resource} limit that could be raised")
    wanted = min(present * params.percent / 100, cap)
    written = WRITE[params.resource](wanted)
    raised = quantity.read(written)
    if raised is None or raised <= present:
        return Done(message=f"container {name} of {workload.short} has {limit} of {params.resource}: it may have no more")
    told = {"container": name, "resource": params.resource, "was": str(limit), "wrote": written}
    both = request is not None and quantity.read(request) == present
    does = f"container {name} of {workload.short} gets another {params.resource} limit: {limit} -> {written}"
    told |= {"ready": str(workload.ready), **({"wasRequest": str(request)} if both else {})}
    values = {"limits": written, **({"requests": written} if both else {})}
    return _patch(live.raw, workload.ref, f"{_AT}/{index}/resources", params.resource, values, does=does, told=told)


def _cap(params: Resize, workload: Workload) -> Decimal | Failed:
    cap = quantity.read(params.most)
    said = workload.annotations.get(MAX_MEMORY_ANNOTATION) if params.resource == "memory" else None
    owners = quantity.read(said) if said is not None else cap
    if cap is None or owners is None:
        wrong = f"{MAX_MEMORY_ANNOTATION} of {workload.short} is '{said}'" if cap is not None else f"most is '{params.most}'"
        return Failed(message=f"{wrong}, which is no quantity such as 2Gi")
    return min(cap, owners)


def _container(raw: Json, name: str) -> tuple[int, Json] | None:
    containers = part_of(raw, _AT)
    listed = containers if isinstance(containers, list | tuple) else ()
    return next(((index, one) for index, one in enumerate(listed) if isinstance(one, Mapping) and one.get("name") == name), None)


def _stands(container: Json, which: str, resource: str) -> object:
    return part_of(container, f"/resources/{which}/{resource}")


def _patch(raw: Json, ref: ObjectRef, at: str, resource: str, values: Mapping[str, str], *, does: str, told: Mapping[str, str]) -> Patch:
    template = part_of(raw, TEMPLATE)
    return Patch(
        target=ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "test", "path": TEMPLATE, "value": template},
            *({"op": "replace", "path": f"{at}/{which}/{resource}", "value": value} for which, value in values.items()),
        ),
        annotated=annotated(raw),
        does=does,
        before={**told, "guardedSha256": guarded_sha256(template)},
    )


def undo(params: Resize, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The limit from before, where it is still the one that this step wrote."""
    before = record.intent.before if record.intent is not None else {}
    found = _container(raw, before.get("container", ""))
    if record.intent is None or found is None or not {"was", "wrote", "resource"} <= before.keys():
        return Skip(message="its record does not say what was there before, or the container is gone")
    index, container = found
    present = _stands(container, "limits", before["resource"])
    if quantity.read(present) != quantity.read(before["wrote"]):  # the API server spells a quantity in its own way
        return Skip(
            message=f"container {before['container']} has {present} now, and not the {before['wrote']} that were written: somebody changed it"
        )
    values = {"limits": before["was"], **({"requests": before["wasRequest"]} if "wasRequest" in before else {})}
    does = f"container {before['container']} of {record.intent.target_ref.name} has its {before['resource']} limit back: {before['was']}"
    return _patch(raw, record.intent.target_ref, f"{_AT}/{index}/resources", before["resource"], values, does=does, told={})


def needs(params: Resize, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of the workload."""
    return (patch_of(kind),)


KIND: Final = StepKind(
    name="resize",
    params=Resize,
    impact=StepImpact.DISRUPTIVE,
    rights=PATCH_WORKLOAD,
    needs=needs,
    plan=plan,
    undo=undo,
    lasting="its end would make the pods anew once more; change the manifest and let that end it",
)
