"""cleanUp: failed pods of the target that pile up are deleted, the oldest first, and the newest ones are kept as evidence.

The rule this module protects: only what has ended is deleted, never fewer than three are kept, and no more than twenty go in a run.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Final

from pydantic import Field

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import StepStatus
from prunella.core import failing
from prunella.core.facts import Pod
from prunella.core.healing.effects.effect import DeletePod

from .roll_back import DELETE_POD
from .step import RESOURCES, Done, LiveFacts, Next, Right, StepKind

BATCH: Final = 20


class CleanUp(WireModel):
    """Delete failed and evicted pods of the workload that are old, the oldest first. At most 20 in a run."""

    keep: Annotated[int, Field(ge=3, le=100)] = 3
    """So many of the newest ones stay as evidence."""
    older_than_seconds: Annotated[int, Field(ge=60, le=2_592_000)] = 3600
    """Only pods that failed longer ago."""


def plan(params: CleanUp, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The next one, until enough are gone."""
    gone = {one.intent.target_ref.uid for one in done if one.intent is not None and one.state is StepState.APPLIED}
    limit = live.now - timedelta(seconds=params.older_than_seconds)
    failed = sorted(
        ((since, pod.name, pod) for pod in live.facts.pods if (since := _left_since(pod)) is not None and pod.uid not in gone),
        key=lambda one: one[:2],
    )
    due = [pod for since, _, pod in failed[: max(len(failed) - params.keep, 0)] if since < limit]
    if not due or len(gone) >= BATCH:
        return Done(message=f"{len(gone)} failed pods were deleted, {len(failed)} are kept" if gone else "no failed pod has to go: nothing was done")
    return _delete(due[0], last=len(due) == 1 or len(gone) + 1 >= BATCH)


def _left_since(pod: Pod) -> datetime | None:
    """Since when it has been left over; None of one that runs, goes, or is nobody's."""
    return failing.failed_since(pod) if pod.owner_uid and not pod.deleting else None


def _delete(pod: Pod, *, last: bool) -> DeletePod:
    return DeletePod(
        target=ObjectRef(api_version="v1", kind="Pod", namespace=pod.namespace, name=pod.name, uid=pod.uid),
        resource_version=pod.resource_version,
        last=last,
        does=f"pod {pod.name} was deleted: it had failed ({pod.status_reason or 'no reason given'})",
        before={"pod": pod.name, "reason": pod.status_reason},
    )


def needs(params: CleanUp, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """Deletion of pods."""
    return (DELETE_POD,) if kind in RESOURCES else ()


KIND: Final = StepKind(
    name="cleanUp",
    params=CleanUp,
    impact=StepImpact.LOW,
    rights=(DELETE_POD,),
    needs=needs,
    plan=plan,
    outputs={"pod": "What became of the last pod: deleted or gone."},
    event="PodsDeleted",
    several=frozenset(RESOURCES),
)
