"""Runs that ask before they act: what they found stands on the Remediation, and a process that dies while it waits goes on waiting."""

from __future__ import annotations

from tests.fakes.operator import Operator

from prunella.api.names import Outcome, StepState
from prunella.api.runbook import RunbookStep
from prunella.core.world import QueryValue

from .test_heals import rolled_out
from .test_runs import RESTART, book, stands

ASK = RunbookStep(name="ask", query={"promql": 'errors{job="${target.name}"}'})


def wait(until, **fields):
    return RunbookStep(name="wait", waitFor={"until": until, **fields})


def sure(that):
    return RunbookStep(name="sure", **{"assert": {"that": that, "message": "too few errors for a restart"}})


async def asked(*steps, values, seconds=20):
    place, _, operator = await rolled_out(book(*steps), seconds=0)
    place.queries.values = list(values)
    await operator.run(seconds)
    return place, operator


async def test_a_later_step_reads_what_an_earlier_one_asked():
    place, operator = await asked(ASK, sure("double(steps.ask.outputs.value) > 0.5"), RESTART, values=[QueryValue(value=0.75)])
    assert stands(operator) == [("ask", StepState.APPLIED), ("sure", StepState.APPLIED), ("restart", StepState.APPLIED)]
    [attempt] = operator.remediations
    assert attempt.status.steps[0].outcome.after == {"value": "0.75"}
    assert 'errors{job="checkout"}' in place.queries.asked
    await operator.close()


async def test_an_assertion_that_is_false_ends_the_run_before_anything_is_changed():
    place, operator = await asked(ASK, sure("double(steps.ask.outputs.value) > 0.5"), RESTART, values=[QueryValue(value=0.25)], seconds=60)
    [attempt] = operator.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message.startswith("step sure failed: too few errors for a restart: ")
    assert place.cluster.effects == []
    await operator.close()


async def test_no_data_ends_the_run_and_is_no_zero():
    place, operator = await asked(ASK, RESTART, values=[QueryValue(missing="no series")], seconds=60)
    assert operator.remediations[0].status.message == "step ask failed: Prometheus gave no value: no series"
    assert place.cluster.effects == []
    await operator.close()


async def test_a_run_waits_until_it_holds_and_then_acts():
    low, high = QueryValue(value=0.1), QueryValue(value=0.9)
    steps = (wait("value > 0.5", promql="errors", interval_seconds=5), RESTART)
    place, operator = await asked(*steps, values=[low])
    assert stands(operator) == [("wait", StepState.APPLIED)]
    assert place.cluster.effects == []
    place.queries.values = [high]
    await operator.run(30)
    assert stands(operator) == [("wait", StepState.APPLIED), ("wait/1", StepState.APPLIED), ("restart", StepState.APPLIED)]
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_a_wait_goes_on_after_a_restart_of_the_operator_and_ends_in_its_time():
    steps = (wait("target.ready > 90", timeout_seconds=60), RESTART)
    place, operator = await asked(*steps, values=[])
    await operator.close()
    begun = operator.remediations[0].status.steps[0].outcome.observed_time
    place.clock.advance(30)
    again = Operator(place)
    await again.run(60)
    [attempt] = again.remediations
    assert attempt.status.outcome is Outcome.ABORTED
    assert attempt.status.message == "step wait/1 failed: 'target.ready > 90' did not hold within 60 s: it does not yet"
    assert 60 <= (attempt.status.ended_time - begun).total_seconds() < 62
    assert place.cluster.effects == []
    await again.close()
