"""Between the plan and the effect, on the real API server: whoever is faster than automation by a hair wins, and no other object is hit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.harness import workloads
from tests.harness.api import Object, Refused
from tests.harness.arena import Arena, condition
from tests.harness.fixtures import arena, box_lock, installed, make_arena
from tests.harness.installation import SYSTEM, Installation, kubectl
from tests.harness.interloper import before_the_effect
from tests.harness.waiting import holds_for, wait_for

__all__ = ["arena", "box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180, func_only=True)]


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    for made in installed():
        yield made
        made.forget_policy()


def ended(arena: Arena, made: Object, act: Callable[[], object]) -> tuple[Object, Object]:
    """A bad rollout whose rollback somebody crosses in the last moment: the attempt at its end, and its Incident."""
    name = made["metadata"]["name"]
    arena.start(made)
    with before_the_effect(arena, act) as happened:
        arena.roll_out(workloads.changed(made, command=workloads.CRASH))
        incident = arena.incident(name)
        wait_for(happened.is_set, 60, "somebody was faster")

        def over() -> list[Object]:
            return [one for one in arena.remediations(incident) if one.get("status", {}).get("outcome")]

        attempt = wait_for(over, 60, "the attempt ends", seen=lambda: [one.get("status") for one in arena.remediations(incident)])[0]
    return attempt, incident


def image_of(arena: Arena, name: str) -> str:
    live = arena.api.get("Deployment", name, arena.namespace)
    return str(live["spec"]["template"]["spec"]["containers"][0]["image"])


def test_a_persons_edit_of_the_same_field_in_the_last_moment_stands_and_the_attempt_is_superseded(arena):
    made = workloads.deployment("edited", arena.namespace)
    mine = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": "localhost/box:v3"}]
    attempt, incident = ended(arena, made, lambda: arena.api.patch("Deployment", "edited", mine, arena.namespace, how="json"))
    status = attempt["status"]
    assert (status["phase"], status["outcome"]) == ("Cancelled", "Superseded"), status
    assert condition(attempt, "RemediationAllowed")["reason"] == "HumanOverride"
    assert image_of(arena, "edited") == "localhost/box:v3"
    holds_for(lambda: image_of(arena, "edited") == "localhost/box:v3", 10, "theirs stands", interval=1)
    assert arena.foreign_writes() == [], "nothing else is done to it"
    arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "HumanOverride", "says so", seconds=30)
    assert len(arena.remediations(incident)) == 1


def test_a_target_deleted_in_the_last_moment_ends_the_attempt_as_stale_and_the_incident(arena):
    made = workloads.deployment("deleted", arena.namespace)
    attempt, incident = ended(arena, made, lambda: arena.api.delete("Deployment", "deleted", arena.namespace))
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Cancelled", "Stale"), attempt["status"]
    assert condition(attempt, "RemediationAllowed")["reason"] == "TargetChanged"
    resolved = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "ends", seconds=60)
    assert condition(resolved, "Resolved")["reason"] == "SignalsCleared"
    assert arena.foreign_writes() == []


def test_a_target_made_anew_in_the_last_moment_is_not_hit(arena):
    made = workloads.deployment("anew", arena.namespace)

    def again() -> None:
        arena.api.delete("Deployment", "anew", arena.namespace)
        arena.api.create(workloads.changed(made, image="localhost/box:v2"))

    attempt, incident = ended(arena, made, again)
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Cancelled", "Stale"), attempt["status"]
    arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "the old object's ends", seconds=60)
    assert image_of(arena, "anew") == "localhost/box:v2"
    assert arena.foreign_writes() == []


def runbook(name: str, **match: object) -> Object:
    metadata = {"name": name, "namespace": SYSTEM}
    steps = [{"name": "rollback", "rollBack": {"to": "KnownGood"}}]
    verify = {"checks": [{"name": "healthy", "workloadHealthy": {}}]}
    spec = {"title": "x", "match": {"causes": ["RolloutCrashLoop"], **match}, "mode": "Auto", "priority": 60, "steps": steps, "verify": verify}
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": "Runbook", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("selector", [{}, {"matchLabels": {}}], ids=["empty", "empty matchLabels"])
def test_r31_an_empty_selector_is_refused_and_the_message_says_why(installation, selector):
    with pytest.raises(Refused) as refusal:
        installation.api.create(runbook("everything", targets={"selector": selector}))
    assert refusal.value.status == 422
    assert "an empty selector would mean everything" in refusal.value.message


def test_r31_a_selection_that_comes_out_empty_is_never_acted_on(arena):
    arena.elsewhere(runbook(f"nobody-{arena.namespace}", targets={"selector": {"matchLabels": {"no-such": "label"}}}))
    made = workloads.deployment("other", arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = arena.incident("other")
    about = f"nobody-{arena.namespace}"
    incident = arena.when(
        incident, lambda one: any(entry["about"] == about for entry in one["status"].get("decisions", [])), "considered it", seconds=30
    )
    decided = next(one for one in incident["status"]["decisions"] if one["about"] == about)
    assert (decided["verdict"], decided["reason"]) == ("NotChosen", "NoRunbookMatches")
    assert "no-such=label" in decided["message"]


def test_a_pause_by_the_platform_team_stops_what_has_not_begun(arena):
    made = workloads.deployment("paused", arena.namespace)
    arena.start(made)
    pause = {"name": f"pause-{arena.namespace}", "reason": "we are moving the cluster", "by": "ana", "namespaces": [arena.namespace]}
    arena.api.patch("HealingPolicy", "default", {"spec": {"pauses": [pause]}})
    try:
        arena.roll_out(workloads.changed(made, command=workloads.CRASH))
        incident = arena.incident("paused")
        incident = arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "Paused", "says Paused", seconds=30)
        assert "we are moving the cluster" in condition(incident, "RemediationAllowed")["message"]
        holds_for(lambda: not arena.foreign_writes(), 20, "nothing begins", interval=1)
    finally:
        arena.api.patch("HealingPolicy", "default", {"spec": {"pauses": None}})
    wait_for(arena.foreign_writes, 60, "after the pause it is rolled back")


def test_two_runbooks_of_the_same_priority_are_reported_not_guessed(arena):
    mine = {"selector": {"matchLabels": {"scenario": arena.namespace}}}
    for word in ("first", "second"):
        arena.elsewhere(runbook(f"{word}-{arena.namespace}", targets=mine))
    made = workloads.deployment("tied", arena.namespace, labels={"scenario": arena.namespace})
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = arena.incident("tied")
    incident = arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "RunbooksTied", "says so", seconds=30)
    assert f"first-{arena.namespace}" in condition(incident, "RemediationAllowed")["message"]
    assert arena.foreign_writes() == []


def test_only_the_operator_may_make_a_remediation(arena):
    made = workloads.deployment("forged", arena.namespace, replicas=1)
    arena.kubectl_apply(made)
    live = arena.api.get("Deployment", "forged", arena.namespace)
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": arena.namespace, "name": "forged", "uid": live["metadata"]["uid"]}
    spec: Object = {
        "incidentRef": {"name": "x", "uid": "1"},
        "targetRef": target,
        "runbookRef": {"namespace": SYSTEM, "name": "roll-back-bad-rollout"},
    }
    spec |= {"attempt": 1, "mode": "Auto", "requestedBy": "ana", "planHash": "a41c9e"}
    metadata = {"name": "x-1", "namespace": arena.namespace}
    made = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Remediation", "metadata": metadata, "spec": spec}
    with pytest.raises(Refused) as refusal:
        arena.api.create(made)
    assert "an attempt at an Incident is made by the operator" in refusal.value.message
    assert kubectl("get", "remediations", "-n", arena.namespace, "-o", "name").stdout == ""
