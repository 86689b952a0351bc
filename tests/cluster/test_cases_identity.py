"""The running operator carries out a team's Runbook: the audit log shows the team's account on everything that is not Prunella's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.harness import workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition
from tests.harness.audit import OPERATOR
from tests.harness.fixtures import box_lock, installed, make_arena
from tests.harness.installation import Installation, kubectl
from tests.harness.waiting import holds_for, wait_for

__all__ = ["box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240, func_only=True)]


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    for made in installed():
        yield made
        made.forget_policy()


def of_team(namespace: str) -> Object:
    """Rolls back what crashes, as the account of manifests/own-account."""
    spec: Object = {
        "title": "Roll back ours",
        "serviceAccountName": "prunella-runbooks",
        "match": {"causes": ["RolloutCrashLoop"], "dwellSeconds": 5, "minRestarts": 1},
        "mode": "Auto",
        "priority": 900,
        "steps": [{"name": "rollback", "rollBack": {"to": "KnownGood"}}],
        "verify": {"stabilizeSeconds": 5, "intervalSeconds": 2, "successes": 2, "checks": [{"name": "healthy", "workloadHealthy": {}}]},
    }
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": "Runbook", "metadata": {"name": "ours", "namespace": namespace}, "spec": spec}


def reason(arena: Arena, incident: Object) -> str:
    return str(condition(arena.again(incident), "RemediationAllowed").get("reason"))


def test_r28_first_the_account_lacks_the_right_and_says_so_then_it_heals_and_the_operator_itself_touches_nothing(make_arena):
    """The namespace has given the operator's own account every right: it is not used for what a team's Runbook does."""
    arena: Arena = make_arena("team-runbook")
    namespace = arena.namespace
    kubectl("apply", "-n", namespace, "-k", "manifests/own-account")
    arena.api.apply(of_team(namespace))
    made = workloads.deployment("web", namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = arena.incident("web")
    wait_for(lambda: reason(arena, incident) == "MissingPermission", 60, "says MissingPermission", seen=lambda: reason(arena, incident))
    said = condition(arena.again(incident), "RemediationAllowed")["message"]
    account = f"system:serviceaccount:{namespace}:prunella-runbooks"
    assert f"{account} may not patch deployments.apps in {namespace}" in said
    assert "kubectl create rolebinding prunella-runbooks-prunella-remediate" in said
    holds_for(lambda: not arena.foreign_writes(), 10, "nobody does it instead", interval=1)

    bind = ("prunella-runbooks", "--clusterrole=prunella-remediate", f"--serviceaccount={namespace}:prunella-runbooks", "-n", namespace)
    kubectl("create", "rolebinding", *bind)
    healed = arena.when(incident, lambda one: condition(one, "Resolved").get("status") == "True", "heals")
    assert condition(healed, "Resolved")["reason"] == "Verified"
    [attempt] = arena.remediations(incident)
    assert attempt["spec"]["runbookRef"]["serviceAccountName"] == "prunella-runbooks"
    assert attempt["status"]["outcome"] == "Remediated"
    theirs = wait_for(lambda: arena.log.writes(namespace, user=account), 30, "the audit log shows it")
    assert [(one.verb, one.resource) for one in theirs if not one.hand_back] == [("patch", "deployments")]
    assert {one.group for one in theirs} == {"apps"}, "its own records the operator writes itself"
    assert arena.foreign_writes() == [], f"nothing foreign as {OPERATOR}"
