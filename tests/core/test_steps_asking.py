"""assert, query and waitFor: what they conclude of what was read, and that what can't be told never counts as well."""

from __future__ import annotations

import pytest
from tests.fakes.runbooks import runbook

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.zones import zone_of
from prunella.api.names import StepImpact, StepState
from prunella.api.remediation import StepOutcome, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.healing.runbooks import soundness
from prunella.core.healing.steps import registry
from prunella.core.healing.steps.step import Ask, Done, Failed, Note, Queried, Wait
from prunella.core.world import QueryValue

from .builders import NOON, later
from .test_steps import asked, live

CEL = CelEvaluate()
ERRORS = 'rate(errors{job="${target.name}"}[5m])'
SENT = Queried('rate(errors{job="checkout"}[5m])')


def step(action, **fields):
    return RunbookStep(name="s", **{action: fields})


def told(given=None, values=None, now=NOON, **target):
    """What a step reads: a target of this state, and what Prometheus said."""
    variables = {"target": {"ready": 0, "desired": 3, **target}, "steps": {"n": {"state": "Applied", "outputs": {"value": "0.25"}}}}
    return live(given, evaluate=CEL, variables=variables, values=values or {}, now=now)


def kept(number=0, seconds=0, **outputs):
    """The record that a step left so many seconds ago."""
    name = f"s/{number}" if number else "s"
    return StepStatus(name=name, state=StepState.APPLIED, outcome=StepOutcome(observed_time=later(-seconds), after=outputs))


# assert


@pytest.mark.parametrize(
    ("that", "answer"),
    [
        ("target.desired == 3", Note(message="'target.desired == 3' holds")),
        ("double(steps.n.outputs.value) < 0.5", Note(message="'double(steps.n.outputs.value) < 0.5' holds")),
        ("target.ready > 0", Failed(message="nothing serves: 'target.ready > 0' does not hold")),
        (
            "target.rdy > 0",
            Failed(message="nothing serves: whether 'target.rdy > 0' holds could not be told: NOT_FOUND: Key not found in map : \"rdy\""),
        ),
    ],
    ids=["true", "by an output", "false", "no such field"],
)
def test_a_run_goes_on_only_where_the_condition_surely_holds(that, answer):
    assert asked(step("assert", that=that, message="nothing serves"), told()) == answer


def test_a_condition_that_held_is_not_asked_again():
    assert asked(step("assert", that="target.ready > 0", message="m"), told(), [kept()]) == Done(message="'target.ready > 0' held")


# query


def test_a_query_is_asked_with_the_targets_escaped_name():
    assert asked(step("query", promql=ERRORS), told()) == Ask(reads=(SENT,))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (QueryValue(value=0.25), Note(message="Prometheus says 0.25", outputs={"value": "0.25"})),
        (QueryValue(value=1e-09), Note(message="Prometheus says 1e-09", outputs={"value": "1e-09"})),
        (QueryValue(missing="no series: the query found no data"), Failed(message="Prometheus gave no value: no series: the query found no data")),
        (QueryValue(error="Prometheus could not be reached"), Failed(message="Prometheus gave no value: Prometheus could not be reached")),
        (QueryValue(), Failed(message="Prometheus gave no value: no data")),
    ],
    ids=["a number", "a small one", "no data", "an error", "nothing"],
)
def test_only_a_number_is_an_answer(said, answer):
    assert asked(step("query", promql=ERRORS), told(values={SENT: said})) == answer


@pytest.mark.parametrize("promql", ["up + ${target.name}", 'up{job="${target.team}"}', "up{job=`${target.name}`}"])
def test_what_can_not_be_filled_in_is_not_asked(promql):
    answer = asked(step("query", promql=promql), told())
    assert isinstance(answer, Failed)
    assert answer.message.startswith("the query can't be asked: ")


def test_a_query_is_asked_once():
    assert asked(step("query", promql=ERRORS), told(), [kept(value="1")]) == Done(message="Prometheus was asked")


# waitFor


UNTIL = "target.ready == target.desired"


def test_a_wait_begins_with_a_record_that_says_since_when():
    assert asked(step("waitFor", until=UNTIL), told()) == Note(message=f"waits until '{UNTIL}' holds, for 300 s at most: it does not yet")


