"""What breaks is put back to what worked, without a person, in time, within its budget of writes, and the Incident tells it."""

from __future__ import annotations

import pytest
from tests.harness import story, workloads
from tests.harness.api import Object
from tests.harness.arena import condition, revision_of
from tests.harness.faults import FAULTS, Fault
from tests.harness.waiting import wait_for


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_broken_rollout_of_a_deployment_heals(arena, fault: Fault, request):
    for one in fault.before(arena.namespace):
        arena.api.apply(one)
    made = fault.good(arena.namespace)
    good = arena.start(made)
    instant = arena.roll_out(fault.bad(made))
    incident = story.healed(arena, good, instant, fault.cause, name=request.node.callspec.id, seconds=fault.seconds)
    if fault.crashes:
        story.started_with(incident, story.first_failure(arena, instant, good))
    story.nobody_was_called(arena, incident)


def test_a_rollout_whose_account_is_not_there_heals(arena):
    made = workloads.deployment("nobody", arena.namespace)
    good = arena.start(made)
    instant = arena.roll_out(workloads.with_pod_spec(made, serviceAccountName="no-such-account"))
    incident = story.healed(arena, good, instant, "ReplicaCreationFailed", name="account that is not there", seconds=180)
    assert '(serviceaccount "no-such-account" not found)' in incident["status"]["summary"]
    story.nobody_was_called(arena, incident)


def test_a_rollout_that_asks_for_privileges_that_its_namespace_does_not_grant_heals(arena):
    arena.api.patch("Namespace", arena.namespace, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}})
    made = workloads.deployment("strict", arena.namespace)
    good = arena.start(made)
    instant = arena.roll_out(workloads.with_pod_spec(made, hostNetwork=True))
    incident = story.healed(arena, good, instant, "ReplicaCreationFailed", name="privileges that are not granted", seconds=180)
    assert "violates PodSecurity" in incident["status"]["summary"]
    story.nobody_was_called(arena, incident)


def test_a_rollout_that_no_node_fits_heals_once_its_time_has_passed(arena):
    made = workloads.deployment("misled", arena.namespace, progressDeadlineSeconds=20)
    good = arena.start(made)
    instant = arena.roll_out(workloads.with_pod_spec(made, nodeSelector={"example.com/disk": "none-has-it"}))
    incident = story.healed(arena, good, instant, "Unschedulable", name="selector that no node fits", seconds=180)
    assert "finds no node: none has example.com/disk=none-has-it (0/" in incident["status"]["summary"]
    story.nobody_was_called(arena, incident)


@pytest.mark.nightly
@pytest.mark.timeout(1000, func_only=True)
def test_an_update_of_a_statefulset_that_no_node_fits_heals_after_ten_minutes(arena):
    pod = workloads.template("lost", workloads.container())
    made = workloads.workload("StatefulSet", "lost", arena.namespace, pod, replicas=3)
    good = arena.start(made)
    instant = arena.roll_out(workloads.with_pod_spec(made, nodeSelector={"example.com/disk": "none-has-it"}))
    incident = arena.incident("lost", seconds=120)
    assert condition(incident, "RemediationAllowed")["reason"] == "NoRunbookMatches", "the node may be on its way"
    attempt = wait_for(lambda: arena.remediations(incident), 620, "its time has passed")[0]
    healed = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "is resolved", seconds=120)
    assert (healed["status"]["cause"], attempt["spec"]["runbookRef"]["name"]) == ("Unschedulable", "roll-back-bad-rollout")
    assert arena.api.get("StatefulSet", "lost", arena.namespace)["spec"]["template"] == good.template
    deleted = [one.name for one in arena.foreign_writes(instant) if one.resource == "pods"]
    assert deleted == ["lost-2"]


def test_r08_a_crashing_update_of_a_statefulset_of_three_heals_and_only_its_broken_pod_is_deleted(arena):
    made = workloads.workload("StatefulSet", "ledger", arena.namespace, workloads.template("ledger", workloads.container()), replicas=3)
    good = arena.start(made)
    before = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in arena.pods("ledger")}
    instant = arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.healed(arena, good, instant, "RolloutCrashLoop", name="crash, StatefulSet of 3", seconds=120)
    story.started_with(incident, story.first_failure(arena, instant, good))
    deleted = [one.name for one in arena.foreign_writes(instant) if one.resource == "pods"]
    assert deleted == ["ledger-2"]
    after = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in arena.pods("ledger")}
    assert {name for name in before if before[name] != after[name]} == {"ledger-2"}, "healthy pods are untouched"


