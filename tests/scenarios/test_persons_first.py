"""A person's change wins over the automation's, also while recovery is being proved; and a target that is gone ends its Incident."""

from __future__ import annotations

from tests.harness import story, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition
from tests.harness.waiting import holds_for, wait_for


def verifying(arena: Arena, name: str) -> tuple[Object, Object]:
    """A workload with a bad version that was rolled back just now: its manifest, and the Incident while recovery is being proved."""
    made = workloads.deployment(name, arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = arena.incident(name)
    phases = wait_for(lambda: [one for one in arena.remediations(incident) if one.get("status", {}).get("phase") == "Verifying"], 60, "it verifies")
    assert len(phases) == 1
    return made, incident


def test_an_edit_of_the_same_field_while_verifying_stands_and_nothing_else_is_done_to_it(arena):
    made, incident = verifying(arena, "edited")
    before = len(arena.foreign_writes())
    mine = workloads.changed(made, image="localhost/box:v3")
    arena.kubectl_apply(mine)

    def ended() -> bool:
        return bool(arena.remediations(incident)[0]["status"].get("outcome"))

    wait_for(ended, 60, "the attempt ends", seen=lambda: arena.remediations(incident)[0]["status"])
    attempt = arena.remediations(incident)[0]["status"]
    assert (attempt["phase"], attempt["outcome"]) == ("Cancelled", "Superseded"), attempt

    def theirs() -> bool:
        live = arena.api.get("Deployment", "edited", arena.namespace)
        return bool(live["spec"]["template"]["spec"]["containers"][0]["image"] == "localhost/box:v3")

    holds_for(theirs, 10, "theirs stands", interval=1)
    after = [one for one in arena.foreign_writes()[before:] if not one.hand_back]
    assert after == [], [one.line for one in after]
    told = [one["what"] for one in arena.again(incident)["status"]["timeline"]]
    assert "RemediationCancelled" in told or "RemediationFailed" not in told, told


def test_the_bad_version_that_comes_back_while_verifying_is_reverted_and_opens_the_breaker(arena):
    made, incident = verifying(arena, "fought")
    before = len(arena.foreign_writes())
    arena.kubectl_apply(workloads.changed(made, command=workloads.CRASH))
    wait_for(lambda: arena.remediations(incident)[0]["status"].get("outcome"), 60, "the attempt ends")
    attempt = arena.remediations(incident)[0]["status"]
    assert (attempt["phase"], attempt["outcome"]) == ("Failed", "Reverted"), attempt
    arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "BreakerOpen", "the breaker is open", seconds=60)
    holds_for(lambda: len(arena.remediations(incident)) == 1, 15, "no second try", interval=1)
    after = [one for one in arena.foreign_writes()[before:] if not one.hand_back]
    assert after == [], [one.line for one in after]
    assert "BreakerOpened" in [one["what"] for one in arena.again(incident)["status"]["timeline"]]


def test_r33_a_target_that_is_deleted_while_verifying_ends_its_run_and_its_incident(arena):
    _, incident = verifying(arena, "deleted")
    arena.api.delete("Deployment", "deleted", arena.namespace)
    wait_for(lambda: arena.remediations(incident)[0]["status"].get("outcome"), 60, "the attempt ends")
    attempt = arena.remediations(incident)[0]["status"]
    assert (attempt["phase"], attempt["outcome"]) == ("Cancelled", "Stale"), attempt
    resolved = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "ends", seconds=60)
    assert condition(resolved, "Resolved")["reason"] == "SignalsCleared"
    assert "deleted" in condition(resolved, "Resolved")["message"]
    story.conventions(resolved)


def test_a_target_that_is_made_anew_under_its_name_is_another_object(arena):
    made, incident = verifying(arena, "anew")
    arena.api.delete("Deployment", "anew", arena.namespace)
    wait_for(lambda: arena.api.find("Deployment", "anew", arena.namespace) is None, 20, "it is gone")
    arena.kubectl_apply(workloads.changed(made, command=workloads.CRASH))
    arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "the old object's ends", seconds=60)
    assert arena.remediations(incident)[0]["status"]["outcome"] == "Stale"
    second = wait_for(
        lambda: [one for one in arena.incidents("anew") if one["metadata"]["uid"] != incident["metadata"]["uid"]], 40, "the new opens its own"
    )
    assert len(second) == 1
    uid = arena.api.get("Deployment", "anew", arena.namespace)["metadata"]["uid"]
    assert second[0]["spec"]["targetRef"]["uid"] == uid
    arena.when(
        second[0], lambda one: condition(one, "RemediationAllowed").get("reason") == "NoKnownGood", "what worked was another object", seconds=40
    )