@pytest.mark.parametrize(
    ("waited", "now_ready", "answer"),
    [
        (0, 3, Note(message=f"'{UNTIL}' holds after 0 s", outputs={"waitedSeconds": "0"})),
        (299, 3, Note(message=f"'{UNTIL}' holds after 299 s", outputs={"waitedSeconds": "299"})),
        (301, 3, Note(message=f"'{UNTIL}' holds after 301 s", outputs={"waitedSeconds": "301"})),
        (100, 0, Wait(until_time=later(20), message=f"waits until '{UNTIL}' holds: it does not yet")),
        (295, 0, Wait(until_time=later(5), message=f"waits until '{UNTIL}' holds: it does not yet")),
        (300, 0, Failed(message=f"'{UNTIL}' did not hold within 300 s: it does not yet")),
    ],
    ids=["at once", "in time", "seen late, but it holds", "not yet", "never beyond the end", "in vain"],
)
def test_a_wait_ends_when_it_holds_or_when_its_time_is_over(waited, now_ready, answer):
    waits = step("waitFor", until=UNTIL, interval_seconds=20)
    assert asked(waits, told(ready=now_ready), [kept(seconds=waited)]) == answer


def test_a_wait_that_ended_is_done():
    assert asked(step("waitFor", until=UNTIL), told(), [kept(seconds=9), kept(1, waitedSeconds="9")]) == Done(message=f"'{UNTIL}' held")


BELOW = {"until": "value < 0.1", "promql": ERRORS}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (QueryValue(value=0.3), "it does not yet"),
        (QueryValue(missing="no series"), "Prometheus gave no value: no series"),
        (QueryValue(error="refused"), "Prometheus gave no value: refused"),
    ],
    ids=["too much", "no data", "an error"],
)
def test_a_value_that_is_not_there_is_waited_for_and_never_taken_for_a_good_one(said, why):
    assert asked(step("waitFor", **BELOW), told()) == Ask(reads=(SENT,))
    answer = asked(step("waitFor", **BELOW), told(values={SENT: said}), [kept(seconds=300)])
    assert answer == Failed(message=f"'value < 0.1' did not hold within 300 s: {why}")


def test_a_value_that_is_good_ends_the_wait():
    answer = asked(step("waitFor", **BELOW), told(values={SENT: QueryValue(value=0.01)}), [kept(seconds=40)])
    assert answer == Note(message="'value < 0.1' holds after 40 s", outputs={"waitedSeconds": "40"})


def test_a_wait_whose_condition_can_not_be_told_fails_in_the_end_and_says_why():
    answer = asked(step("waitFor", until="target.rdy > 0", timeout_seconds=5), told(), [kept(seconds=5)])
    assert isinstance(answer, Failed)
    assert 'it could not be told: NOT_FOUND: Key not found in map : "rdy"' in answer.message


# what is said when they are applied


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        (step("assert", that="target.nope > 0", message="m"), "spec.steps[s].assert.that"),
        (step("assert", that="steps.later.state == ''", message="m"), "spec.steps[s].assert.that"),
        (step("query", promql="up + ${target.name}"), "spec.steps[s].query.promql"),
        (step("waitFor", until="value > 0"), "spec.steps[s].waitFor.until"),
        (step("waitFor", until="target.ready > 0", promql="up"), "spec.steps[s].waitFor.until"),
        (step("waitFor", until="value > 0", promql='up{a="${x}"}'), "spec.steps[s].waitFor.promql"),
    ],
    ids=["misspelt", "a later step", "a query", "no value there", "only a value there", "a query that is waited for"],
)
def test_a_mistake_in_a_field_is_found_when_the_runbook_is_applied(wrong, place):
    [problem] = soundness.problems(runbook("r", wrong), CEL, zone_of, "prunella-system")
    assert problem.reason == "InvalidExpression"
    assert problem.message.startswith(f"`{place}`: ")


def test_outputs_of_earlier_steps_may_be_read_as_numbers():
    steps = (step("query", promql="up"), RunbookStep(name="t", **{"assert": {"that": "double(steps.s.outputs.value) > 0.5", "message": "m"}}))
    assert list(soundness.problems(runbook("r", *steps), CEL, zone_of, "prunella-system")) == []


@pytest.mark.parametrize("name", ["assert", "query", "waitFor"])
def test_they_read_and_need_no_right(name):
    kind = registry.KINDS[name]
    assert (kind.impact, kind.rights, kind.undo) == (StepImpact.READ, (), None)
