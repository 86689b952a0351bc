"""raiseQuota: one limit that is in the way goes up for a while, by a part of itself, and not beyond the cap."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.api.incident import Evidence
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import UNKNOWN, WorkloadCondition
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import raise_quota as step
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.raise_quota import RaiseQuota
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, LiveFacts, Skip, Wait

from .builders import NOON, later
from .healing_builders import crashed, incident

MEMORY = RaiseQuota(resource="requests.memory", most="8Gi")
ASKED = Listed("v1", "ResourceQuota", "shop")
SAID = (
    'pods "checkout-6-x" is forbidden: exceeded quota: team, requested: requests.memory=1Gi, used: requests.memory=3Gi, limited: requests.memory=4Gi'
)


def quota(resource="requests.memory", hard: Any = "4Gi", used: Any = "4Gi", counted: Any = None, **metadata: Any) -> dict[str, Any]:
    meta = {"name": "team", "namespace": "shop", "uid": "u-q", **metadata}
    status = {"hard": {resource: counted or hard}, "used": {resource: used}}
    return {"metadata": meta, "spec": {"hard": {resource: hard, "services": "5"}}, "status": status}


def plan(*found, params=MEMORY, done=(), answers=None, facts=None, events=""):
    about = incident(evidence=(Evidence(name="events", text=events),)) if events else None
    answered = {ASKED: found} if answers is None else answers
    return step.plan(params, LiveFacts(now=NOON, raw={}, target=facts or crashed(), intent_time=NOON, answers=answered, incident=about), done)


def record(patch: Patch) -> StepStatus:
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="more", state=StepState.APPLIED, intent=intent)


@pytest.mark.parametrize(
    ("resource", "hard", "params", "wrote"),
    [
        ("requests.memory", "4Gi", {"most": "8Gi"}, "5Gi"),
        ("requests.memory", "3Gi", {"most": "8Gi"}, "3840Mi"),
        ("requests.memory", "4Gi", {"most": "4500Mi", "percent": 200}, "4500Mi"),
        ("limits.cpu", "8", {"most": "20"}, "10"),
        ("limits.cpu", "1500m", {"most": "20"}, "1875m"),
        ("pods", "10", {"most": "20"}, "13"),
        ("pods", "1", {"most": "20", "percent": 101}, "2"),
        ("count/jobs.batch", "4", {"most": "20"}, "5"),
        ("gold.storageclass.storage.k8s.io/requests.storage", "10Gi", {"most": "1Ti"}, "12800Mi"),
        ("requests.nvidia.com/gpu", "4", {"most": "8"}, "5"),
    ],
)
def test_the_limit_is_raised_by_a_part_of_itself_and_no_further_than_the_cap(resource, hard, params, wrote):
    wanted = RaiseQuota(resource=resource, **params)
    patch = plan(quota(resource, hard, hard), params=wanted)
    assert isinstance(patch, Patch)
    at = f"/spec/hard/{resource.replace('/', '~1')}"
    assert (patch.target.kind, patch.target.namespace, patch.target.uid) == ("ResourceQuota", "shop", "u-q")
    assert patch.operations[1:] == ({"op": "test", "path": at, "value": hard}, {"op": "replace", "path": at, "value": wrote})
    back = step.undo(wanted, quota(resource, wrote), record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1]["value"] == hard
    assert isinstance(step.undo(wanted, quota(resource, "99"), record(patch)), Skip), "r39 somebody set another one"
    assert isinstance(plan(quota(), done=(record(patch),)), Done)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ((quota(used="3Gi"),), Done(message="quota/team has room left and refuses no pod of deploy/checkout: it is not in the way")),
        ((quota(hard="8Gi", used="8Gi"),), Done(message="quota/team limits requests.memory to 8Gi: it may not go higher, and no further than 8Gi")),
        ((quota("pods", "4", "4"),), Failed(message="0 quotas of shop limit requests.memory; exactly one can be raised")),
        (
            (quota(), quota(name="all")),
            Failed(message="2 quotas of shop limit requests.memory: name one of all, team with quota; exactly one can be raised"),
        ),
        (
            (quota(hard="4e9", used="4e9", name="team"),),
            Done(message="quota/team has room left and refuses no pod of deploy/checkout: it is not in the way"),
        ),
        (
            (quota(ownerReferences=[{"kind": "Tenant", "name": "shop"}]),),
            Refusal(reason="OwnedByOperator", message="quota/team is made by Tenant shop: change that one"),
        ),
    ],
    ids=["room", "at the cap", "no such limit", "two", "a number that can't be read", "a generated one"],
)
def test_else_it_is_left_as_it_is(found, answer):
    assert plan(*found) == answer


def test_of_several_the_named_one_is_raised():
    patch = plan(quota(), quota(name="all", uid="u-all"), params=RaiseQuota(resource="requests.memory", most="8Gi", quota="all"))
    assert isinstance(patch, Patch)
    assert patch.target.uid == "u-all"


def test_one_with_room_left_is_in_the_way_where_the_target_was_refused_by_it():
    condition = WorkloadCondition(type="ReplicaFailure", status="True", reason="FailedCreate", message=SAID)
    over = WorkloadCondition(type="ReplicaFailure", status="False", message=SAID)
    assert isinstance(plan(quota(used="3Gi"), facts=crashed(conditions=(condition,))), Patch)
    assert isinstance(plan(quota(used="3Gi"), facts=crashed(conditions=(over,))), Done)
    assert isinstance(plan(quota(used="3Gi", name="other"), facts=crashed(conditions=(condition,))), Done), "another one refused it"
    assert isinstance(plan(quota(used="3Gi"), events=SAID), Done), "a Deployment says it itself"
    assert isinstance(plan(quota(used="3Gi"), facts=crashed(kind="StatefulSet"), events=SAID), Patch)


def test_it_asks_first_and_waits_where_it_can_not_be_told():
    assert plan(answers={}) == Ask(reads=(ASKED,))
    assert isinstance(plan(answers={ASKED: UNKNOWN}), Wait)
    assert isinstance(plan(quota(counted="2Gi")), Wait), "its controller has not seen what stands in it now"


def test_it_always_ends_people_always_approve_it_and_a_cap_is_mandatory():
    endless = RunbookStep(name="more", raise_quota={"resource": "pods", "most": "9"})
    assert registry.wrong_with(endless) == "step 'more', raiseQuota: it needs ttlSeconds, after which it is taken back"
    assert RaiseQuota.wrong_with({"resource": "pods"}) == ".most: Field required"
    assert step.KIND.approval_always
    assert step.needs(MEMORY, "StatefulSet") == (step.PATCH,)
    assert step.needs(MEMORY, "Node") == ()
