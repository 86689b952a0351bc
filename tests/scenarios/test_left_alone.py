"""What automation must not touch it leaves alone, and the reason stands on the Incident for whoever asks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.harness import story, table, to_people, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, revision_of
from tests.harness.installation import kubectl
from tests.harness.instants import now
from tests.harness.waiting import holds_for, wait_for

CALM_SECONDS = 15
"""Longer than dwell and restarts take: what was going to happen would have happened."""


def stays_alone(arena: Arena, incident: Object, reason: str) -> None:
    """The reason is not for a moment: nothing is done afterwards either."""
    generation = arena.api.get("Deployment", incident["spec"]["targetRef"]["name"], arena.namespace)["metadata"]["generation"]

    def untouched() -> bool:
        live = arena.api.get("Deployment", incident["spec"]["targetRef"]["name"], arena.namespace)
        return bool(live["metadata"]["generation"] == generation)

    holds_for(untouched, CALM_SECONDS, f"{reason}: the workload is left alone", interval=1)
    assert arena.foreign_writes() == []


def test_r07_nothing_is_rolled_back_when_the_old_revision_fails_too(arena):
    made = workloads.with_switch(workloads.deployment("both", arena.namespace))
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    arena.crash_on_demand("both")
    incident = story.left_alone(arena, "both", "OldRevisionFails", name="R07 both revisions crash", cause="RolloutCrashLoop")
    stays_alone(arena, incident, "OldRevisionFails")


def test_r06_a_paused_deployment_is_somebodys_work(arena):
    made = workloads.deployment("paused", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    arena.incident("paused")
    kubectl("rollout", "pause", "deployment/paused", "-n", arena.namespace)
    incident = story.left_alone(arena, "paused", "TargetPaused", name="R06 paused")
    stays_alone(arena, incident, "TargetPaused")


def test_a_first_version_that_never_worked_has_nothing_to_go_back_to(arena):
    arena.kubectl_apply(workloads.deployment("newborn", arena.namespace, command=workloads.CRASH))
    incident = story.left_alone(arena, "newborn", "NoKnownGood", name="none known-good")
    stays_alone(arena, incident, "NoKnownGood")


GITOPS: dict[str, dict[str, dict[str, str]]] = {
    "Argo CD": {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/app"}},
    "Flux Kustomization": {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}},
    "Flux HelmRelease": {"labels": {"helm.toolkit.fluxcd.io/name": "shop", "helm.toolkit.fluxcd.io/namespace": "shop"}},
}


@pytest.mark.parametrize("marks", GITOPS.values(), ids=GITOPS.keys())
def test_r10_what_git_owns_is_reverted_in_git(arena, marks, request):
    made = workloads.deployment("app", arena.namespace)
    for part, entries in marks.items():
        made["metadata"].setdefault(part, {}).update(entries)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "app", "OwnedByGitOps", name=f"R10 {request.node.callspec.id}")
    assert "revert" in condition(incident, "RemediationAllowed")["message"]
    stays_alone(arena, incident, "OwnedByGitOps")


def test_what_another_operator_owns_is_left_to_it(arena):
    metadata = {"name": "shop", "namespace": arena.namespace}
    owner = arena.api.create({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata})
    made = workloads.deployment("child", arena.namespace)
    reference = {"apiVersion": "example.com/v1", "kind": "Widget", "name": "shop", "uid": owner["metadata"]["uid"], "controller": True}
    made["metadata"]["ownerReferences"] = [reference]
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "child", "OwnedByOperator", name="owned by a custom resource")
    assert "Widget shop" in condition(incident, "RemediationAllowed")["message"]
    stays_alone(arena, incident, "OwnedByOperator")


@pytest.mark.parametrize("where", ["workload", "template"])
def test_r09_a_revision_that_is_marked_irreversible_is_frozen_and_never_gone_back_over(arena, where):
    made = workloads.deployment("migrated", arena.namespace)
    good = arena.start(made)
    bad = workloads.changed(made, command=workloads.CRASH)
    holder = bad if where == "workload" else bad["spec"]["template"]
    holder["metadata"].setdefault("annotations", {})["prunella.dev/irreversible"] = "true"
    instant = arena.roll_out(bad)
    incident = arena.incident("migrated", seconds=60)
    incident = arena.when(incident, lambda one: condition(one, "Mitigated").get("status") == "True", "is mitigated by a freeze")
    assert incident["status"]["phase"] == "Mitigated", "what is frozen is not over"
    live = arena.api.get("Deployment", "migrated", arena.namespace)
    assert live["spec"]["paused"] is True
    assert live["spec"]["template"]["spec"]["containers"][0]["command"] == workloads.CRASH, "the template stays what its owner wanted"
    assert live["status"]["availableReplicas"] == good.replicas, "the revision before serves in full"
    assert {revision_of(pod) for pod in arena.pods("migrated") if "deletionTimestamp" not in pod["metadata"]} <= good.revisions
    written = [one.resource for one in arena.foreign_writes(instant) if not one.hand_back]
    assert sorted(written) == ["deployments", "replicasets"], written
    row = table.Row(scenario=f"marked irreversible on the {where}", expected="Mitigated, frozen", seen="Mitigated, frozen", writes=str(len(written)))
    table.add(arena.installation.folder, row)
    story.conventions(incident)


def test_a_quarantined_revision_that_is_applied_again_is_a_persons_decision(arena):
    made = workloads.deployment("stubborn", arena.namespace)
    good = arena.start(made)
    bad = workloads.changed(made, command=workloads.CRASH)
    instant = arena.roll_out(bad)
    story.healed(arena, good, instant, "RolloutCrashLoop", name="a first heal, before the same is applied again")
    again = arena.roll_out(bad)
    incident = arena.incidents("stubborn")[-1]
    incident = arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "QuarantinedReapplied", "says so", seconds=60)
    stays = arena.foreign_writes(again)
    story.left_alone(arena, "stubborn", "QuarantinedReapplied", name="quarantined revision applied again", since=again)
    assert stays == []
    assert incident["status"]["episode"] == 2, "it is the same Incident, reopened"
    live = arena.api.get("Deployment", "stubborn", arena.namespace)
    assert live["spec"]["template"]["spec"]["containers"][0]["command"] == workloads.CRASH
    assert condition(incident, "Resolved")["reason"] == "Reopened"


def test_a_namespace_that_did_not_opt_in_is_only_observed(make_arena):
    arena = make_arena("observed", mode=None, rights=False)
    made = workloads.deployment("watched", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "watched", "ModeObserve", name="not opted in")
    assert arena.remediations() == [], "Observe leaves no Remediation"
    chosen = story.decision(incident, "roll-back-bad-rollout")
    assert (chosen["verdict"], chosen["reason"]) == ("Refused", "ModeObserve")
    assert "roll back deploy/watched" in chosen["message"], "the plan stands in the decisions"
    stays_alone(arena, incident, "ModeObserve")


def test_r27_suggest_shows_the_diff_and_writes_nothing(make_arena):
    arena = make_arena("suggest", mode="Suggest")
    made = workloads.deployment("shown", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "shown", "ModeSuggest", name="R27 Suggest")
    attempt = wait_for(lambda: arena.remediations(incident), 10, "one Remediation shows the plan")[0]
    arena.when(incident, lambda one: "RemediationSuggested" in [entry["what"] for entry in one["status"]["timeline"]], "suggests", seconds=20)
    attempt = arena.remediations(incident)[0]
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Succeeded", "Simulated")
    assert condition(attempt, "RemediationAllowed")["reason"] == "ModeSuggest"
    assert "-" in attempt["status"]["diff"]
    assert "exit 1" in attempt["status"]["diff"], "the diff shows what would go"
    stays_alone(arena, incident, "ModeSuggest")
    assert len(arena.remediations(incident)) == 1, "one Remediation per plan"
    assert arena.again(incident)["status"]["phase"] == "Triggered", "a suggestion mitigates nothing"


def test_r26_approve_asks_with_the_diff_and_writes_nothing_before(make_arena):
    arena = make_arena("approve", mode="Approve")
    made = workloads.deployment("asked", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "asked", "AwaitingApproval", name="R26 Approve asks")
    attempt = arena.remediations(incident)[0]
    assert (attempt["spec"]["mode"], attempt["status"]["phase"]) == ("Approve", "Pending")
    assert condition(attempt, "Approved")["reason"] == "AwaitingApproval"
    assert "exit 1" in attempt["status"]["diff"], "people see what would go"
    stays_alone(arena, incident, "AwaitingApproval")
    assert len(arena.remediations(incident)) == 1, "one Remediation asks"


def test_r28_a_missing_right_is_said_and_not_silent(make_arena):
    arena = make_arena("rights", rights=False)
    made = workloads.deployment("locked", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "locked", "MissingPermission", name="R28 right missing")
    message = condition(incident, "RemediationAllowed")["message"]
    assert "patch deployments.apps" in message
    assert "manifests/opt-in" in message, "the message names the remedy"
    assert "RemediationBlocked" in [one["what"] for one in incident["status"]["timeline"]]
    wait_for(lambda: [one for one in arena.inbox.posts("releases") if "MissingPermission" in one.raw], 20, "the owner hears that it was blocked")
    # The remedy that the message names is one.
    arena.grant()
    wait_for(arena.foreign_writes, 90, "with the right it is rolled back")


NOWHERE: dict[str, dict[str, Object]] = {
    "node that does not exist": {"pod": {"nodeSelector": {"example.com/disk": "none-has-it"}}},
    "claim that does not exist": {"pod": {"volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "no-such-claim"}}]}},
    "more memory than any node has": {"app": {"resources": {"requests": {"memory": "900Gi"}}}},
}


@pytest.mark.parametrize("change", NOWHERE.values(), ids=NOWHERE.keys())
def test_a_rollout_whose_pods_no_node_takes_is_found_and_left_to_people(arena, change, request):
    """The same template may find room in a minute: nobody is accused."""
    made = workloads.deployment("homeless", arena.namespace)
    arena.start(made)
    bad = workloads.changed(workloads.with_pod_spec(made, **change.get("pod", {})), **change.get("app", {}))
    arena.roll_out(bad)
    incident = story.left_alone(arena, "homeless", "NoRunbookMatches", name=request.node.callspec.id, cause="Unschedulable", seconds=120)
    assert "finds no node" in incident["status"]["summary"]
    stays_alone(arena, incident, "NoRunbookMatches")


def test_a_rollout_that_stands_still_without_a_reason_is_told_and_accuses_nobody(arena):
    to_people.pages_soon(arena)
    made = workloads.deployment("halted", arena.namespace, progressDeadlineSeconds=20)
    arena.start(made)
    instant = arena.roll_out(workloads.with_pod_spec(made, schedulingGates=[{"name": "example.com/hold"}]))
    to_people.found(arena, "halted", "RolloutStuck", name="rollout stands still", says="made no progress in 20 s", since=instant)


def test_a_protected_namespace_is_never_acted_in(make_arena):
    arena = make_arena("monitoring", exact=True)
    made = workloads.deployment("guarded", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "guarded", "UnmanagedResource", name="protected namespace")
    stays_alone(arena, incident, "UnmanagedResource")


def test_a_workload_that_is_annotated_observe_is_left_alone(arena):
    made = workloads.deployment("mine", arena.namespace)
    made["metadata"]["annotations"] = {"prunella.dev/mode": "Observe"}
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.left_alone(arena, "mine", "HumanOverride", name="annotated Observe")
    stays_alone(arena, incident, "HumanOverride")


def test_a_hold_by_a_person_keeps_automation_away_until_it_ends(arena):
    made = workloads.deployment("held", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = arena.incident("held")
    until = (now() + timedelta(seconds=25)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    patch = f'{{"spec":{{"hold":{{"by":"ana","reason":"looking at it","untilTime":"{until}"}}}}}}'
    name = incident["metadata"]["name"]
    kubectl("patch", "incident", name, "-n", arena.namespace, "--type=merge", "-p", patch, kubeconfig=arena.installation.user("ana"))
    story.left_alone(arena, "held", "HumanOverride", name="held by a person")
    effect = wait_for(arena.foreign_writes, 60, "after the hold it is rolled back")[0]
    assert effect.time > now() - timedelta(seconds=60)
    assert f"{effect.time:%Y-%m-%dT%H:%M:%S.%f}Z" > until, "not before the hold ended"
