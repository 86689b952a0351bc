"""holdGitOps: who owns the target is told by its marker, held by one value, and given back; what would mend itself is not touched."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.fakes.runbooks import ROLL_BACK, runbook

from prunella.api.marks import MARKED_LABEL
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.guards import guards
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import match
from prunella.core.healing.runs import measures
from prunella.core.healing.steps import gitops, hold_git_ops, registry
from prunella.core.healing.steps.hold_git_ops import HoldGitOps
from prunella.core.healing.steps.step import Ask, Done, Listed, LiveFacts, Skip

from .builders import NOON, later
from .healing_builders import crashed, ill, planned

TRACKED = {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}
FLUX = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
HELM = {"helm.toolkit.fluxcd.io/name": "web", "helm.toolkit.fluxcd.io/namespace": "shop"}
ARGO = Listed("argoproj.io/v1alpha1", "Application", "argocd", "shop")
KUSTOMIZATION = Listed("kustomize.toolkit.fluxcd.io/v1", "Kustomization", "flux-system", "apps")
AUTOMATED = {"prune": True, "selfHeal": True}
HOLD = RunbookStep(name="hold", hold_git_ops={}, ttl_seconds=3600)


def application(automated: object = AUTOMATED, **metadata: Any) -> dict[str, Any]:
    policy = {"syncPolicy": {"automated": automated}} if automated is not None else {}
    meta = {"name": "shop", "namespace": "argocd", "uid": "u-app", **metadata}
    return {"apiVersion": ARGO.api_version, "kind": "Application", "metadata": meta, "spec": {"project": "default", **policy}}


def kustomization(**spec: Any) -> dict[str, Any]:
    meta = {"name": "apps", "namespace": "flux-system", "uid": "u-k", "labels": {"a": "b"}}
    return {"apiVersion": KUSTOMIZATION.api_version, "kind": "Kustomization", "metadata": meta, "spec": spec}


def plan(facts, *done: StepStatus, **answers: Any):
    found = {Listed(api_version=ARGO.api_version, kind="Application", namespace="argocd", name="shop"): answers["argo"]} if "argo" in answers else {}
    found |= {KUSTOMIZATION: answers["flux"]} if "flux" in answers else {}
    return hold_git_ops.plan(HoldGitOps(), LiveFacts(now=NOON, raw={}, target=facts, intent_time=NOON, answers=found), done)


def record(patch: Patch) -> StepStatus:
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="hold", action="holdGitOps", state=StepState.APPLIED, intent=intent)


@pytest.mark.parametrize(
    ("changes", "owner"),
    [
        ({}, None),
        ({"annotations": TRACKED}, ARGO),
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "team-a_shop:apps/Deployment:shop/checkout"}},
            Listed("argoproj.io/v1alpha1", "Application", "team-a", "shop"),
        ),
        ({"labels": FLUX}, KUSTOMIZATION),
        ({"labels": HELM}, Listed("helm.toolkit.fluxcd.io/v2", "HelmRelease", "shop", "web")),
    ],
    ids=["nobody", "Argo CD", "an Application elsewhere", "a Kustomization", "a HelmRelease"],
)
def test_the_owner_is_told_by_its_marker(changes, owner):
    assert gitops.owner(crashed(**changes).workload) == owner


@pytest.mark.parametrize(
    "changes",
    [
        {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/another"}},
        {"annotations": {"argocd.argoproj.io/tracking-id": ":apps/Deployment:shop/checkout"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
        {"labels": FLUX | HELM},
        {"annotations": TRACKED, "labels": FLUX},
    ],
    ids=["a copied marker", "no application", "no namespace", "two of Flux", "both"],
)
def test_what_can_not_be_told_is_not_guessed(changes):
    answer = gitops.owner(crashed(**changes).workload)
    assert isinstance(answer, Refusal)
    assert answer.reason == "OwnedByGitOps"
    assert plan(crashed(**changes)) == answer


def test_an_application_loses_its_automated_sync_and_gets_back_exactly_that():
    facts = crashed(annotations=TRACKED)
    assert plan(facts) == Ask(reads=(ARGO,))
    patch = plan(facts, argo=(application(),))
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.namespace, patch.target.uid) == ("Application", "argocd", "u-app")
    assert patch.operations[1:] == (
        {"op": "test", "path": "/spec/syncPolicy/automated", "value": AUTOMATED},
        {"op": "remove", "path": "/spec/syncPolicy/automated"},
    )
    held = application(None)
    held["spec"]["syncPolicy"] = {}
    back = hold_git_ops.undo(HoldGitOps(), held, record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1] == {"op": "add", "path": "/spec/syncPolicy/automated", "value": AUTOMATED}
    assert isinstance(hold_git_ops.undo(HoldGitOps(), application({"prune": False}), record(patch)), Skip), "r39 somebody set another one"
    assert isinstance(plan(facts, record(patch), argo=(held,)), Done)


def test_flux_is_suspended_and_resumed():
    facts = crashed(labels=FLUX)
    patch = plan(facts, flux=(kustomization(),))
    assert isinstance(patch, Patch)
    assert patch.operations[-1] == {"op": "add", "path": "/spec/suspend", "value": True}
    back = hold_git_ops.undo(HoldGitOps(), kustomization(suspend=True), record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1] == {"op": "remove", "path": "/spec/suspend"}
    assert plan(facts, flux=(kustomization(suspend=True),)) == Done(message="Kustomization flux-system/apps is suspended already")


@pytest.mark.parametrize(
    "found",
    [
        UNKNOWN,
        (),
        (application(ownerReferences=[{"kind": "ApplicationSet"}]),),
        (application(annotations={"argocd.argoproj.io/tracking-id": "root:argoproj.io/Application:argocd/shop"}),),
    ],
    ids=["unreadable", "not there", "of an ApplicationSet", "of another Application"],
)
def test_what_can_not_be_read_or_would_mend_itself_is_refused(found):
    answer = plan(crashed(annotations=TRACKED), argo=found)
    assert isinstance(answer, Refusal)
    assert answer.reason == "OwnedByGitOps"


@pytest.mark.parametrize("automated", [None, {"enabled": False}], ids=["by hand", "switched off"])
def test_what_is_not_synced_by_itself_is_held_already(automated):
    assert plan(crashed(annotations=TRACKED), argo=(application(automated),)) == Done(message="Application argocd/shop is not synced by itself")


def test_r25_the_mark_on_what_is_not_watched_has_a_label_beside_it_and_both_go_together():
    patch = plan(crashed(labels=FLUX), flux=(kustomization(),))
    marked = measures.temporary(patch, remediation="shop/a-1", until=later(3600))
    assert (marked.labels, marked.labelled) == ({MARKED_LABEL: "true"}, True)
    [mark] = marked.marks.values()
    raw = kustomization(suspend=True)
    raw["metadata"] |= {"labels": {MARKED_LABEL: "true"}, "annotations": {"prunella.dev/temporary": mark}}
    measure = measures.read(mark)
    end = measures.undo(measure, patch.target, raw, mark)
    assert [one["path"] for one in end.operations if one["op"] == "remove"] == [
        "/spec/suspend",
        "/metadata/annotations/prunella.dev~1temporary",
        "/metadata/labels/prunella.dev~1temporary",
    ]


def test_one_run_holds_it_at_a_time():
    facts, taken = crashed(labels=FLUX), plan(crashed(labels=FLUX), flux=(kustomization(),))
    marked = measures.temporary(taken, remediation="shop/a-1", uid="r-a", until=later(3600))
    held = kustomization(suspend=True)
    held["metadata"]["annotations"] = dict(marked.marks)
    live = LiveFacts(now=NOON, raw={}, target=facts, intent_time=NOON, answers={KUSTOMIZATION: (held,)})
    for another in ("", "r-b"):
        waits = hold_git_ops.plan(HoldGitOps(), replace(live, run_uid=another), ())
        assert isinstance(waits, Refusal)
        assert (waits.reason, waits.look_again_time) == ("OwnedByGitOps", later(30))
        assert waits.message.startswith("Kustomization flux-system/apps is held by another run (shop/a-1) until 2026-11-24T13:00:00")
    assert isinstance(hold_git_ops.plan(HoldGitOps(), replace(live, run_uid="r-a"), ()), Done), "its own"
    held["metadata"]["annotations"]["prunella.dev/temporary"] = "{"
    assert isinstance(hold_git_ops.plan(HoldGitOps(), replace(live, run_uid="r-a"), ()), Refusal), "whose it is can't be told"


def test_what_another_run_holds_since_is_not_released():
    patch = plan(crashed(labels=FLUX), flux=(kustomization(),))
    held = kustomization(suspend=True)
    held["metadata"]["annotations"] = {"prunella.dev/intent-id": "i"}
    assert isinstance(hold_git_ops.undo(HoldGitOps(), held, record(patch)), Patch)
    held["metadata"]["annotations"] = {"prunella.dev/intent-id": "another"}
    assert isinstance(hold_git_ops.undo(HoldGitOps(), held, record(patch)), Skip)


# the guard Owner


@pytest.mark.parametrize(
    ("steps", "reason"),
    [
        ((ROLL_BACK,), "OwnedByGitOps"),
        ((HOLD, ROLL_BACK), None),
        ((RunbookStep(name="look", capture_evidence={}), HOLD, ROLL_BACK), None),
        ((ROLL_BACK, HOLD), "OwnedByGitOps"),
    ],
    ids=["no hold", "held first", "reads come before", "held too late"],
)
def test_the_guard_lets_a_runbook_pass_that_holds_git_before_it_changes_anything(steps, reason):
    world = ill(runbook("book", *steps), facts=crashed(annotations=TRACKED))
    refusal = guards.owner(world, planned(world))
    assert (refusal.reason if refusal else None) == reason


def test_an_operator_that_owns_the_target_is_not_held():
    world = ill(runbook("book", HOLD, ROLL_BACK))
    made = planned(world)
    owned = replace(made.subject, owner=type("O", (), {"kind": "Postgres", "name": "main", "api_version": "x/v1"})())
    refusal = guards.owner(world, replace(made, subject=owned))
    assert refusal is not None
    assert refusal.reason == "OwnedByOperator"


def test_without_an_end_it_is_no_step_that_is_used():
    endless = RunbookStep(name="hold", hold_git_ops={})
    assert registry.wrong_with(endless) == "step 'hold', holdGitOps: it needs ttlSeconds, after which it is taken back"
    world = ill(runbook("book", endless, ROLL_BACK))
    chosen, _ = match.choose(world, world.incident.status)
    assert isinstance(chosen, Refusal)
