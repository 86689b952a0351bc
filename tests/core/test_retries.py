"""Retries of a step: how long each wait is, when there is none any more, and that a try whose outcome is not known is never one of them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.fakes.operator import cel
from tests.fakes.runbooks import ROLL_BACK, runbook

from prunella.api.names import StepState
from prunella.api.remediation import Intent, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.api.step_failure import Retries, Retrying, Transient
from prunella.core.healing.runbooks import soundness
from prunella.core.healing.runs import retries
from prunella.core.healing.runs.retries import Vain
from prunella.core.healing.steps.roll_back import RollBack

from .builders import NOON, ago, later
from .healing_builders import attempt
from .incident_builders import TARGET

SILENT = Vain(message="nobody answered", error=Transient.TIMEOUT)


def step(*, timeout: int = 60, **given) -> RunbookStep:
    return RunbookStep(name="back", roll_back=RollBack(), retries=Retries(**({"max": 3, "jitter": 0} | given)), timeout_seconds=timeout)


def known(count: int, *, since: float = 0.0) -> Retrying:
    return Retrying(step="back", count=count, error=Transient.TIMEOUT, since_time=ago(since), next_time=NOON)


def record(*, tries: int = 1, deadline: float = 60.0) -> StepStatus:
    intent = Intent(id="i", action="Patch", target_ref=TARGET, written_time=NOON, deadline_time=later(deadline), tries=tries)
    return StepStatus(name="back", state=StepState.INTENDED, intent=intent)


def tried(count: int = 0, *records: StepStatus, since: float = 0.0, started: float | None = None):
    begun = ago(started) if started is not None else None
    return attempt(outcome=None, steps=records, retrying=known(count, since=since) if count else None, started_time=begun)


@pytest.mark.parametrize(
    ("given", "count", "seconds"),
    [
        ({}, 1, 1),
        ({}, 3, 4),
        ({}, 9, 60),
        ({}, 2_000_000_000, 60),
        ({"initial_seconds": 5, "factor": 1}, 7, 5),
        ({"initial_seconds": 4, "factor": 3, "cap_seconds": 30}, 3, 30),
    ],
    ids=["the first", "doubled twice", "at most", "for ever", "always the same", "capped"],
)
def test_each_wait_is_the_one_before_times_the_factor_up_to_the_cap(given, count, seconds):
    assert retries.wait(Retries(**({"max": 9, "jitter": 0} | given)), count, "key") == timedelta(seconds=seconds)


def test_jitter_only_lengthens_a_wait_and_is_the_same_for_the_same_try():
    waits = [retries.wait(Retries(max=9, initial_seconds=10, jitter=50), 1, f"uid/back/{number}") for number in range(50)]
    assert all(timedelta(seconds=10) <= one < timedelta(seconds=15) for one in waits)
    assert len(set(waits)) > 40
    assert waits[7] == retries.wait(Retries(max=9, initial_seconds=10, jitter=50), 1, "uid/back/7")


@pytest.mark.parametrize(
    ("one", "before", "expected"),
    [
        (step(), tried(), (1, 1)),
        (step(), tried(2, since=5), (3, 4)),
        (step(), tried(3), None),
        (step(errors=(Transient.CONFLICT,)), tried(), None),
        (step(errors=(Transient.CONFLICT, Transient.TIMEOUT)), tried(), (1, 1)),
        (RunbookStep(name="back", roll_back=RollBack()), tried(), None),
        (step(timeout=30), tried(2, since=27), None),
        (step(timeout=30), tried(2, since=25), (3, 4)),
        (step(), tried(0, record(deadline=1)), None),
        (step(), tried(0, record(deadline=2)), (1, 1)),
        (step(timeout=3600), tried(0, record(deadline=3600), started=599), None),
        (step(timeout=3600), tried(0, record(deadline=3600), started=598), (1, 1)),
    ],
    ids=[
        "the first",
        "the last",
        "no more",
        "another error",
        "one of them",
        "no retries",
        "its time is over by then",
        "just in time",
        "its intent's time is over by then",
        "within its intent's time",
        "the run's time is over by then",
        "within the run's time",
    ],
)
def test_it_is_tried_again_so_often_and_within_its_time(one, before, expected):
    found = retries.declared(one, before, "back", SILENT, NOON)
    assert (None if found is None else (found.count, (found.next_time - NOON).total_seconds())) == expected


def test_what_the_server_asks_for_is_waited_and_the_first_failure_is_kept():
    busy = Vain(message="x" * 2000, error=Transient.TOO_MANY_REQUESTS, delay=20)
    found = retries.declared(step(), tried(1, since=9), "back", busy, NOON)
    assert found == Retrying(step="back", count=2, error=Transient.TOO_MANY_REQUESTS, message="x" * 1024, since_time=ago(9), next_time=later(20))


def test_tries_of_another_step_do_not_count():
    found = retries.declared(step(), tried(3), "back/1", SILENT, NOON)
    assert found is not None
    assert found.count == 1


@pytest.mark.parametrize(
    ("count", "delay", "deadline", "least", "most"),
    [
        (0, 0.05, 60, 0.05, 0.05),
        (0, 7, 60, 7, 7),
        (1, 1, 60, 2, 2.2),
        (9, 1, 60, 10, 11),
        (1, 30, 60, 30, 30),
        (1, 30, 12, 12, 12),
        (1, 1, -5, 2, 2.2),
    ],
    ids=["at first a moment", "at first the server's word", "doubled", "at most", "the server's word", "until its deadline", "without one"],
)
def test_what_the_step_says_nothing_of_comes_back_by_itself_with_growing_waits(count, delay, deadline, least, most):
    one = record(tries=count + 1, deadline=deadline)
    found = retries.by_itself(tried(count, one), one, Vain(message="429", error=None, delay=delay), NOON)
    assert found.count == count + 1
    assert least <= (found.next_time - NOON).total_seconds() <= most


@pytest.mark.parametrize(
    ("before", "one", "unsent", "holds"),
    [
        (tried(), record(), False, True),
        (tried(1), record(), True, False),
        (tried(1), record(tries=2), False, True),
        (tried(2), record(tries=2), True, False),
        (tried(), record(tries=2), False, False),
        (tried(1), record(tries=3), False, False),
    ],
    ids=["the first is under way", "it was in vain", "the second is under way", "both were in vain", "the first is not known", "nor is the second"],
)
def test_what_became_of_the_tries_is_counted(before, one, unsent, holds):
    assert retries.unsent(before, one) is unsent
    steps = (step(),)
    assert (retries.holding(steps, before, one, Transient.TIMEOUT) is steps[0]) is holds


@pytest.mark.parametrize(("error", "name"), [(None, "back"), (Transient.CONFLICT, "back"), (Transient.TIMEOUT, "undo/back")])
def test_retries_hold_for_their_errors_and_for_no_undo(error, name):
    one = record().model_copy(update={"name": name})
    assert retries.holding((step(errors=(Transient.TIMEOUT,)),), tried(), one, error) is None


@pytest.mark.parametrize(
    ("before", "earlier", "number"),
    [(tried(), None, 1), (tried(), record().intent, 2), (tried(1), record().intent, 2), (tried(3), None, 4), (tried(1), record(tries=5).intent, 6)],
    ids=["the first", "one is not known", "one was in vain", "its intent went meanwhile", "some are not known"],
)
def test_a_try_has_a_number_that_none_before_it_had(before, earlier, number):
    assert retries.following_try(before, "back", earlier) == number


@pytest.mark.parametrize(("tries", "least", "most"), [(1, 0, 0), (2, 1, 1.1), (3, 2, 2.2), (40, 10, 11)])
def test_an_effect_of_which_something_is_not_known_is_sent_a_second_time_at_once_and_then_less_and_less_often(tries, least, most):
    assert least <= (retries.calm_from(record(tries=tries).intent) - NOON).total_seconds() <= most


def test_it_is_told_how_often_it_was_tried():
    assert retries.told(tried(), "back", "no") == "no"
    assert retries.told(tried(2), "back", "no") == "no (tried 3 times)"
    assert retries.overdue(tried(), "back") == "its deadline passed before it was sent"
    assert retries.overdue(tried(1), "back") == "its deadline passed after 1 try: "
    one = attempt(outcome=None, retrying=known(4).model_copy(update={"message": "429"}))
    assert retries.overdue(one, "back") == "its deadline passed after 4 tries: 429"


def test_retries_for_which_the_step_has_no_time_are_refused_when_they_are_applied():
    found = soundness.problems(runbook("r", step(timeout=5, initial_seconds=5), ROLL_BACK), cel(), lambda _name: None, "prunella-system")
    message = "`spec.steps[back].retries.initialSeconds`: after 5 s its timeoutSeconds of 5 are over, so it is never tried again: raise those"
    assert [tuple(one) for one in found] == [("InvalidExpression", message)]
