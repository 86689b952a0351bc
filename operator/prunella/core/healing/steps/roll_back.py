"""rollBack: the pod template of the revision last seen healthy comes back, and nothing else changes.

Two operations test what was judged (uid and template), one replaces the template, one stamps the intent. A StatefulSet's broken pod is deleted
afterwards: under OrderedReady the controller waits for it for ever (kubernetes/kubernetes#67250).
"""

from __future__ import annotations

from typing import Final, Literal

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import StepStatus
from prunella.core import rollout
from prunella.core.facts import Pod, WorkloadFacts
from prunella.core.healing.effects.effect import DeletePod, Json, Patch, annotated, guarded_sha256
from prunella.core.healing.refusal import Refusal

from .step import PATCH_WORKLOAD, SETTLE, Done, LiveFacts, Next, Right, Skip, StepKind, Wait, patch_of

DELETE_POD: Final = Right(verb="delete", group="", resource="pods")


class RollBack(WireModel):
    """Put back the pod template of the revision last seen healthy. Deployment, StatefulSet, DaemonSet."""

    to: Literal["KnownGood"] = "KnownGood"
    """KnownGood: the newest revision that was healthy before the accused one appeared and is not in quarantine."""


def plan(params: RollBack, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """First the template, then, for a StatefulSet, its broken pods one by one."""
    if not done and rollout.irreversible(live.facts, live.accused_hash):
        return Skip(message=f"{live.facts.workload.short} is marked prunella.dev/irreversible: nothing goes back over it")
    if not done:
        return _template(live)
    if live.facts.workload.kind != "StatefulSet" or live.facts.workload.pod_management == "Parallel":
        return Done(message="the template is back")
    return _broken_pod(live, done)


def _template(live: LiveFacts) -> Next:
    workload = live.facts.workload
    newest = live.facts.newest
    if live.to is None or live.to_template is None:
        return Refusal(reason="NoKnownGood", message="the revision to go back to is not stored any more")
    if workload.observed_generation < workload.generation or newest is None:
        return Wait(until_time=live.now + SETTLE, message="the controller has not seen the newest change yet")
    if newest.hash != live.accused_hash:
        return Refusal(
            reason="HumanOverride", message=f"{workload.short} runs revision {newest.number} now, not the accused one: somebody was faster"
        )
    template = _template_of(live.raw)
    if template == live.to_template:
        return Refusal(reason="HumanOverride", message=f"{workload.short} has the template of revision {live.to.number} already: somebody was faster")
    return Patch(
        target=workload.ref,
        operations=(
            {"op": "test", "path": "/metadata/uid", "value": workload.uid},
            {"op": "test", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/spec/template", "value": live.to_template},
        ),
        annotated=annotated(live.raw),
        does=f"{workload.short} runs the template of revision {live.to.number} again; {newest.number} is quarantined",
        before={
            "revision": str(newest.number),
            "templateHash": newest.hash,
            "guardedSha256": guarded_sha256(template),
            "ready": str(workload.ready),
            "toRevision": str(live.to.number),
            "toHash": live.to.hash,
        },
    )


def _template_of(raw: Json) -> Json:
    spec = raw.get("spec")
    template = spec.get("template") if isinstance(spec, dict) else None
    return template if isinstance(template, dict) else {}


def _broken_pod(live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    workload = live.facts.workload
    if workload.observed_generation < workload.generation:
        return Wait(until_time=live.now + SETTLE, message="the controller has not seen the old template yet")
    newest, wrote = rollout.newest(live.facts), done[0].intent
    if newest is not None and wrote is not None and newest.hash != wrote.before.get("toHash"):
        return Refusal(
            reason="HumanOverride", message=f"{workload.short} runs revision {newest.number} now, not the one that was put back: somebody was faster"
        )
    deleted = {one.intent.target_ref.uid for one in done if one.intent is not None and one.state is StepState.APPLIED}
    remaining = [pod for pod in broken_pods(live.facts, live.accused_hash) if pod.uid not in deleted]
    if not remaining:
        return Done(message="the template is back" if len(done) == 1 else f"the template is back, {len(done) - 1} broken pods were deleted")
    if any(pod.deleting and pod.uid in deleted for pod in live.facts.pods):
        return Wait(until_time=live.now + SETTLE, message="the pod that was deleted is not gone yet: one at a time")
    pod = remaining[0]
    return DeletePod(
        target=ObjectRef(api_version="v1", kind="Pod", namespace=pod.namespace, name=pod.name, uid=pod.uid),
        resource_version=pod.resource_version,
        last=len(remaining) == 1,
        does=f"pod {pod.name} was deleted: it was not ready and held the rollout up",
        before={"pod": pod.name, "revision": pod.revision, "ready": "false"},
    )


def broken_pods(facts: WorkloadFacts, accused_hash: str) -> tuple[Pod, ...]:
    """Pods of the accused revision that are not Ready and not on their way out, highest ordinal first."""
    pods = [pod for pod in facts.pods if pod.revision == accused_hash and not pod.ready and not pod.deleting and pod.owner_uid == facts.workload.uid]
    return tuple(sorted(pods, key=_ordinal, reverse=True))


def _ordinal(pod: Pod) -> int:
    tail = pod.name.rsplit("-", 1)[-1]
    return int(tail) if tail.isdigit() else -1


def needs(params: RollBack, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Patch of the workload; for a StatefulSet also the deletion of its broken pods."""
    patch = patch_of(kind)
    return (patch, DELETE_POD) if kind == "StatefulSet" else (patch,)


KIND: Final = StepKind(
    name="rollBack",
    params=RollBack,
    impact=StepImpact.DISRUPTIVE,
    rights=(*PATCH_WORKLOAD, DELETE_POD),
    needs=needs,
    plan=plan,
    event="RolledBack",
    accuses=True,
    several=frozenset({"StatefulSet"}),
)
