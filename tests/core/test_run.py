"""Where a run goes on: only its records say so, and it only ever goes forward."""

from __future__ import annotations

import pytest

from prunella.adapters.cel import CelEvaluate
from prunella.api.names import OnFailure, StepState
from prunella.api.remediation import Intent, StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep, StepFailure
from prunella.core.healing.runbooks import run
from prunella.core.world import Unevaluable

from .builders import NOON, later
from .healing_builders import crashed

APPLIED, FAILED, SKIPPED, INTENDED, UNKNOWN = (
    StepState.APPLIED,
    StepState.FAILED,
    StepState.SKIPPED,
    StepState.INTENDED,
    StepState.UNKNOWN,
)


def step(name, *, when=None, **on_failure):
    return RunbookStep(name=name, restart={}, when=when, on_failure=StepFailure(**on_failure))


def record(name, state=APPLIED, *, effect=True, **after):
    target = crashed().workload.ref
    intent = Intent(id="5b1e", action="Patch", target_ref=target, written_time=NOON, deadline_time=later(60)) if effect else None
    return StepStatus(name=name, state=state, intent=intent, outcome=StepOutcome(observed_time=NOON, after=after))


STEPS = (step("a"), step("b", go_to="d"), step("c"), step("d", action="Continue"))


@pytest.mark.parametrize(
    ("records", "at"),
    [
        ((), "a"),
        ((record("a"),), "a"),
        ((record("a"), record("a/1")), "a"),
        ((record("a", SKIPPED),), "b"),
        ((record("a"), record("b")), "b"),
        ((record("a"), record("b", FAILED)), "d"),
        ((record("a", FAILED),), "b"),
        ((record("a"), record("b", FAILED), record("d", INTENDED)), "d"),
        ((record("d", FAILED),), None),
        ((record("d", SKIPPED),), None),
        ((record("gone"),), None),
        ((record("a"), record("undo/a")), "a"),
    ],
    ids=[
        "nothing was done",
        "its plan says whether it is done",
        "with several effects",
        "skipped",
        "the last record counts",
        "goTo leaves out what lies between",
        "after a failure that lets it go on",
        "in the middle",
        "the last one failed",
        "the last one was skipped",
        "a record of no step",
        "taking back is no step",
    ],
)
def test_the_records_say_at_which_step_a_run_is(records, at):
    found = run.current(STEPS, records)
    assert (found.name if found else None) == at


def test_a_run_without_steps_is_at_none():
    assert run.current((), ()) is None


@pytest.mark.parametrize("wanted", ["a", "b", "nowhere"], ids=["back", "itself", "a name that is not there"])
def test_a_go_to_that_does_not_lead_forward_ends_the_run(wanted):
    steps = (step("a"), step("b", go_to=wanted), step("c"))
    assert run.current(steps, (record("a"), record("b", FAILED))) is None


def test_a_name_that_begins_like_another_is_not_its_record():
    first, longer = step("a"), step("ab")
    assert run.records_of(first, (record("a"), record("ab"), record("a/1"), record("undo/a"))) == (record("a"), record("a/1"))
    assert run.records_of(longer, (record("a"), record("ab"))) == (record("ab"),)


@pytest.mark.parametrize(
    ("failure", "does"),
    [
        ({}, OnFailure.ABORT),
        ({"action": "Continue"}, OnFailure.CONTINUE),
        ({"action": "Undo"}, OnFailure.UNDO),
        ({"action": "Escalate"}, OnFailure.ESCALATE),
        ({"go_to": "z"}, OnFailure.CONTINUE),
    ],
    ids=["nothing is said", "Continue", "Undo", "Escalate", "goTo"],
)
def test_the_runbook_says_what_a_failure_does(failure, does):
    assert run.on_failure((step("a", **failure),), record("a/1", FAILED)) is does


def test_the_failure_of_a_step_that_is_not_there_ends_the_run():
    assert run.on_failure((step("a", action="Continue"),), record("b", FAILED)) is OnFailure.ABORT


def test_what_was_done_is_taken_back_once_and_the_last_first():
    done = (record("a"), record("b", effect=False), record("c"), record("c/1"), record("d", FAILED))
    assert [one.name for one in run.to_take_back(done)] == ["c/1", "c", "a"]
    assert [one.name for one in run.to_take_back((*done, record("undo/c/1")))] == ["c", "a"]
    assert [one.name for one in run.to_take_back((*done, record("undo/c/1", INTENDED)))] == ["c/1", "c", "a"], "its outcome is not known yet"
    assert [one.name for one in run.to_take_back((*done, record("undo/c/1", FAILED), record("undo/c", UNKNOWN)))] == ["a"], "it is not tried twice"


def test_a_run_takes_back_only_where_the_failed_step_says_so():
    steps = (step("a", action="Undo"), step("b", action="Continue"))
    failed = record("a", FAILED)
    assert run.takes_back(steps, (failed,)) is failed
    assert run.takes_back(steps, (record("a"), record("b", FAILED))) is None
    assert run.takes_back(steps, (record("a"), record("undo/a", FAILED))) is None


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        (None, True),
        ("steps.a.outputs.count == '2'", True),
        ("steps.a.state == 'Applied' && target.ready > 5", False),
        ("!('b' in steps)", True),
        ("'b' in steps && steps.b.state == 'Skipped'", False),
    ],
    ids=["no condition", "an output", "false", "a step that was not reached", "of that one nothing is asked"],
)
def test_a_condition_reads_the_steps_before(when, holds):
    records = (record("a", count="1"), record("a/1", count="2"))
    assert run.wanted(step("c", when=when), {"target": {"ready": 3}}, records, CelEvaluate()) is holds


def test_a_condition_that_can_not_be_told_is_neither_true_nor_false():
    verdict = run.wanted(step("c", when="steps.z.outputs.x == '1'"), {}, (record("a"),), CelEvaluate())
    assert isinstance(verdict, Unevaluable)
    assert "z" in verdict.why


def test_what_is_done_many_times_and_can_not_be_taken_back_is_said_once():
    """Fifty evictions would need fifty records more, and a run has a hundred at most."""
    evictions = tuple(record(name).model_copy(update={"action": "drain"}) for name in ("drain", *(f"drain/{number}" for number in range(1, 50))))
    cordon = record("out").model_copy(update={"action": "cordon"})
    assert [one.name for one in run.to_take_back((cordon, *evictions))] == ["drain", "out"]
    scaled = tuple(record(name).model_copy(update={"action": "scale"}) for name in ("more", "more/1"))
    assert [one.name for one in run.to_take_back(scaled)] == ["more/1", "more"]
