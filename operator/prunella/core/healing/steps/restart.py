"""restart: the pods are made anew as `kubectl rollout restart` does, by an annotation of the pod template.

The annotation's value is the intent's time, a constant: sent twice it changes nothing the second time.
"""

from __future__ import annotations

from typing import Final

from prunella.api.base import WireModel, micro_time
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.effect import Json, Patch, annotated, guarded_sha256
from prunella.core.healing.refusal import Refusal

from .step import PATCH_WORKLOAD, Done, LiveFacts, Next, Right, StepKind, patch_of

PATH: Final = "/spec/template/metadata/annotations"
KEY: Final = "kubectl.kubernetes.io/restartedAt"


class Restart(WireModel):
    """Restart the workload's pods as `kubectl rollout restart` does."""


def plan(params: Restart, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """One patch, once."""
    if done:
        return Done(message="the pods are being made anew")
    workload = live.facts.workload
    if workload.paused:
        return Refusal(reason="TargetPaused", message=f"{workload.short} is paused")
    spec = live.raw.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    if not isinstance(template, dict):
        return Refusal(reason="TargetChanged", message=f"{workload.short} has no pod template")
    newest = live.facts.newest
    return Patch(
        target=workload.ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": workload.uid},
            {"op": "test", "path": "/spec/template", "value": template},
            _annotate(template, micro_time(live.intent_time)),
        ),
        annotated=annotated(live.raw),
        does=f"the pods of {workload.short} are being made anew",
        before={
            "revision": str(newest.number if newest else 0),
            "templateHash": newest.hash if newest else "",
            "guardedSha256": guarded_sha256(template),
            "ready": str(workload.ready),
        },
    )


def _annotate(template: Json, value: str) -> Json:
    metadata = template.get("metadata")
    if not isinstance(metadata, dict):
        return {"op": "add", "path": "/spec/template/metadata", "value": {"annotations": {KEY: value}}}
    if not isinstance(metadata.get("annotations"), dict):
        return {"op": "add", "path": PATH, "value": {KEY: value}}
    return {"op": "add", "path": f"{PATH}/{KEY.replace('/', '~1')}", "value": value}


def needs(params: Restart, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of the workload."""
    return (patch_of(kind),)


KIND: Final = StepKind(name="restart", params=Restart, impact=StepImpact.DISRUPTIVE, rights=PATCH_WORKLOAD, needs=needs, plan=plan, event="Restarted")
