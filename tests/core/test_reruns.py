"""Which run of which object an attempt has recorded as complete."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from prunella.api.common import ObjectRef
from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.core.healing.known import reruns

from .builders import NOON, ago, later
from .healing_builders import attempt

UID = "uid-migrate"
JOB = ObjectRef(api_version="batch/v1", kind="Job", namespace="shop", name="prunella-5b1e")


def made(name="rerun", uid=UID):
    intent = Intent(id="5b1e", action="Create", target_ref=JOB, written_time=ago(60), deadline_time=NOON, before={"runsAgain": uid} if uid else {})
    return StepStatus(name=name, state=StepState.APPLIED, intent=intent, outcome=StepOutcome(observed_time=ago(60), after={"name": "prunella-5b1e"}))


def done(name="rerun/1", **after):
    return StepStatus(name=name, state=StepState.APPLIED, outcome=StepOutcome(observed_time=NOON, after={"job": "prunella-5b1e", **after}))


def of(*records):
    one = attempt()
    return one.model_copy(update={"status": one.status.model_copy(update={"steps": records})})


def test_it_is_when_the_cluster_says_that_it_was_complete():
    assert reruns.completed_time([of(made(), done(completedTime="2026-11-24T11:59:30Z"))], UID) == datetime(2026, 11, 24, 11, 59, 30, tzinfo=UTC)


@pytest.mark.parametrize("told", ["", "soon", "2026-11-24T11:59:30"])
def test_else_when_it_was_seen(told):
    assert reruns.completed_time([of(made(), done(completedTime=told))], UID) == NOON


def test_the_newest_counts():
    attempts = [of(made(), done(completedTime=one)) for one in ("2026-11-24T13:00:00Z", "2026-11-24T11:00:00Z")]
    assert reruns.completed_time(attempts, UID) == later(3600)


@pytest.mark.parametrize(
    "records",
    [
        (),
        (made(),),
        (made(), StepStatus(name="rerun/1", state=StepState.FAILED, message="Job prunella-5b1e failed")),
        (made(uid="another"), done()),
        (made(uid=""), done()),
        (made(), done("job/1")),
    ],
    ids=["nothing done", "not complete", "failed", "of another object", "of a Job of its own", "another step's"],
)
def test_nothing_else_is_proof(records):
    assert reruns.completed_time([of(*records)], UID) is None


def test_who_made_a_job_is_known_by_its_intent():
    assert reruns.made(of(made()), "5b1e")
    assert not reruns.made(of(made()), "5b1f")
    assert not reruns.made(of(done()), "5b1e")
