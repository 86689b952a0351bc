"""cleanUp: only failed pods that are old go, the oldest first, and the newest stay."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.core.healing.effects.effect import DeletePod
from prunella.core.healing.steps import clean_up
from prunella.core.healing.steps.clean_up import CleanUp
from prunella.core.healing.steps.step import Done, LiveFacts

from .builders import NOON, ago, later, pod, rolling_facts

OLD = CleanUp()


def failed(name: str, age: float = 7200, **changes):
    defaults = {"created_time": ago(10 * age), "ready_since": ago(age), "resource_version": "7"}
    return pod(name, "h2", phase="Failed", status_reason="Evicted", ready=False, **(defaults | changes))


def facts(*pods):
    one = rolling_facts()
    return replace(one, pods=(*one.pods, *pods))


def plan(given, *done, params=OLD):
    return clean_up.plan(params, LiveFacts(now=NOON, raw={}, target=given, intent_time=NOON), done)


def record(effect: DeletePod, number: int) -> StepStatus:
    intent = Intent(id="i", action="Delete", target_ref=effect.target, written_time=NOON, deadline_time=later(60), before=effect.record)
    return StepStatus(name=f"tidy/{number}", state=StepState.APPLIED, intent=intent)


def test_the_oldest_go_one_by_one_until_the_newest_three_are_left():
    pods = [failed(f"f{number}", 7200 + number) for number in range(5)]
    records: list[StepStatus] = []
    for number, (name, last) in enumerate([("f4", False), ("f3", True)]):
        effect = plan(facts(*pods), *records)
        assert isinstance(effect, DeletePod)
        assert (effect.target.name, effect.last) == (name, last)
        records.append(record(effect, number))
        pods = [one for one in pods if one.name != name]
    assert plan(facts(*pods), *records) == Done(message="2 failed pods were deleted, 3 are kept")


@pytest.mark.parametrize(
    "pods",
    [
        [failed(f"f{number}") for number in range(3)],
        [failed(f"f{number}", 600) for number in range(9)],
        [failed(f"f{number}", created_time=ago(600), ready_since=None) for number in range(9)],
        [replace(failed(f"f{number}"), owner_uid="") for number in range(9)],
        [replace(failed(f"f{number}"), phase="Running") for number in range(9)],
        [replace(failed(f"f{number}"), deleting=True) for number in range(9)],
    ],
    ids=["no more than are kept", "failed lately", "made lately, and nothing else is told", "nobody's", "running", "on their way out"],
)
def test_else_nothing_goes_and_that_is_said(pods):
    assert plan(facts(*pods)) == Done(message="no failed pod has to go: nothing was done")


def test_no_more_than_twenty_go_in_a_run():
    pods = [failed(f"f{number:03}", 7200 + number) for number in range(60)]
    records: list[StepStatus] = []
    for number in range(20):
        effect = plan(facts(*pods), *records)
        assert isinstance(effect, DeletePod)
        assert effect.last is (number == 19)
        records.append(record(effect, number))
        pods = [one for one in pods if one.uid != effect.target.uid]
    assert isinstance(plan(facts(*pods), *records), Done)


@pytest.mark.parametrize(("given", "wrong"), [({"keep": 2}, ".keep: Input should be greater than or equal to 3"), ({}, None)])
def test_three_are_kept_at_least(given, wrong):
    assert CleanUp.wrong_with(given) == wrong
