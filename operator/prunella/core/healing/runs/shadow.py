"""Would it have been right? What a plan would have done that only the mode kept back, and what became of its Incident without it.

The rule this module protects: the verdict is reached once, when the Incident ends, from what the cluster shows then. What it does not show is
Undecided, and neither praise nor blame.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prunella.api.common import NamespacedRef
from prunella.api.incident import Incident
from prunella.api.incident_facts import ShadowPlan
from prunella.api.names import Mode, Outcome
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.runbook_status import Shadow, ShadowIncident
from prunella.api.shadow_verdict import ShadowVerdict
from prunella.core import rollout
from prunella.core.draft import Draft
from prunella.core.facts import Revision, UnknownT, WorkloadFacts
from prunella.core.healing.runbooks.plan import Plan, runbook_sha256
from prunella.core.world import World

KEPT: Final = 20
"""How many Incidents a Runbook's status names."""
REMAKES: Final = frozenset({"restart", "deletePods"})
Verdict = tuple[ShadowVerdict, str]


def sha256(runbook: Runbook) -> str:
    """Hash of what the Runbook says but for its mode: raising that makes it no other one."""
    spec = runbook.spec.model_copy(update={"mode": Mode.OBSERVE})
    return runbook_sha256(runbook.model_copy(update={"spec": spec}))


def remember(world: World, draft: Draft, made: Plan) -> Draft:
    """Keep the plan that is due, and that only the mode holds back: the first one of an Incident. What only tells can't be right or wrong."""
    if draft.status.shadow is not None or made.tells_only:
        return draft
    runbook, newest = made.runbook, made.accused or (rollout.newest(world.workload) if world.workload is not None else None)
    plan = ShadowPlan(
        runbook_ref=NamespacedRef(namespace=runbook.metadata.namespace or "", name=runbook.metadata.name),
        sha256=sha256(runbook),
        summary=made.summary[:1024],
        actions=tuple(step.action for step in runbook.spec.steps),
        revision=newest.hash if newest is not None else None,
        to_revision=made.to.hash if made.to is not None else None,
        due_time=world.now,
    )
    return draft.with_status(shadow=plan)


def conclude(world: World, draft: Draft, *, healthy: bool | UnknownT) -> Draft:
    """The verdict, once the Incident has ended. It stands: what comes after the end is another story."""
    plan, status = draft.status.shadow, draft.status
    if plan is None or plan.verdict is not None or not (draft.has_condition("Resolved") or status.times.cancelled_time is not None):
        return draft
    verdict, why = _verdict(world, plan, ended=status.times.cancelled_time is None, healthy=healthy)
    return draft.with_status(shadow=plan.model_copy(update={"verdict": verdict, "verdict_time": world.now, "reason": why}))


def _verdict(world: World, plan: ShadowPlan, *, ended: bool, healthy: bool | UnknownT) -> Verdict:
    facts = world.workload
    newest = rollout.newest(facts) if facts is not None else None
    if not ended:
        return ShadowVerdict.UNDECIDED, "it was no fault of its own"
    if facts is None or newest is None or healthy is not True:
        return ShadowVerdict.UNDECIDED, "the target is gone, or could not be seen to be healthy"
    healed = next((one for one in world.remediations if one.status.outcome is Outcome.REMEDIATED and _since(one, plan)), None)
    if healed is not None:
        return _by_attempt(healed, plan)
    if plan.revision is None:
        return ShadowVerdict.UNDECIDED, "which revision was there could not be told"
    return _rolled_back(newest, plan) if plan.to_revision is not None else _other(facts, newest, plan)


def _since(one: Remediation, plan: ShadowPlan) -> bool:
    return one.status.started_time is not None and one.status.started_time >= plan.due_time


def _by_attempt(healed: Remediation, plan: ShadowPlan) -> Verdict:
    ref = healed.spec.runbook_ref
    if (ref.namespace, ref.name) == (plan.runbook_ref.namespace, plan.runbook_ref.name):
        return ShadowVerdict.RIGHT, f"{healed.metadata.name} did it once it was permitted, and it healed"
    return ShadowVerdict.WRONG, f"{healed.metadata.name} healed it by Runbook {ref.name}"


def _rolled_back(newest: Revision, plan: ShadowPlan) -> Verdict:
    if newest.hash == plan.to_revision:
        return ShadowVerdict.RIGHT, f"somebody went back to that very revision, now {newest.number}"
    if newest.hash == plan.revision:
        return ShadowVerdict.WRONG, f"it recovered by itself: revision {newest.number} is still there"
    return ShadowVerdict.WRONG, f"another revision mended it: {newest.number}"


def _other(facts: WorkloadFacts, newest: Revision, plan: ShadowPlan) -> Verdict:
    """No rollback: seen is only whether the pods are the same ones."""
    if newest.hash != plan.revision:
        before = facts.revision(plan.revision or "")
        if before is not None and before.images != newest.images:
            return ShadowVerdict.WRONG, f"another version mended it: revision {newest.number}"
        return ShadowVerdict.UNDECIDED, f"somebody made revision {newest.number}: whether it does the same can't be told"
    made = [pod.created_time for pod in facts.pods if not pod.deleting]
    if any(time is None for time in made) or not made:
        return ShadowVerdict.UNDECIDED, "how old its pods are can't be told"
    younger = [time > plan.due_time for time in made if time is not None]
    if not any(younger):
        return ShadowVerdict.WRONG, "it recovered by itself: the same pods run the same revision"
    if all(younger) and REMAKES & set(plan.actions):
        return ShadowVerdict.RIGHT, "its pods were made anew, and that mended it"
    return ShadowVerdict.UNDECIDED, "some of its pods were made anew: whether that mended it can't be told"


# what a Runbook's status says of it


def renewed(runbook: Runbook) -> Shadow | None:
    """Empty statistics for a Runbook that was changed since they were counted; None where they are its own."""
    stands = runbook.status.shadow
    return Shadow(sha256=sha256(runbook)) if stands is not None and stands.sha256 != sha256(runbook) else None


def counted(runbook: Runbook, incident: Incident) -> Shadow | None:
    """The statistics with this Incident; None where it is not to be counted, or was already.

    Entries are kept by the time of their verdict: one from before the oldest that is kept was counted and has left the list.
    """
    plan = incident.status.shadow
    if plan is None or plan.verdict is None or plan.verdict_time is None or plan.sha256 != sha256(runbook):
        return None
    before = renewed(runbook) or runbook.status.shadow or Shadow(sha256=plan.sha256)
    meta = incident.metadata
    full = len(before.incidents) >= KEPT
    if any(one.uid == meta.uid for one in before.incidents) or (full and plan.verdict_time <= before.incidents[0].time):
        return None
    mine = ShadowIncident(uid=meta.uid, name=f"{meta.namespace}/{meta.name}", verdict=plan.verdict, time=plan.verdict_time)
    return before.model_copy(
        update={
            "would_have_acted": before.would_have_acted + 1,
            "right": before.right + (plan.verdict is ShadowVerdict.RIGHT),
            "wrong": before.wrong + (plan.verdict is ShadowVerdict.WRONG),
            "incidents": _newest((*before.incidents, mine)),
        }
    )


def _newest(those: Iterable[ShadowIncident]) -> tuple[ShadowIncident, ...]:
    return tuple(sorted(those, key=lambda one: one.time))[-KEPT:]
