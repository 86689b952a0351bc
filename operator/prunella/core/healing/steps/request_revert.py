"""requestRevert: somebody is asked to revert in Git what the cluster must not: the accused and the known-good revision, and what differs.

The rule this module protects: nothing in the cluster is changed, so it may be used where Argo CD or Flux own the workload and would undo whatever is
done to it. For such workloads this is all that automation can do, and it does it within seconds.
"""

from __future__ import annotations

from typing import Final

from prunella.api.base import Name, WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import Revision
from prunella.core.healing.effects import changes
from prunella.core.healing.effects.effect import TEMPLATE, Json, part_of
from prunella.core.healing.owners import ownership
from prunella.core.healing.refusal import Refusal

from .step import SETTLE, Done, LiveFacts, Next, StepKind, Tell, Wait, nothing

ROOM: Final = 480
"""Characters of a message that are left for what differs; all of it stands on the Remediation."""


class RequestRevert(WireModel):
    """Ask people or a bot to revert the accused revision in Git. Changes nothing in the cluster, and wakes nobody."""

    receiver: Name | None = None
    """One of the HealingPolicy's receivers, for example a bot's webhook. Default: whom the Incident's owner wants told."""


def plan(params: RequestRevert, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """One message, once."""
    workload, newest = live.facts.workload, live.facts.newest
    if done:
        return Done(message="the revert was requested")
    if live.to is None or live.to_template is None:
        return Refusal(reason="NoKnownGood", message="the revision to go back to is not stored any more")
    if workload.observed_generation < workload.generation or newest is None:
        return Wait(until_time=live.now + SETTLE, message="the controller has not seen the newest change yet")
    if newest.hash != live.accused_hash:
        return Refusal(reason="HumanOverride", message=f"{workload.short} runs revision {newest.number} now, not the accused one")
    template = part_of(live.raw, TEMPLATE)
    current: Json = template if isinstance(template, dict) else {}
    return Tell(
        receiver=params.receiver or "",
        message=_request(live, newest, live.to, current, live.to_template),
        diff=changes.told(current, live.to_template),
    )


def _request(live: LiveFacts, newest: Revision, to: Revision, current: Json, wanted: Json) -> str:
    workload = live.facts.workload
    owner = ownership.gitops(workload)
    where = f"{workload.namespace}/{workload.short} in Git{f' ({owner})' if owner else ''}"
    images, good = changes.images(current), changes.images(wanted)
    moved = ", ".join(
        f"{name} {images.get(name, 'none')} -> {good.get(name, 'none')}" for name in images | good if images.get(name) != good.get(name)
    )
    return (
        f"Please revert {where}: revision {newest.number} ({newest.hash}) fails, revision {to.number} ({to.hash}) was healthy. "
        f"Images: {moved or 'the same'}. What differs:\n{changes.told(current, wanted, most=ROOM)}"
    )[:1024]


def receivers(params: RequestRevert) -> tuple[str, ...]:
    """Whom it names."""
    return (params.receiver,) if params.receiver is not None else ()


KIND: Final = StepKind(
    name="requestRevert",
    params=RequestRevert,
    impact=StepImpact.NOTIFY,
    rights=(),
    needs=nothing,
    plan=plan,
    receivers=receivers,
    fixed=frozenset({"receiver"}),
    accuses=True,
)
