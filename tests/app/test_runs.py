"""A run of several steps: conditions, ways on after a failure, and what stands on the Remediation afterwards."""

from __future__ import annotations

import pytest
from tests.fakes.runbooks import runbook

from prunella.api.healing_policy import HealingPolicy
from prunella.api.names import Cause, MessageKind, Outcome, StepState
from prunella.api.runbook import Match, RunbookStep, StepFailure

from .test_heals import rolled_out

LOOK = RunbookStep(name="look", capture_evidence={})
RESTART = RunbookStep(name="restart", restart={})
NOT_TOLD = "alert.labels.severity == 'critical'"
"""No alert is there, so there is no such label."""


def book(*steps):
    return runbook("restart", *steps, match=Match(causes=(Cause.CRASH_LOOP, Cause.ROLLOUT_CRASH_LOOP), dwell_seconds=10, min_restarts=2))


def page(name, when=None, **on_failure):
    return RunbookStep(name=name, escalate={"message": name}, when=when, on_failure=StepFailure(**on_failure))


def stands(operator):
    [attempt] = operator.remediations
    return [(one.name, one.state) for one in attempt.status.steps]


async def test_a_step_whose_condition_is_false_is_skipped_with_its_reason():
    steps = (LOOK, page("many", "target.ready > 100"), page("unseen", "steps.many.state != 'Skipped'"), RESTART)
    place, _, operator = await rolled_out(book(*steps), seconds=15)
    assert stands(operator) == [
        ("look", StepState.APPLIED),
        ("many", StepState.SKIPPED),
        ("unseen", StepState.SKIPPED),
        ("restart", StepState.APPLIED),
    ]
    assert operator.remediations[0].status.steps[1].message == "its condition 'target.ready > 100' is false"
    assert place.deliver.to(MessageKind.PAGE) == []
    await operator.close()


@pytest.mark.parametrize(
    ("failure", "left"),
    [
        ({"go_to": "restart"}, [("odd", StepState.FAILED), ("restart", StepState.APPLIED)]),
        ({"action": "Continue"}, [("odd", StepState.FAILED), ("between", StepState.APPLIED), ("restart", StepState.APPLIED)]),
    ],
    ids=["goTo", "Continue"],
)
async def test_a_failed_step_lets_the_run_go_on_where_the_runbook_says(failure, left):
    steps = (page("odd", NOT_TOLD, **failure), RunbookStep(name="between", capture_evidence={}), RESTART)
    _, _, operator = await rolled_out(book(*steps), seconds=15)
    assert stands(operator) == left
    assert (
        operator.remediations[0].status.steps[0].message
        == f"its condition '{NOT_TOLD}' could not be told: NOT_FOUND: Key not found in map : \"severity\""
    )
    await operator.close()


MORE = RunbookStep(name="more", scale={"by": 2, "most": 10})


async def test_what_was_done_is_taken_back_where_a_later_step_fails():
    place, workload, operator = await rolled_out(book(MORE, page("odd", NOT_TOLD, action="Undo")), seconds=60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message.endswith("what was done was taken back")
    assert stands(operator) == [("more", StepState.APPLIED), ("odd", StepState.FAILED), ("undo/more", StepState.APPLIED)]
    assert [effect.operations[-1]["value"] for _, effect in place.cluster.effects] == [5, 3]
    assert workload.raw["spec"]["replicas"] == 3
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    assert ("Changed", "deploy/checkout is scaled: 3 -> 5") in [(one.what, one.message) for one in operator.incident.status.timeline]
    await operator.close()


async def test_r20_a_storm_that_begins_in_the_middle_keeps_nothing_from_being_taken_back():
    wait = RunbookStep(name="wait", wait_for={"until": "target.ready > 90", "timeoutSeconds": 120}, on_failure=StepFailure(action="Undo"))
    place, workload, operator = await rolled_out(book(MORE, wait), seconds=20)
    assert workload.raw["spec"]["replicas"] == 5
    others = [place.cluster.create(f"w{number}", image="shop/app:1") for number in range(5)]
    await operator.run(10)
    for one in others:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(200)
    assert place.api.one(HealingPolicy).status.storm_since_time is not None
    assert {effect.target.name for _, effect in place.cluster.effects} == {"checkout"}, "nothing is begun"
    assert workload.raw["spec"]["replicas"] == 3
    attempt = next(one for one in operator.remediations if one.spec.target_ref.name == "checkout")
    assert attempt.status.message.endswith("what was done was taken back")
    await operator.close()


async def test_r39_what_a_person_changed_meanwhile_stays_and_is_said():
    slow = RunbookStep(name="look", capture_evidence={})
    place, workload, operator = await rolled_out(book(MORE, slow, page("odd", NOT_TOLD, action="Undo")), seconds=0)
    changed = place.cluster.gate

    def scaled_by_hand(when, intent):
        changed(when, intent)
        if when == "after":
            workload.raw["spec"]["replicas"] = 7

    place.cluster.gate = scaled_by_hand
    await operator.run(60)
    [attempt] = operator.remediations
    assert stands(operator)[-1] == ("undo/more", StepState.SKIPPED)
    assert "more was not taken back: checkout has 7 now" in attempt.status.message
    assert workload.raw["spec"]["replicas"] == 7
    await operator.close()


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
async def test_r11_taking_back_happens_once_though_its_answer_is_lost(lost):
    place, workload, operator = await rolled_out(book(MORE, page("odd", NOT_TOLD, action="Undo")), seconds=0)

    def lose(when, intent):
        if when == "after" and len(place.cluster.effects) == 1:
            setattr(place.cluster, lost, 1)
            place.cluster.gate = lambda _when, _intent: None

    place.cluster.gate = lose
    await operator.run(120)
    assert [effect.operations[-1]["value"] for _, effect in place.cluster.effects] == [5, 3]
    assert workload.raw["spec"]["replicas"] == 3
    assert operator.remediations[0].status.outcome is Outcome.ABORTED
    await operator.close()


@pytest.mark.parametrize("action", [None, "Abort", "Escalate"])
async def test_else_the_run_ends_with_it_before_anything_is_changed(action):
    place, _, operator = await rolled_out(book(page("odd", NOT_TOLD, action=action), RESTART), seconds=60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message.startswith("step odd failed: its condition")
    assert place.cluster.effects == []
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()
