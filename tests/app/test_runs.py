"""A run of several steps: conditions, ways on after a failure, and what stands on the Remediation afterwards."""

from __future__ import annotations

import pytest
from tests.fakes.runbooks import runbook

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


@pytest.mark.parametrize("action", [None, "Abort", "Escalate"])
async def test_else_the_run_ends_with_it_before_anything_is_changed(action):
    place, _, operator = await rolled_out(book(page("odd", NOT_TOLD, action=action), RESTART), seconds=60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message.startswith("step odd failed: its condition")
    assert place.cluster.effects == []
    assert "primary" in place.deliver.to(MessageKind.PAGE)
    await operator.close()
