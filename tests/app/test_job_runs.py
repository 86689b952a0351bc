"""Runs of Jobs: made once whatever is lost, waited for, and their failure is the step's."""

from __future__ import annotations

import pytest
from tests.fakes.operator import Operator

from prunella.api.names import Outcome, RemediationPhase, StepState
from prunella.api.runbook import RunbookStep

from .test_heals import rolled_out
from .test_runs import book, stands

RUN = RunbookStep(name="run", job={"image": "tools@sha256:" + "0" * 64, "command": ["fix"], "serviceAccountName": "fixer"})


def jobs(place):
    return [raw for (kind, _, _), raw in place.cluster.others.items() if kind == "Job"]


def becomes(place, type_, **more):
    [job] = jobs(place)
    job["status"] = {"conditions": [{"type": type_, "status": "True", **more}]}


async def begun(seconds=15.0, **lost):
    place, _, operator = await rolled_out(book(RUN), seconds=0)
    for name, value in lost.items():
        setattr(place.cluster, name, value)
    await operator.run(seconds)
    return place, operator


async def test_a_job_is_made_waited_for_and_then_verified():
    place, operator = await begun()
    [job] = jobs(place)
    [attempt] = operator.remediations
    assert stands(operator) == [("run", StepState.APPLIED)]
    assert attempt.status.phase is RemediationPhase.DISPATCHED, "nothing is verified while it is at work"
    assert job["metadata"]["name"] == f"prunella-{attempt.status.steps[0].intent.id}"
    assert job["metadata"]["annotations"]["prunella.dev/intent-id"] == attempt.status.steps[0].intent.id
    becomes(place, "Complete")
    await operator.run(10)
    assert stands(operator) == [("run", StepState.APPLIED), ("run/1", StepState.APPLIED)]
    assert operator.remediations[0].status.phase is RemediationPhase.VERIFYING
    await operator.close()


async def test_its_failure_is_the_steps():
    place, operator = await begun()
    becomes(place, "Failed", reason="BackoffLimitExceeded", message="exit code 3")
    await operator.run(30)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message.endswith("failed: BackoffLimitExceeded: exit code 3")
    assert stands(operator) == [("run", StepState.APPLIED), ("run/1", StepState.FAILED)]
    await operator.close()


@pytest.mark.parametrize("lost", ["lost_before", "lost_after"])
async def test_a_job_whose_answer_is_lost_is_made_once(lost):
    place, operator = await begun(seconds=30, **{lost: 1})
    assert len(jobs(place)) == 1
    assert stands(operator) == [("run", StepState.APPLIED)]
    await operator.close()


async def test_a_process_that_dies_while_the_job_runs_goes_on_waiting_for_that_very_job():
    place, operator = await begun()
    await operator.close()
    again = Operator(place)
    await again.run(20)
    assert len(jobs(place)) == 1
    becomes(place, "Complete")
    await again.run(10)
    assert again.remediations[0].status.phase is RemediationPhase.VERIFYING
    await again.close()


async def test_a_missing_right_is_named_before_anything_is_begun():
    place, _, operator = await rolled_out(book(RUN), seconds=0)
    place.cluster.forbidden.add(("create", "jobs"))
    await operator.run(60)
    assert operator.condition("RemediationAllowed") == ("False", "MissingPermission")
    assert jobs(place) == []
    await operator.close()
