"""relaxDisruptionBudget: one budget permits one eviction for a while, by as little as that takes, and one healthy pod is always left."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import registry
from prunella.core.healing.steps import relax_disruption_budget as step
from prunella.core.healing.steps.relax_disruption_budget import RelaxDisruptionBudget
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, LiveFacts, Skip, Wait

from .builders import NOON, later
from .healing_builders import crashed

ONE, THREE = RelaxDisruptionBudget(), RelaxDisruptionBudget(most=3)
ASKED = Listed("policy/v1", "PodDisruptionBudget", "shop")
WORKLOAD = {"spec": {"template": {"metadata": {"labels": {"app": "checkout", "tier": "web"}}}}}
CHECKOUT = {"matchLabels": {"app": "checkout"}}


def budget(healthy=3, desired=3, expected=3, allowed=0, selector: Any = CHECKOUT, seen=2, spec: Any = None, **metadata: Any) -> dict[str, Any]:
    status = {
        "observedGeneration": seen,
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
    }
    meta = {"name": "web", "namespace": "shop", "uid": "u-b", "generation": 2, **metadata}
    demanded = {"selector": selector, **({"minAvailable": "100%"} if spec is None else spec)}
    return {"metadata": meta, "spec": demanded, "status": status}


def plan(*found, params=ONE, done=(), answers=None):
    live = LiveFacts(now=NOON, raw=WORKLOAD, target=crashed(), intent_time=NOON, answers={ASKED: found} if answers is None else answers)
    return step.plan(params, live, done)


def record(patch: Patch) -> StepStatus:
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="relax", state=StepState.APPLIED, intent=intent)


@pytest.mark.parametrize(
    ("found", "params", "path", "before", "wrote"),
    [
        (budget(), ONE, "minAvailable", "100%", 2),
        (budget(spec={"minAvailable": 3}), ONE, "minAvailable", 3, 2),
        (budget(spec={"maxUnavailable": 0}), ONE, "maxUnavailable", 0, 1),
        (budget(5, 5, 6, spec={"maxUnavailable": "20%"}), ONE, "maxUnavailable", "20%", 2),
        (budget(healthy=2), THREE, "minAvailable", "100%", 1),
    ],
    ids=["all of them", "a number", "none may go", "in percent, one is not healthy", "more, where it may"],
)
def test_it_permits_one_eviction_by_an_absolute_number(found, params, path, before, wrote):
    patch = plan(found, params=params)
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.namespace, patch.target.uid) == ("PodDisruptionBudget", "shop", "u-b")
    assert patch.operations[1:] == (
        {"op": "test", "path": f"/spec/{path}", "value": before},
        {"op": "replace", "path": f"/spec/{path}", "value": wrote},
    )
    back = step.undo(params, budget(spec={path: wrote}), record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1]["value"] == before
    assert isinstance(step.undo(params, budget(spec={path: 7}), record(patch)), Skip), "r39 somebody set another one"
    assert isinstance(plan(found, done=(record(patch),)), Done)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ((budget(allowed=1),), Done(message="pdb/web permits 1 evictions: it is not in the way")),
        ((budget(healthy=1, desired=1, expected=1),), Failed(message="pdb/web covers 1 healthy pods: one always has to be left")),
        ((budget(healthy=0),), Failed(message="pdb/web covers 0 healthy pods: one always has to be left")),
        ((budget(healthy=2),), Failed(message="pdb/web would have to be relaxed by 2 pods to permit an eviction, and may be by 1")),
        ((), Failed(message="0 disruption budgets cover the pods of deploy/checkout: exactly one can be relaxed")),
        (
            (budget(), budget(selector={}, name="all")),
            Failed(message="2 disruption budgets cover the pods of deploy/checkout: exactly one can be relaxed"),
        ),
        ((budget(spec={}),), Failed(message="pdb/web has neither minAvailable nor maxUnavailable")),
        (
            (budget(ownerReferences=[{"kind": "Kafka", "name": "main"}]),),
            Refusal(reason="OwnedByOperator", message="pdb/web is made by Kafka main: change that one"),
        ),
    ],
    ids=["it permits some", "the only one", "none is healthy", "too much", "none", "two", "it demands nothing", "a generated one"],
)
def test_else_it_is_left_as_it_is(found, answer):
    assert plan(*found) == answer


@pytest.mark.parametrize(
    "mark",
    [
        {"annotations": {"argocd.argoproj.io/tracking-id": "shop:policy/PodDisruptionBudget:shop/web"}},
        {"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}},
    ],
    ids=["Argo CD", "Flux"],
)
def test_what_is_managed_from_git_is_changed_there(mark):
    refusal = plan(budget(**mark))
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "OwnedByGitOps"


@pytest.mark.parametrize(
    ("selector", "covers"),
    [
        ({}, True),
        (None, False),
        ({"matchLabels": {"app": "ledger"}}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["web", "api"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["web"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["web"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "Like", "values": ["x"]}]}, True),
    ],
    ids=["all", "none", "another's", "In", "NotIn", "NotIn, not there", "Exists", "DoesNotExist", "one that is not known"],
)
def test_which_budgets_cover_the_pods_of_a_workload(selector, covers):
    assert bool(step.of_workload((budget(selector=selector),), WORKLOAD)) is covers


def test_it_asks_first_and_waits_where_it_can_not_be_told():
    assert plan(answers={}) == Ask(reads=(ASKED,))
    assert isinstance(plan(answers={ASKED: UNKNOWN}), Wait)
    assert isinstance(plan(budget(seen=1)), Wait), "its controller has not seen what stands in it now"


def test_it_always_ends_and_people_always_approve_it():
    endless = RunbookStep(name="relax", relax_disruption_budget={})
    assert registry.wrong_with(endless) == "step 'relax', relaxDisruptionBudget: it needs ttlSeconds, after which it is taken back"
    assert step.KIND.approval_always
    assert step.needs(ONE, "Deployment") == (step.PATCH,)
    assert step.needs(ONE, "Node") == ()