def test_a_crashing_update_of_a_daemonset_heals(arena):
    made = workloads.workload("DaemonSet", "agent", arena.namespace, workloads.template("agent", workloads.container()))
    good = arena.start(made)
    instant = arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = story.healed(arena, good, instant, "RolloutCrashLoop", name="crash, DaemonSet", seconds=120)
    story.started_with(incident, story.first_failure(arena, instant, good))


def test_a_deployment_that_an_autoscaler_owns_heals_and_keeps_its_replicas(arena):
    made = workloads.deployment("scaled", arena.namespace, replicas=3)
    arena.api.apply(workloads.autoscaler("scaled", arena.namespace, "scaled", 2, 5))
    good = arena.start(made)
    instant = arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    story.healed(arena, good, instant, "RolloutCrashLoop", name="crash, owned by an HPA")
    scaler = arena.api.get("HorizontalPodAutoscaler", "scaled", arena.namespace)
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)
    assert [one.line for one in arena.foreign_writes() if one.resource == "horizontalpodautoscalers"] == []


def test_a_rollout_that_was_complete_and_crashes_half_a_minute_later_heals(arena):
    made = workloads.deployment("late", arena.namespace)
    good = arena.start(made)
    instant = arena.roll_out(workloads.changed(made, command=workloads.CRASH_LATER))
    done = wait_for(lambda: arena.witness.spell("Deployment", "late", instant).first, 25, "the bad version's rollout is complete")
    incident = story.healed(arena, good, instant, "RolloutCrashLoop", name="crash 30 s after a complete rollout", seconds=170)
    first = story.first_failure(arena, instant, good)
    story.started_with(incident, first)
    assert first > done, "it was complete before it crashed"


def test_r05_a_second_bad_version_before_the_first_was_rolled_back_goes_back_to_the_one_that_worked(arena):
    made = workloads.deployment("twice", arena.namespace)
    good = arena.start(made)
    instant = arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = arena.incident("twice")
    second = ["sh", "-c", "echo 'FATAL: another bug' >&2; exit 2"]
    arena.roll_out(workloads.changed(made, command=second))

    def of_second(pod: Object) -> bool:
        return bool(pod["spec"]["containers"][0].get("command") == second)

    healed = story.healed(arena, good, instant, "RolloutCrashLoop", name="v3 before v2 was rolled back", accused=of_second)
    assert healed["metadata"]["uid"] == incident["metadata"]["uid"], "it is one Incident"
    assert condition(healed, "Resolved")["status"] == "True"
    record = arena.record("Deployment", "twice")
    assert record is not None
    assert len(record["spec"]["quarantined"]) == 1, "only the version that was rolled back is quarantined"


def test_r05_after_a_second_bad_version_it_goes_to_the_one_that_worked_and_never_to_the_first_bad_one(arena):
    made = workloads.deployment("again", arena.namespace)
    good = arena.start(made)
    first = workloads.changed(made, command=workloads.CRASH)
    instant = arena.roll_out(first)
    incident = story.healed(arena, good, instant, "RolloutCrashLoop", name="R05 a first bad version")
    bad = arena.remediations(incident)[0]["spec"]["accusedRevision"]
    fault = arena.roll_out(workloads.changed(made, command=["sh", "-c", "echo 'FATAL: another bug' >&2; exit 2"]))
    attempts = wait_for(
        lambda: [one for one in arena.remediations(incident)[1:] if one.get("status", {}).get("outcome")], 90, "the second attempt ends"
    )
    assert attempts[0]["status"]["outcome"] == "Remediated", attempts[0]["status"]
    live = arena.api.get("Deployment", "again", arena.namespace)
    assert live["spec"]["template"] == good.template
    ran = [one for one in arena.witness.sights("Pod", since=fault) if revision_of(one.object) == bad and one.change == "ADDED"]
    assert ran == [], "the first bad version never ran again"
    after = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "is resolved again", seconds=30)
    assert (after["status"]["episode"], after["status"]["reopenCount"]) == (2, 1), "a relapse inside the watch window is the same Incident"
