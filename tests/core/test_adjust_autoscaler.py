"""adjustAutoscaler: an autoscaler at its maximum may go higher for a while, and not beyond the cap."""

from __future__ import annotations

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import adjust_autoscaler, registry
from prunella.core.healing.steps.adjust_autoscaler import AdjustAutoscaler
from prunella.core.healing.steps.step import Ask, Done, Failed, LiveFacts, Right, Skip, Wait
from prunella.core.things.autoscaler import AutoscalerFacts

from .builders import NOON, later
from .healing_builders import crashed
from .test_scale import ASKED
from .test_scale import scaler as bare

HIGHER = AdjustAutoscaler(most=20)


def scaler(wants=8, **changes):
    return {**bare(**changes), "status": {"desiredReplicas": wants}}


def plan(*found, params=HIGHER, done=(), answers=None):
    live = LiveFacts(now=NOON, raw={}, target=crashed(), intent_time=NOON, answers={ASKED: found} if answers is None else answers)
    return adjust_autoscaler.plan(params, live, done)


def record(patch):
    intent = Intent(id="i", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="more", state=StepState.APPLIED, intent=intent)


@pytest.mark.parametrize(("params", "raised"), [(HIGHER, 12), (AdjustAutoscaler(percent=110, most=20), 9), (AdjustAutoscaler(most=10), 10)])
def test_the_maximum_is_raised_by_a_factor_and_no_further_than_the_cap(params, raised):
    patch = plan(scaler(), params=params)
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.uid) == ("HorizontalPodAutoscaler", "u-hpa")
    assert patch.operations[1:] == (
        {"op": "test", "path": "/spec/maxReplicas", "value": 8},
        {"op": "replace", "path": "/spec/maxReplicas", "value": raised},
    )
    back = adjust_autoscaler.undo(params, bare(most=raised), record(patch))
    assert isinstance(back, Patch)
    assert back.operations[-1]["value"] == 8
    assert isinstance(adjust_autoscaler.undo(params, bare(most=15), record(patch)), Skip), "r39 somebody set another one"
    assert isinstance(plan(scaler(), done=(record(patch),)), Done)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ((scaler(wants=5),), Done(message="hpa/hpa wants 5 and may go to 8: it is not at its maximum")),
        ((scaler(wants=20, most=20),), Done(message="hpa/hpa may go to 20 already, and no further than 20")),
        ((), Failed(message="0 autoscalers scale deploy/checkout: exactly one can be adjusted")),
        ((scaler(name="a"), scaler(name="b")), Failed(message="2 autoscalers scale deploy/checkout: exactly one can be adjusted")),
        ((bare(),), Failed(message="hpa/hpa does not say how far it may go and how far it went")),
        (
            (scaler(ownerReferences=[{"kind": "ScaledObject"}]),),
            Refusal(reason="OwnedByAutoscaler", message="hpa/hpa scales deploy/checkout and is itself made by something else"),
        ),
    ],
    ids=["not at its maximum", "at the cap", "none", "two", "no status", "a generated one"],
)
def test_else_it_is_left_as_it_is(found, answer):
    assert plan(*found) == answer


def plan_of_itself(raw, params=HIGHER, done=()):
    """Where the autoscaler is the target."""
    target = AutoscalerFacts(namespace="shop", name="hpa", target_kind="Deployment", target_name="checkout")
    return adjust_autoscaler.plan(params, LiveFacts(now=NOON, raw=raw, target=target, intent_time=NOON), done)


def test_an_autoscaler_that_is_the_target_goes_higher_itself_and_nobody_else_is_asked_for():
    patch = plan_of_itself(scaler())
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.namespace, patch.target.name, patch.target.uid) == ("HorizontalPodAutoscaler", "shop", "hpa", "u-hpa")
    assert (patch.does, patch.operations[-1]["value"]) == ("hpa/hpa may go higher: 8 -> 12", 12)
    assert plan_of_itself(scaler(), done=(record(patch),)) == Done(message="hpa/hpa may go higher")
    assert adjust_autoscaler.needs(HIGHER, "HorizontalPodAutoscaler") == adjust_autoscaler.needs(HIGHER, "Deployment")


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (scaler(wants=5), "hpa/hpa wants 5 and may go to 8: it is not at its maximum"),
        (scaler(wants=20, most=20), "hpa/hpa may go to 20 already, and no further than 20"),
        (bare(), "hpa/hpa does not say how far it may go and how far it went"),
    ],
    ids=["not at its maximum", "at the cap", "no status"],
)
def test_no_run_is_begun_for_a_target_that_can_not_go_higher(raw, why):
    assert plan_of_itself(raw) == Refusal(reason="PreconditionFalse", message=why)


def test_a_target_that_something_else_made_is_left_to_it():
    made = scaler(ownerReferences=[{"kind": "ScaledObject"}])
    assert plan_of_itself(made) == Refusal(reason="OwnedByAutoscaler", message="hpa/hpa is made by something else")


def test_it_asks_first_and_waits_where_they_can_not_be_read():
    assert plan(answers={}) == Ask(reads=(ASKED,))
    assert isinstance(plan(answers={ASKED: UNKNOWN}), Wait)


def test_it_always_ends_and_needs_one_right():
    endless = RunbookStep(name="more", adjust_autoscaler={"most": 9})
    assert registry.wrong_with(endless) == "step 'more', adjustAutoscaler: it needs ttlSeconds, after which it is taken back"
    right = Right(verb="patch", group="autoscaling", resource="horizontalpodautoscalers")
    assert adjust_autoscaler.needs(HIGHER, "Deployment") == (right,)
    assert adjust_autoscaler.needs(HIGHER, "DaemonSet") == ()
    assert AdjustAutoscaler.wrong_with({}) == ".most: Field required"
