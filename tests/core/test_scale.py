"""scale: an absolute number, the owner of the number is respected, and it is taken back only where it is still ours."""

from __future__ import annotations

from typing import Any

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core.facts import UNKNOWN
from prunella.core.healing.effects.effect import Patch, guarded_sha256
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.steps import scale
from prunella.core.healing.steps.scale import Scale
from prunella.core.healing.steps.step import Ask, Done, Failed, Listed, LiveFacts, Skip, Wait

from .builders import NOON, later
from .healing_builders import crashed

ASKED = Listed("autoscaling/v2", "HorizontalPodAutoscaler", "shop")


def raw(replicas: object = 3, **metadata: Any) -> dict[str, Any]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"uid": "x", **metadata}, "spec": {"replicas": replicas}}


def scaler(name="hpa", least=2, most=8, target=("Deployment", "checkout"), **metadata: Any) -> dict[str, Any]:
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": target[0], "name": target[1]}, "minReplicas": least, "maxReplicas": most}
    return {"metadata": {"name": name, "uid": f"u-{name}", **metadata}, "spec": spec}


def live(*scalers: dict[str, Any], facts=None, stored=None, answers=None) -> LiveFacts:
    found = {ASKED: scalers} if answers is None else answers
    return LiveFacts(now=NOON, raw=stored or raw(), target=facts or crashed(), intent_time=NOON, answers=found)


def record(patch: Patch) -> StepStatus:
    """What is stored of it once it was applied."""
    intent = Intent(id="5b1e", action="Patch", target_ref=patch.target, written_time=NOON, deadline_time=later(60), before=patch.record)
    return StepStatus(name="more", state=StepState.APPLIED, intent=intent)


def test_it_writes_an_absolute_number_and_insists_on_the_one_before():
    patch = scale.plan(Scale(by=2, most=10), live(), ())
    assert isinstance(patch, Patch)
    assert patch.target == crashed().workload.ref
    assert patch.operations == (
        {"op": "test", "path": "/metadata/uid", "value": crashed().workload.uid},
        {"op": "test", "path": "/spec/replicas", "value": 3},
        {"op": "replace", "path": "/spec/replicas", "value": 5},
    )
    assert (patch.does, patch.annotated) == ("deploy/checkout is scaled: 3 -> 5", False)
    assert patch.record == {"guardedSha256": guarded_sha256(3), "replicas": "3", "wanted": "5", "guardedPath": "/spec/replicas"}


@pytest.mark.parametrize(
    ("params", "wanted"),
    [
        (Scale(to=7, most=10), 7),
        (Scale(to=7, most=6), 6),
        (Scale(by=-1, most=10), 2),
        (Scale(by=-9, most=10), 1),
        (Scale(by=-9, least=2, most=10), 2),
        (Scale(by=100, most=4), 4),
    ],
    ids=["to", "at most", "fewer", "never to zero", "at least", "by, at most"],
)
def test_the_number_stays_within_its_bounds(params, wanted):
    patch = scale.plan(params, live(), ())
    assert isinstance(patch, Patch)
    assert patch.operations[-1]["value"] == wanted


def test_it_asks_for_the_autoscalers_before_it_plans_and_waits_where_they_can_not_be_read():
    assert scale.plan(Scale(to=5, most=9), live(answers={}), ()) == Ask(reads=(ASKED,))
    waits = scale.plan(Scale(to=5, most=9), live(answers={ASKED: UNKNOWN}), ())
    assert waits == Wait(until_time=later(2), message="the autoscalers of the namespace could not be read")


def test_where_an_autoscaler_owns_the_number_its_minimum_is_raised_instead():
    others = (scaler("of-another", target=("Deployment", "other")), scaler("of-another-kind", target=("StatefulSet", "checkout")))
    patch = scale.plan(Scale(to=20, most=50), live(*others, scaler(annotations={})), ())
    assert isinstance(patch, Patch)
    assert (patch.target.kind, patch.target.name, patch.target.uid) == ("HorizontalPodAutoscaler", "hpa", "u-hpa")
    assert patch.operations[1:] == (
        {"op": "test", "path": "/spec/minReplicas", "value": 2},
        {"op": "replace", "path": "/spec/minReplicas", "value": 8},
    ), "not beyond its maximum"
    assert patch.annotated
    assert patch.does == "hpa/hpa, which scales deploy/checkout, gets another minimum: 2 -> 8"


@pytest.mark.parametrize(
    ("given", "answer"),
    [
        (live(facts=crashed(kind="DaemonSet")), Failed(message="a DaemonSet has no number of replicas")),
        (live(stored=raw(None)), Failed(message="deploy/checkout does not say how many replicas it wants")),
        (live(stored=raw(0)), Refusal(reason="HumanOverride", message="deploy/checkout was scaled to zero: that is somebody's decision")),
        (live(stored=raw(5)), Done(message="5 already")),
        (
            live(scaler("a"), scaler("b")),
            Refusal(reason="OwnedByAutoscaler", message="2 autoscalers scale deploy/checkout: they contradict each other"),
        ),
        (
            live(scaler(ownerReferences=[{"kind": "ScaledObject"}])),
            Refusal(reason="OwnedByAutoscaler", message="hpa/hpa scales deploy/checkout and is itself made by something else"),
        ),
        (live(scaler(least=None)), Failed(message="hpa/hpa has no bounds that could be read")),
    ],
    ids=["a kind without", "no number", "zero is a decision", "there already", "two autoscalers", "a generated one", "no bounds"],
)
def test_what_is_not_its_to_change_is_left_alone(given, answer):
    assert scale.plan(Scale(to=5, most=9), given, ()) == answer


def test_it_is_done_after_one_effect():
    patch = scale.plan(Scale(to=5, most=9), live(), ())
    assert isinstance(patch, Patch)
    assert scale.plan(Scale(to=5, most=9), live(), (record(patch),)) == Done(message="deploy/checkout was scaled")


@pytest.mark.parametrize("scalers", [(), (scaler(),)], ids=["the workload", "its autoscaler"])
def test_it_gives_the_number_back_that_was_there_before(scalers):
    patch = scale.plan(Scale(to=5, most=9), live(*scalers), ())
    assert isinstance(patch, Patch)
    path = patch.guarded_path
    now = raw(5) if not scalers else scaler(least=5)
    back = scale.undo(Scale(to=5, most=9), now, record(patch))
    assert isinstance(back, Patch)
    assert back.target == patch.target
    assert back.operations[1:] == (
        {"op": "test", "path": path, "value": 5},
        {"op": "replace", "path": path, "value": 2 if scalers else 3},
    )


def test_r39_what_somebody_else_changed_since_is_not_taken_back():
    patch = scale.plan(Scale(to=5, most=9), live(), ())
    assert isinstance(patch, Patch)
    kept = scale.undo(Scale(to=5, most=9), raw(9), record(patch))
    assert kept == Skip(message="checkout has 9 now, and not the 5 that were written: that is somebody else's")
    bare = StepStatus(name="more", state=StepState.APPLIED)
    assert scale.undo(Scale(to=5, most=9), raw(5), bare) == Skip(message="its record does not say what was there before")


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"to": 5, "most": 9}, None),
        ({"to": 5}, ".most: Field required"),
        ({"to": 0, "most": 9}, ".to: Input should be greater than or equal to 1"),
    ],
    ids=["good", "without a cap", "to zero"],
)
def test_a_cap_is_mandatory_and_zero_is_refused(given, wrong):
    assert Scale.wrong_with(given) == wrong
