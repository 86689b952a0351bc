"""deletePods: some pods of the target go, one after the other, so that their controller makes new ones. A weed, and no restart.

The rule this module protects: a pod that is Ready is evicted, so that disruption budgets are asked, and never deleted; the last ready pod stays;
what is chosen is chosen once, so that the pods that come instead are left alone; and where nothing is chosen, nothing is done.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field

from prunella.api.base import Rule, WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import StepStatus
from prunella.core import failing, rollout
from prunella.core.facts import Pod, WorkloadFacts
from prunella.core.healing.effects.effect import DeletePod, Evict
from prunella.core.healing.refusal import Refusal

from .roll_back import DELETE_POD
from .step import RESOURCES, SETTLE, Done, LiveFacts, Next, Right, StepKind, Wait, untold

EVICT: Final = Right(verb="create", group="", resource="pods/eviction")


class DeletePods(WireModel):
    """Delete or evict some pods of the workload, one after the other. Ready ones are evicted, and the last ready one stays."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("self.which != 'Any' || has(self.revision)", "must have revision where which is Any: else every pod would be meant"),
    )

    which: Literal["CrashLooping", "BackOff", "Failed", "NotReady", "Any"]
    """CrashLooping: a container dies again and again. BackOff: it is not Ready, and the kubelet waits before it starts a container of it again.
    Failed: the pod ended with an error or was evicted. NotReady, and Any: as they say."""
    revision: Literal["Newest", "Others"] | None = None
    """Only pods of the newest revision, or only pods of others; absent: of all."""
    most: Annotated[int, Field(ge=1, le=20)]
    """Never more than this."""


def plan(params: DeletePods, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The next pod, once the one before is gone."""
    facts, records = live.facts, [one for one in done if one.intent is not None]
    newest = rollout.newest(facts)
    if newest is None:
        return Wait(until_time=live.now + SETTLE, message="the controller has not seen the newest change yet")
    gone = {one.intent.target_ref.uid for one in records if one.intent is not None and one.state is StepState.APPLIED}
    if any(pod.uid in gone for pod in facts.pods):
        return Wait(until_time=live.now + SETTLE, message="the pod that had to go is not gone yet: one at a time")
    began = records[0].intent.written_time if records and records[0].intent is not None else live.now
    chosen = _chosen(params, facts, newest.hash, began, live.now)
    waits = untold(live) if params.which == "CrashLooping" and not chosen else None
    if waits is not None:
        return waits
    if not chosen or len(gone) >= params.most:
        return Done(message=_said(params, facts, len(gone), len(chosen)))
    pod, last = chosen[0], len(chosen) == 1 or len(gone) + 1 >= params.most
    return _evict(facts, pod, records, live, last=last) if pod.ready else _delete(pod, last=last)


def _chosen(params: DeletePods, facts: WorkloadFacts, newest: str, began: datetime, now: datetime) -> list[Pod]:
    """In the order in which they go: those that are not Ready first, the oldest first."""
    found = [
        pod
        for pod in facts.pods
        if pod.owner_uid
        and not pod.deleting
        and pod.created_time is not None
        and pod.created_time <= began
        and (params.revision is None or (pod.revision == newest) is (params.revision == "Newest"))
        and _is(params.which, pod, now)
    ]
    return sorted(found, key=lambda pod: (pod.ready, pod.created_time or began, pod.name))


def _is(which: str, pod: Pod, now: datetime) -> bool:
    match which:
        case "CrashLooping":
            return any(one.loops for one in failing.crashes(pod, now))
        case "BackOff":
            return not pod.ready and failing.backs_off(pod)
        case "Failed":
            return pod.phase == "Failed"
        case "NotReady":
            return not pod.ready
        case _:
            return True


def _evict(facts: WorkloadFacts, pod: Pod, records: list[StepStatus], live: LiveFacts, *, last: bool) -> Next:
    ready = sum(one.ready and not one.deleting for one in facts.pods)
    if ready <= 1:
        return Refusal(reason="LastReadyReplica", message=f"pod {pod.name} is the last ready one of {facts.workload.short}: it stays")
    before = next((one.intent.before.get("readyPods", "") for one in records if one.intent is not None), "")
    if before.isdigit() and ready < int(before):
        return Wait(until_time=live.now + SETTLE, message=f"{ready} of {before} pods are ready: the next one goes when its place is taken")
    return Evict(
        target=_ref(pod),
        last=last,
        does=f"pod {pod.name} was evicted",
        before={"pod": pod.name, "revision": pod.revision, "ready": str(facts.workload.ready), "readyPods": str(ready)},
    )


def _delete(pod: Pod, *, last: bool) -> Next:
    return DeletePod(
        target=_ref(pod),
        resource_version=pod.resource_version,
        last=last,
        does=f"pod {pod.name} was deleted: it was not ready",
        before={"pod": pod.name, "revision": pod.revision},
    )


def _ref(pod: Pod) -> ObjectRef:
    return ObjectRef(api_version="v1", kind="Pod", namespace=pod.namespace, name=pod.name, uid=pod.uid)


def _said(params: DeletePods, facts: WorkloadFacts, gone: int, left: int) -> str:
    what = f"pod of {facts.workload.short} that is {params.which}" if params.which != "Any" else f"such pod of {facts.workload.short}"
    if not gone:
        return f"there is no {what}: nothing was done"
    return f"{gone} went, {left} stay: no more than {params.most} go" if left else f"{gone} went, and no {what} is left"


def needs(params: DeletePods, kind: str) -> tuple[Right, ...]:
    """Deletion for pods that are not Ready, eviction where Ready ones may be meant."""
    if kind not in RESOURCES:
        return ()
    return (DELETE_POD, EVICT) if params.which in {"Any", "CrashLooping"} else (DELETE_POD,)


KIND: Final = StepKind(
    name="deletePods",
    params=DeletePods,
    impact=StepImpact.DISRUPTIVE,
    rights=(DELETE_POD, EVICT),
    needs=needs,
    plan=plan,
    outputs={"pod": "What became of the last pod: deleted, evicted or gone."},
    event="PodsDeleted",
    several=frozenset(RESOURCES),
)
