"""freezeRollout: a broken rollout is held where it is, so that the revision before it goes on serving. Nothing goes back, and nothing is healed.

A Deployment is paused, and once its controller has seen that, the accused ReplicaSet gets no pods; the controller gives their places to the one that
is left. A StatefulSet gets a partition above its pods, and those that are broken are deleted, one at a time, so that they come back as they were. The
rule this module protects: only a single revision that serves now is kept, and the owner is paged: a frozen rollout needs a person.
"""

from __future__ import annotations

from typing import Final

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.marks import FREEZE
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import StepStatus
from prunella.core import rollout
from prunella.core.facts import Revision
from prunella.core.healing.effects.effect import WROTE_KEY, DeletePod, Json, Patch, guarded_sha256, part_of
from prunella.core.healing.owners import freezing
from prunella.core.healing.refusal import Refusal

from . import one_value
from .roll_back import DELETE_POD, broken_pods
from .step import SETTLE, Done, Failed, LiveFacts, Next, PageNow, Right, Skip, StepKind, Wait, patch_of

PAUSED: Final = "/spec/paused"
STRATEGY: Final = "/spec/updateStrategy"
REPLICAS: Final = "/spec/replicas"
SCALE: Final = Right(verb="patch", group="apps", resource="replicasets/scale")


class FreezeRollout(WireModel):
    """Hold a broken rollout so that the revision before it goes on serving, and page the owner. Deployment, StatefulSet."""


def plan(params: FreezeRollout, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """First the rollout is held, then its pods go, then the owner is paged."""
    workload, newest = live.facts.workload, rollout.newest(live.facts)
    if workload.kind not in freezing.FREEZES:
        return Failed(message=f"a rollout of a {workload.kind} can't be frozen")
    if any(one.intent is None and one.state is StepState.APPLIED for one in done):
        return Done(message="the rollout is frozen, and the owner was paged")
    if newest is None:
        return Wait(until_time=live.now + SETTLE, message="the controller has not seen the newest change yet")
    if newest.hash != live.accused_hash:
        return _somebody_else(live, newest, begun=bool(done))
    if not done:
        return _hold(live, newest)
    following = _no_pods(live, newest, done) if workload.kind == "Deployment" else _broken_pod(live, done)
    if following is not None:
        return following
    command = f"`kubectl rollout resume {workload.short} -n {workload.namespace}`, or roll a mended revision out"
    if workload.kind == "StatefulSet":
        command = f"roll a mended revision out and set the partition of {workload.short} back"
    return PageNow(message=f"{workload.short} is frozen at revision {newest.number}, and the one before serves; once it is mended: {command}")


def _somebody_else(live: LiveFacts, newest: Revision, *, begun: bool) -> Next:
    workload = live.facts.workload
    if begun:
        message = f"{workload.short} runs revision {newest.number} now, not the one that was frozen: somebody was faster"
        return Refusal(reason="HumanOverride", message=message)
    return Done(message=f"{workload.short} runs revision {newest.number}, not the accused one: there is nothing to freeze")


def _hold(live: LiveFacts, newest: Revision) -> Next:
    workload = live.facts.workload
    refusal = freezing.refused(live.facts, newest, live.now)
    if refusal is not None:
        return refusal
    [kept] = freezing.kept(live.facts, newest.hash, live.now)
    does = f"the rollout of revision {newest.number} of {workload.short} is held; {kept.number} serves"
    told = {"revision": str(newest.number), "ready": str(workload.ready), "kept": str(kept.number)}
    if workload.kind == "Deployment":
        if workload.paused or part_of(live.raw, PAUSED):
            return Refusal(reason="TargetPaused", message=f"{workload.short} is paused: somebody is at work on it")
        patch = one_value.write(workload.ref, live.raw, PAUSED, True, does=does, told=told)
    else:
        strategy, replicas = part_of(live.raw, STRATEGY), part_of(live.raw, REPLICAS)
        if not isinstance(strategy, dict) or not isinstance(replicas, int):
            return Failed(message=f"{workload.short} does not say how it updates its pods")
        held = {**strategy, "rollingUpdate": {**(strategy.get("rollingUpdate") or {}), "partition": replicas}}
        patch = one_value.write(workload.ref, live.raw, STRATEGY, held, does=does, told=told)
    return one_value.also_insisting(patch, live.raw, "/spec/template") if isinstance(patch, Patch) else patch


def _no_pods(live: LiveFacts, newest: Revision, done: tuple[StepStatus, ...]) -> Next | None:
    """The accused ReplicaSet to zero, once."""
    workload = live.facts.workload
    if part_of(live.raw, PAUSED) is not True:
        return Refusal(reason="HumanOverride", message=f"{workload.short} was resumed by somebody else")
    if newest.replicas == 0 or len(done) > 1:
        return None
    ref = ObjectRef(api_version="apps/v1", kind="ReplicaSet", namespace=newest.namespace, name=newest.name, uid=newest.uid)
    return Patch(
        target=ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": ref.uid},
            {"op": "test", "path": REPLICAS, "value": newest.replicas},
            {"op": "replace", "path": REPLICAS, "value": 0},
        ),
        guarded_path=REPLICAS,
        # No stamp: the controller copies the Deployment's annotations over those of its newest ReplicaSet.
        stamped=False,
        subresource="scale",
        does=f"revision {newest.number} of {workload.short} gets no pods",
        before={"guardedSha256": guarded_sha256(newest.replicas), WROTE_KEY: guarded_sha256(0), "replicas": str(newest.replicas)},
    )


def _broken_pod(live: LiveFacts, done: tuple[StepStatus, ...]) -> Next | None:
    """The next broken pod of a StatefulSet; its controller does not replace one that never gets ready."""
    deleted = {one.intent.target_ref.uid for one in done if one.intent is not None and one.state is StepState.APPLIED}
    if any(pod.deleting and pod.uid in deleted for pod in live.facts.pods):
        return Wait(until_time=live.now + SETTLE, message="the pod that was deleted is not gone yet: one at a time")
    remaining = [pod for pod in broken_pods(live.facts, live.accused_hash) if pod.uid not in deleted]
    if not remaining:
        return None
    pod = remaining[0]
    return DeletePod(
        target=ObjectRef(api_version="v1", kind="Pod", namespace=pod.namespace, name=pod.name, uid=pod.uid),
        resource_version=pod.resource_version,
        does=f"pod {pod.name} was deleted: it comes back as the revision that is kept",
        before={"pod": pod.name, "revision": pod.revision, "ready": "false"},
    )


def undo(params: FreezeRollout, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """The rollout goes on, where it still is held as this step did it. Its pods are the controller's to bring back."""
    if record.intent is not None and record.intent.target_ref.kind in freezing.FREEZES:
        return one_value.give_back(raw, record)
    return Skip(message="its controller brings the pods back once the rollout goes on")


def needs(params: FreezeRollout, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of the workload; of a Deployment the scale of its ReplicaSets, of a StatefulSet the deletion of its broken pods."""
    more = {"Deployment": (SCALE,), "StatefulSet": (DELETE_POD,)}
    return (patch_of(kind), *more[kind]) if kind in more else ()


KIND: Final = StepKind(
    name=FREEZE,
    params=FreezeRollout,
    impact=StepImpact.DISRUPTIVE,
    rights=(patch_of("Deployment"), patch_of("StatefulSet"), SCALE, DELETE_POD),
    needs=needs,
    plan=plan,
    undo=undo,
    event="Frozen",
    accuses=True,
    several=freezing.FREEZES,
    lasting="when it ends the broken rollout goes on; a person resumes it",
)
