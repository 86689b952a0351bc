"""Several things at once: two faults side by side, a fault that mends itself before anything is done, one that comes back and back."""

from __future__ import annotations

import pytest
from tests.harness import story, table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, Good, condition, outline, revision_of
from tests.harness.waiting import holds_for, wait_for

BUGS = [["sh", "-c", f"echo 'FATAL: bug {number}' >&2; exit {number}"] for number in range(2, 6)]
"""Bad versions that are not each other."""


def comes_back(arena: Arena, good: Good, cause: str) -> Object:
    """It is resolved, and stays ready without a break; the revision that worked runs, in full."""
    incident = arena.incident(good.name, seconds=120)
    incident = arena.when(incident, lambda one: one["status"].get("phase") == "Resolved", "is resolved", seconds=180)
    assert incident["status"]["cause"] == cause, outline(incident)
    live = arena.api.get(good.kind, good.name, arena.namespace)
    assert live["spec"]["template"] == good.template
    assert live["spec"]["replicas"] == good.replicas, "what is deleted or scaled to zero is not healed"

    def serves() -> bool:
        status = arena.api.get(good.kind, good.name, arena.namespace)["status"]
        return bool(status.get("availableReplicas") == status.get("updatedReplicas") == good.replicas)

    holds_for(serves, story.STEADY_SECONDS, f"{good.name} stays ready", interval=1)
    [attempt] = arena.remediations(incident)
    assert attempt["status"]["outcome"] == "Remediated"
    story.conventions(incident)
    return incident


def effects(arena: Arena, name: str) -> list[str]:
    """What was done to a workload itself."""
    return [one.line for one in arena.foreign_writes() if one.resource == "deployments" and one.name == name and not one.hand_back]


def test_two_workloads_that_break_at_once_heal_each_for_itself_and_a_third_is_left_alone(arena):
    made = {name: workloads.deployment(name, arena.namespace) for name in ("first", "second", "bystander")}
    arena.kubectl_apply(*made.values())
    good = {name: arena.start_applied("Deployment", name) for name in made}
    arena.roll_out(workloads.changed(made["first"], command=workloads.CRASH))
    arena.roll_out(workloads.changed(made["second"], image="reg.local/nothing:here"))
    incidents = [comes_back(arena, good["first"], "RolloutCrashLoop"), comes_back(arena, good["second"], "RolloutImagePull")]
    assert len({one["metadata"]["uid"] for one in incidents}) == 2, "two faults are two Incidents"
    assert [len(effects(arena, name)) for name in made] == [1, 1, 0]
    assert arena.incidents("bystander") == []
    table.add(arena.installation.folder, table.Row(scenario="two faults at once", expected="2 healed", seen="2 healed", writes="1 each"))


def test_one_rollout_with_two_faults_is_one_incident_and_one_rollback(arena):
    made = workloads.deployment("double", arena.namespace)
    good = arena.start(made)
    bad = workloads.changed(made, command=workloads.CRASH)
    broken = workloads.container(image="reg.local/nothing:here", name="sidecar", readinessProbe=None)
    bad["spec"]["template"]["spec"]["containers"].append(broken)
    arena.roll_out(bad)
    incident = arena.incident("double", seconds=120)
    incident = arena.when(incident, lambda one: one["status"].get("phase") == "Resolved", "is resolved", seconds=180)
    assert len(arena.incidents("double")) == 1
    assert len(effects(arena, "double")) == 1
    assert arena.api.get("Deployment", "double", arena.namespace)["spec"]["template"] == good.template
    seen = f"{incident['status']['phase']} {incident['status']['cause']}"
    table.add(arena.installation.folder, table.Row(scenario="a crash and a missing image in one rollout", expected="Resolved", seen=seen, writes="1"))


def test_what_mends_itself_before_its_dwell_is_over_is_left_alone(arena):
    match = {
        "causes": ["RolloutCrashLoop"],
        "targets": {"selector": {"matchLabels": {"scenario": arena.namespace}}},
        "dwellSeconds": 150,
        "minRestarts": 1,
    }
    verify = {"stabilizeSeconds": 2, "intervalSeconds": 2, "successes": 2, "timeoutSeconds": 60, "checks": [{"name": "h", "workloadHealthy": {}}]}
    arena.runbook("patient", match=match, verify=verify)
    arena.api.apply(workloads.config_map("settings", arena.namespace, here="bad"))
    made = workloads.deployment("patient", arena.namespace, labels={"scenario": arena.namespace})
    arena.start(made)
    picky = workloads.shell('[ "$SETTING" = good ] || { echo "FATAL: bad setting" >&2; exit 4; }; httpd -f -p 8080 -h /www')
    arena.roll_out(workloads.from_config(workloads.changed(made, command=picky), "settings", "here"))
    incident = arena.incident("patient")
    arena.api.patch("ConfigMap", "settings", {"data": {"here": "good"}}, arena.namespace)
    arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "TargetHealthy", "shows no fault", seconds=240)
    holds_for(lambda: not arena.foreign_writes(), 30, "nothing is done to what is well", interval=1)
    assert [one for one in arena.remediations() if one.get("status", {}).get("startedTime")] == [], "nothing was begun"
    live = arena.api.get("Deployment", "patient", arena.namespace)["spec"]["template"]["spec"]["containers"][0]
    assert live["command"] == picky, "the new version runs"
    table.add(arena.installation.folder, table.Row(scenario="mends itself before the dwell is over", expected="TargetHealthy", seen="TargetHealthy"))


def healed_so_often(arena: Arena, name: str, times: int) -> None:
    """Wait until that many attempts at a workload have healed it, and it is resolved."""

    def done() -> bool:
        outcomes = [one.get("status", {}).get("outcome") for one in arena.remediations()]
        return outcomes.count("Remediated") == times and arena.incidents(name)[-1]["status"]["phase"] == "Resolved"

    wait_for(done, 180, f"{name} is healed {times} times", seen=lambda: [outline(one) for one in arena.incidents(name)])


@pytest.mark.nightly
@pytest.mark.timeout(900, func_only=True)
def test_what_breaks_again_and_again_is_given_to_people_and_no_bad_version_ever_comes_back(arena):
    made = workloads.deployment("restless", arena.namespace)
    arena.start(made)
    *several, last = BUGS
    for number, bug in enumerate(several, 1):
        arena.roll_out(workloads.changed(made, command=bug))
        healed_so_often(arena, "restless", number)
    bad = {one["spec"]["accusedRevision"] for one in arena.remediations()}
    assert len(bad) == len(several)
    instant = arena.roll_out(workloads.changed(made, command=last))
    incident = arena.incidents("restless")[-1]
    arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "Flapping", "flaps", seconds=90)

    def untouched() -> bool:
        return all(one.hand_back for one in arena.foreign_writes(instant))

    holds_for(untouched, 20, "the fourth time nothing is done", interval=1)
    assert not {revision_of(pod) for pod in arena.pods("restless")} & bad, "what was rolled back never runs again"
    table.add(arena.installation.folder, table.Row(scenario="breaks again and again", expected="Flapping", seen="Flapping"))
