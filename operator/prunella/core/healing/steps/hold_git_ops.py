"""holdGitOps: Argo CD or Flux leaves the target alone for a while, so that what later steps change is not changed back within seconds.

Of an Argo CD Application `spec.syncPolicy.automated` is taken off, a Flux Kustomization or HelmRelease is suspended. The rule this module protects:
it always ends, by the mark on the object that is held; an object that something else would mend is not touched; and one run holds it at a time,
because its end would release what another one has changed meanwhile.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from prunella.api.base import WireModel
from prunella.api.common import ObjectRef
from prunella.api.marks import HOLD, INTENT_ANNOTATION
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT
from prunella.core.healing.effects import unmark
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.notation import places
from prunella.core.healing.owners.ownership import ARGO_ANNOTATION
from prunella.core.healing.refusal import Refusal

from . import gitops, one_value
from .step import Ask, Done, LiveFacts, Next, Skip, StepKind, nothing

AUTOMATED: Final = "/spec/syncPolicy/automated"
SUSPEND: Final = "/spec/suspend"
FOLDER: Final = "manifests/hold-gitops"
NAMED: Final = 253
"""Characters of a mark that are told: anybody may write one who may write to the object."""
AGAIN: Final = timedelta(seconds=30)
GRANT: Final = f"kubectl apply -n {{}} -k {FOLDER}"


class HoldGitOps(WireModel):
    """Suspend the Argo CD Application, Flux Kustomization or HelmRelease that owns the target, for as long as ttlSeconds says."""


def plan(params: HoldGitOps, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """One patch of the owner, once. Done where it leaves the target alone already, or nothing owns it."""
    workload, owner = live.facts.workload, gitops.owner(live.facts.workload)
    if isinstance(owner, Refusal):
        return owner
    if owner is None:
        return Done(message=f"{workload.short} is not managed from Git: there is nothing to hold")
    where = f"{owner.kind} {owner.namespace}/{owner.name}"
    if done:
        return Done(message=f"{where} is held")
    if owner not in live.answers:
        return Ask(reads=(owner,))
    found = live.answers[owner]
    if isinstance(found, UnknownT) or not found:
        why = "could not be read" if isinstance(found, UnknownT) else "is not there"
        message = f"{where}, which manages {workload.short}, {why}; if Prunella may not: `{GRANT.format(owner.namespace)}`"
        return Refusal(reason="OwnedByGitOps", message=message)
    return _held_by_another(found[0], live, where) or _hold(owner.kind, found[0], where)


def _held_by_another(raw: Json, live: LiveFacts, where: str) -> Refusal | None:
    """Why this run waits: the hold that stands is another run's, and what that one finds or leaves is not this one's to build on."""
    mark = unmark.told(raw)
    if mark is None or (live.run_uid and mark.get("remediationUID") == live.run_uid):
        return None
    by, until = str(mark.get("remediation", "what can't be read"))[:NAMED], str(mark.get("undoAfterTime", "it is released"))[:NAMED]
    message = f"{where} is held by another run ({by}) until {until}: what is changed under that hold would be changed back at its end"
    return Refusal(reason="OwnedByGitOps", message=message, look_again_time=live.now + AGAIN)


def _hold(kind: str, raw: Json, where: str) -> Next:
    ref = ObjectRef(
        api_version=str(raw.get("apiVersion")),
        kind=kind,
        namespace=str(part_of(raw, "/metadata/namespace")),
        name=str(part_of(raw, "/metadata/name")),
        uid=str(part_of(raw, "/metadata/uid")),
    )
    if kind != "Application":
        if part_of(raw, SUSPEND) is True:
            return Done(message=f"{where} is suspended already")
        return one_value.write(ref, raw, SUSPEND, True, does=f"{where} is suspended for a while")
    automated = part_of(raw, AUTOMATED)
    if not isinstance(automated, dict) or automated.get("enabled") is False:
        return Done(message=f"{where} is not synced by itself")
    annotations = part_of(raw, "/metadata/annotations")
    if part_of(raw, "/metadata/ownerReferences") or (isinstance(annotations, dict) and annotations.get(ARGO_ANNOTATION)):
        return Refusal(reason="OwnedByGitOps", message=f"{where} is itself made by an ApplicationSet or another Application, which would mend it")
    return one_value.write(ref, raw, AUTOMATED, None, does=f"{where} is not synced by itself for a while")


def undo(params: HoldGitOps, raw: Json, record: StepStatus) -> Next:  # noqa: ARG001 - every step has one shape
    """It goes on as before, where it still is held as this step did it: by its value, and not by another run since."""
    stamp = part_of(raw, f"/metadata/annotations/{places.key(INTENT_ANNOTATION)}")
    if record.intent is not None and stamp not in {None, record.intent.id}:
        return Skip(message=f"{record.intent.target_ref.kind} {record.intent.target_ref.name} is held by another run since: that ends it")
    return one_value.give_back(raw, record)


KIND: Final = StepKind(
    name=HOLD,
    params=HoldGitOps,
    impact=StepImpact.LOW,
    rights=(),  # the owner lives in a namespace of its own, which grants it with manifests/hold-gitops
    needs=nothing,
    plan=plan,
    undo=undo,
    must_end=True,
    loosens=tuple((kind, AUTOMATED if kind == "Application" else SUSPEND) for _, kind in gitops.KINDS),
    granted_by=FOLDER,
    marks=gitops.KINDS,
)
