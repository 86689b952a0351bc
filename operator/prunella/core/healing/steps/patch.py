"""patch: one value of the pod template, of the few that a Runbook may set.

The rule this module protects: what is not on the list is not written, whoever asks. On it is how long things take and what is asked of a node. What
runs, as whom, with which data, and who gets its traffic is not on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from prunella.api.base import Rule, WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core import quantity
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.notation import places
from prunella.core.healing.refusal import Refusal

from . import one_value
from .step import PATCH_WORKLOAD, Done, Failed, LiveFacts, Next, Right, StepKind, patch_of

_POD: Final = "/spec/template/spec"
LONGEST_SECONDS: Final = 3600
QUANTITIES: Final = {"requests.memory": quantity.memory, "requests.cpu": quantity.cpu}


class PatchTemplate(WireModel):
    """Set one value of the pod template: a probe's timing, a request, the priority or the grace period. The pods are made anew, as by a rollout."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("has(self.container) == self.field.contains('.')", "must have container just where field has a dot: what has one is a container's"),
    )

    field: Literal[
        "terminationGracePeriodSeconds",
        "priorityClassName",
        "requests.cpu",
        "requests.memory",
        "livenessProbe.initialDelaySeconds",
        "livenessProbe.periodSeconds",
        "livenessProbe.timeoutSeconds",
        "livenessProbe.failureThreshold",
        "readinessProbe.initialDelaySeconds",
        "readinessProbe.periodSeconds",
        "readinessProbe.timeoutSeconds",
        "readinessProbe.failureThreshold",
        "startupProbe.initialDelaySeconds",
        "startupProbe.periodSeconds",
        "startupProbe.timeoutSeconds",
        "startupProbe.failureThreshold",
    ]
    """Which one. A probe or request that is not there is not made."""
    container: Annotated[str, Field(min_length=1, max_length=63, pattern="^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")] | None = None
    """Name of the container, for what is a container's."""
    value: Annotated[str, Field(min_length=1, max_length=63, pattern="^[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?$")]
    """The new value, as text: a number up to 3600, a quantity such as 512Mi, or the name of a PriorityClass that is not the system's own."""


def plan(params: PatchTemplate, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One patch of the template, once."""
    workload = live.facts.workload
    if done:
        return Done(message=f"{params.field} of {workload.short} is {params.value}")
    if workload.paused:
        return Refusal(reason="TargetPaused", message=f"{workload.short} is paused")
    value = _value(params)
    if isinstance(value, Failed):
        return value
    if (params.container is None) is ("." in params.field):
        wrong = "a container's: name it with container" if "." in params.field else "not a container's: leave container out"
        return Failed(message=f"{params.field} is {wrong}")
    path, whose = _path(params), f" of container {params.container}" if params.container else ""
    beside = part_of(live.raw, path.rpartition("/")[0])
    if not isinstance(beside, Mapping) or (params.field in QUANTITIES and part_of(live.raw, path) is None):
        return Failed(message=f"{workload.short} has no {params.field}{whose} that could be changed")
    does = f"{params.field}{whose} of {workload.short} is changed: {part_of(live.raw, path)} -> {value}"
    return one_value.write(workload.ref, live.raw, path, value, does=does, told={"ready": str(workload.ready)})


def _path(params: PatchTemplate) -> str:
    if params.container is None:
        return f"{_POD}/{params.field}"
    of_resources = "resources/" if params.field in QUANTITIES else ""
    return f"{_POD}/containers/{places.named(params.container)}/{of_resources}{params.field.replace('.', '/')}"


def _value(params: PatchTemplate) -> int | str | Failed:
    """As it is stored."""
    if params.field in QUANTITIES:
        amount = quantity.read(params.value)
        return QUANTITIES[params.field](amount) if amount else Failed(message=f"{params.field}: '{params.value}' is no quantity such as 512Mi")
    if params.field == "priorityClassName":
        own = params.value.startswith("system-")
        return Failed(message=f"{params.field}: '{params.value}' is for the cluster's own pods") if own else params.value
    if not params.value.isdecimal() or int(params.value) > LONGEST_SECONDS:
        return Failed(message=f"{params.field}: '{params.value}' is no number up to {LONGEST_SECONDS}")
    return int(params.value)


def undo(params: PatchTemplate, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The value from before, where it is still the one that this step wrote."""
    return one_value.give_back(raw, record)


def needs(params: PatchTemplate, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of the workload."""
    return (patch_of(kind),)


KIND: Final = StepKind(
    name="patch",
    params=PatchTemplate,
    impact=StepImpact.DISRUPTIVE,
    rights=PATCH_WORKLOAD,
    needs=needs,
    plan=plan,
    undo=undo,
    lasting="its end would make the pods anew once more; change the manifest and let that end it",
)
