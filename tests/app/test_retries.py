"""Steps that are tried again: after errors that may pass by themselves, as often and as long as the Runbook says, and by no second effect."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import timedelta

import pytest
from tests.app.test_not_now import broken, first
from tests.fakes.operator import Operator, Place
from tests.fakes.runbooks import runbook

from prunella.api.incident import Hold
from prunella.api.names import OnFailure, Outcome, StepState
from prunella.api.remediation import Remediation
from prunella.api.runbook import RunbookStep, StepFailure
from prunella.api.step_failure import Retries, Transient
from prunella.app.errors import Retryable
from prunella.core.healing.effects.effect import Applied, Effect, NotApplied
from prunella.core.healing.runbooks.identity import Actor
from prunella.core.healing.steps.roll_back import RollBack
from prunella.core.world import QueryValue

from .test_heals import rolled_out
from .test_outside_runs import alerted
from .test_runs import MORE, RESTART, book, stands

BUSY = Retryable("The API server turned the change away unread (429)", delay=1.0, transient=Transient.TOO_MANY_REQUESTS)
DOWN = QueryValue(error="Prometheus did not answer within 10 s", transient=Transient.TIMEOUT)


def back(retries: Retries | None, **fields) -> RunbookStep:
    return RunbookStep(name="rollback", roll_back=RollBack(), retries=retries, **fields)


def turned_away(place: Place, times: int, error: Retryable = BUSY) -> list[float]:
    """So many requests are turned away before one is let in; when each of them came, in seconds after the first."""
    came: list[float] = []
    start = place.clock.now()

    def gate(when: str, intent: str) -> None:
        if when == "before" and intent:  # a hand-back has none
            came.append((place.clock.now() - start).total_seconds())
            if len(came) <= times:
                raise error

    place.cluster.gate = gate
    return came


def gaps(came: list[float]) -> list[float]:
    return [round(later - one, 3) for one, later in itertools.pairwise(came)]


async def run_until(operator: Operator, done: Callable[[], bool], seconds: int = 120) -> None:
    for _ in range(seconds):
        if done():
            return
        await operator.run(1)
    raise AssertionError(f"not within {seconds} s")


def hold(place: Place, operator: Operator) -> None:
    """A person stops what is done about the Incident."""
    incident = operator.incident
    said = incident.spec.model_copy(update={"hold": Hold(by="ana", reason="I am at it")})
    place.api.apply(incident.model_copy(update={"spec": said}))


def over(operator: Operator) -> bool:
    return any(one.status.outcome is not None for one in operator.remediations)


async def test_it_is_tried_again_after_the_waits_that_the_runbook_names_and_what_is_retried_stands_there():
    place, operator = await broken(runbook("r", back(Retries(max=3, initial_seconds=4, jitter=0))))
    came = turned_away(place, 2)
    await run_until(operator, lambda: len(came) == 2)
    status = first(operator).status
    assert status.retrying is not None
    assert (status.retrying.step, status.retrying.count, status.retrying.error) == ("rollback", 2, Transient.TOO_MANY_REQUESTS)
    assert (status.retrying.next_time - place.clock.now()).total_seconds() > 7
    assert (status.steps[0].state, status.steps[0].intent.tries) == (StepState.INTENDED, 2)
    await run_until(operator, lambda: over(operator))
    assert (gaps(came), first(operator).status.outcome, first(operator).status.retrying) == ([4.0, 8.0], Outcome.REMEDIATED, None)
    assert len(place.cluster.effects) == 1
    assert operator.retries == [], "it waits by itself, not by the queue"
    await operator.close()


@pytest.mark.parametrize(
    ("given", "timeout", "waits"),
    [
        ({"max": 2, "initial_seconds": 3}, 60, [3.0, 6.0]),
        ({"max": 20, "initial_seconds": 10, "factor": 1}, 25, [10.0, 10.0]),
    ],
    ids=["so often", "within timeoutSeconds"],
)
async def test_then_the_step_fails_and_nothing_was_done(given, timeout, waits):
    place, operator = await broken(runbook("r", back(Retries(jitter=0, **given), timeout_seconds=timeout)))
    came = turned_away(place, 99)
    await run_until(operator, lambda: over(operator))
    one = first(operator)
    assert (one.status.outcome, gaps(came), place.cluster.effects) == (Outcome.ABORTED, waits, [])
    assert "(tried 3 times)" in one.status.message
    assert one.status.steps[0].state is StepState.FAILED
    await operator.close()


async def test_on_failure_says_what_becomes_of_the_run_then():
    again = RunbookStep(name="again", restart={})
    place, operator = await broken(runbook("r", back(Retries(max=1, jitter=0), on_failure=StepFailure(go_to="again")), again))
    came = turned_away(place, 2)
    await run_until(operator, lambda: len(came) >= 3)
    assert [(one.name, one.state) for one in first(operator).status.steps][:1] == [("rollback", StepState.FAILED)]
    [(_, effect)] = place.cluster.effects
    assert effect.does == "the pods of deploy/checkout are being made anew"
    await operator.close()


@pytest.mark.parametrize("retries", [None, Retries(max=1, errors=(Transient.CONFLICT,))], ids=["none", "for another error"])
async def test_without_them_what_was_turned_away_unread_comes_back_by_itself_after_growing_waits(retries):
    place, operator = await broken(runbook("r", back(retries)))
    came = turned_away(place, 5)
    await run_until(operator, lambda: over(operator))
    assert (first(operator).status.outcome, len(came)) == (Outcome.REMEDIATED, 6)
    waits = gaps(came)
    assert waits[0] == 1
    assert all(least <= one <= least * 1.1 for one, least in zip(waits[1:], (2, 4, 8, 10), strict=True))
    assert first(operator).status.retrying is None
    await operator.close()


@pytest.mark.parametrize(("asked", "waits"), [(1.0, 5), (30.0, 1)], ids=["it says nothing", "it asks for 30 s"])
async def test_a_429_that_lasts_is_sent_within_timeout_seconds_a_few_times_as_the_server_wants(asked, waits):
    """Each try kept the time of the first one: else it would go on for as long as the run may take, as fast as it is answered."""
    place, operator = await broken(runbook("r", back(None)))
    came = turned_away(place, 9999, Retryable("429", delay=asked, transient=Transient.TOO_MANY_REQUESTS))
    await run_until(operator, lambda: over(operator))
    one = first(operator)
    assert one.status.outcome is Outcome.ABORTED
    assert waits <= len(gaps(came)) <= waits + 4
    assert min(gaps(came)) >= asked
    assert came[-1] - came[0] <= 60
    assert one.status.message == f"step rollback failed: its deadline passed after {len(came)} tries: 429"
    assert place.cluster.effects == []
    await operator.close()


async def test_what_the_run_did_before_a_429_that_lasts_is_taken_back_where_the_step_says_so():
    last = RESTART.model_copy(update={"on_failure": StepFailure(action=OnFailure.UNDO)})
    place, workload, operator = await rolled_out(book(MORE, last), seconds=0)
    intents: list[str] = []

    def gate(when: str, intent: str) -> None:
        if when == "before" and intent and intent not in intents:
            intents.append(intent)
        if when == "before" and len(intents) > 1 and intent == intents[1]:
            raise BUSY

    place.cluster.gate = gate
    await run_until(operator, lambda: over(operator))
    assert stands(operator) == [("more", StepState.APPLIED), ("restart", StepState.FAILED), ("undo/more", StepState.APPLIED)]
    assert workload.raw["spec"]["replicas"] == 3
    await operator.close()


async def test_a_429_to_what_takes_back_is_tried_until_it_is_taken_and_no_faster():
    odd = RunbookStep(name="odd", **{"assert": {"that": "target.ready > 100", "message": "it is odd"}}, on_failure=StepFailure(action="Undo"))
    place, workload, operator = await rolled_out(book(MORE, odd), seconds=0)
    start, came = place.clock.now(), []

    def gate(when: str, intent: str) -> None:
        if when == "before" and intent and place.cluster.effects:
            came.append((place.clock.now() - start).total_seconds())
            if len(came) <= 20:
                raise BUSY

    place.cluster.gate = gate
    await run_until(operator, lambda: over(operator), 300)
    assert stands(operator)[-1] == ("undo/more", StepState.APPLIED)
    assert workload.raw["spec"]["replicas"] == 3
    assert 100 <= came[19] - came[0] <= 200
    await operator.close()


async def test_nor_are_answers_that_are_lost_again_and_again_asked_for_as_fast_as_they_are_lost():
    place, operator = await broken(runbook("r", back(None)))
    came: list[float] = []
    start = place.clock.now()

    def gate(when: str, intent: str) -> None:
        if when == "before" and intent:
            came.append((place.clock.now() - start).total_seconds())
            place.cluster.lost_before = 1

    place.cluster.gate = gate
    await run_until(operator, lambda: over(operator))
    assert first(operator).status.message == "step rollback was not done before its deadline"
    waits = gaps(came)
    assert waits[0] == 0, "the second time at once"
    assert all(one >= 1 for one in waits[1:])
    assert len(came) < 15
    assert came[-1] - came[0] <= 60
    await operator.close()


async def test_a_restart_forgets_no_try_and_waits_for_the_same_instant():
    place, operator = await broken(runbook("r", back(Retries(max=2, initial_seconds=20, factor=1, jitter=100), timeout_seconds=300)))
    came = turned_away(place, 99)
    await run_until(operator, lambda: len(came) == 1)
    due = first(operator).status.retrying.next_time
    await operator.close()
    operator = Operator(place)
    operator.wake_all()
    await run_until(operator, lambda: len(came) == 2)
    assert timedelta() <= place.clock.now() - due <= timedelta(seconds=1)
    await operator.close()
    operator = Operator(place)
    operator.wake_all()
    await run_until(operator, lambda: over(operator))
    assert (first(operator).status.outcome, len(came)) == (Outcome.ABORTED, 3)
    await operator.close()


async def test_once_something_was_sent_it_is_never_given_up_as_failed_by_its_retries():
    """The first request gets no answer, and was not done: what comes after it may not be called a failure, because it may still arrive."""
    place, operator = await broken(runbook("r", back(Retries(max=1, jitter=0))))
    place.cluster.lost_before = 1
    came: list[int] = []

    def gate(when: str, intent: str) -> None:
        if when == "before" and intent:
            came.append(1)
            if 1 < len(came) <= 4:
                raise BUSY

    place.cluster.gate = gate
    await run_until(operator, lambda: over(operator))
    one = first(operator)
    assert (one.status.outcome, len(came), len(place.cluster.effects)) == (Outcome.REMEDIATED, 5, 1)
    assert one.status.steps[0].intent.tries == 5
    await operator.close()


async def test_a_request_that_was_given_up_for_lost_and_arrives_during_the_wait_is_seen_before_the_next_try():
    place, operator = await broken(runbook("r", back(Retries(max=5, jitter=0))))
    place.cluster.lost_before = 1
    sent: list[tuple[Effect, str]] = []
    real = place.cluster.apply

    async def recording(effect: Effect, intent: str, acting: Actor) -> Applied | NotApplied:
        sent.append((effect, intent))
        if len(sent) == 2:
            raise BUSY
        return await real(effect, intent, acting)

    place.cluster.apply = recording  # type: ignore[method-assign] # the fake's own: what went over the wire is kept
    await run_until(operator, lambda: first(operator).status.retrying is not None if operator.remediations else False)
    assert isinstance(place.cluster._do(*sent[0]), Applied)
    await run_until(operator, lambda: over(operator))
    one = first(operator)
    assert (one.status.outcome, one.status.steps[0].state) == (Outcome.REMEDIATED, StepState.APPLIED)
    assert len({intent for _, intent in sent if intent}) == 1
    assert len([1 for _, intent in sent if intent]) == 2, "it is not sent a third time"
    await operator.close()


async def test_a_question_is_asked_again_and_a_finding_is_not():
    ask = RunbookStep(name="ask", query={"promql": "up"}, retries=Retries(max=3, initial_seconds=5, jitter=0))
    place, operator = await broken(runbook("r", ask, back(None)))
    place.queries.values = [DOWN]
    await run_until(operator, lambda: bool(operator.remediations) and first(operator).status.retrying is not None)
    assert first(operator).status.started_time is None, "nothing was begun"
    place.queries.values = [QueryValue(value=1.0)]
    await run_until(operator, lambda: over(operator))
    assert first(operator).status.outcome is Outcome.REMEDIATED
    await operator.close()
    place, operator = await broken(runbook("r", ask, back(None)))
    place.queries.values = [QueryValue(missing="no series: the query found no data")]
    await run_until(operator, lambda: over(operator))
    one: Remediation = first(operator)
    assert (one.status.outcome, one.status.retrying) == (Outcome.ABORTED, None)
    assert "(tried" not in one.status.message
    await operator.close()


async def test_a_call_that_was_clearly_refused_is_made_again_although_it_leaves_no_trace():
    bot = RunbookStep(name="bot", call={"receiver": "ops"}, retries=Retries(max=2, initial_seconds=30, jitter=0), timeout_seconds=300)
    busy = NotApplied(reason="", message="receiver ops refused the call with 429", transient=Transient.TOO_MANY_REQUESTS)
    place, _, operator = await alerted(bot, RESTART, before=lambda place: setattr(place.calls, "answer", busy))
    assert (stands(operator), len(place.calls.got)) == ([("bot", StepState.INTENDED)], 1)
    operator.wake_all()
    await operator.run(1)
    assert stands(operator) == [("bot", StepState.INTENDED)], "it was surely not done: nothing has to be looked for"
    place.calls.answer = Applied(after={"status": "202"})
    await operator.run(40)
    assert stands(operator)[0] == ("bot", StepState.APPLIED)
    assert [intent for intent, _ in place.calls.got] == [place.calls.got[0][0]] * 2, "the same key"
    await operator.close()


async def test_a_person_who_changes_the_target_meanwhile_has_it_and_nothing_is_unknown():
    place, operator = await broken(runbook("r", back(Retries(max=3, initial_seconds=10, jitter=0))))
    came = turned_away(place, 99)
    await run_until(operator, lambda: len(came) == 1)
    place.cluster.set_image(next(iter(place.cluster.workloads.values())), "shop/app:3")
    await run_until(operator, lambda: over(operator))
    assert (first(operator).status.outcome, len(came), place.cluster.effects) == (Outcome.SUPERSEDED, 1, [])
    await operator.close()


async def test_a_hold_while_what_takes_back_waits_ends_the_run_and_leaves_the_rest_to_whoever_holds_it():
    odd = RunbookStep(name="odd", **{"assert": {"that": "target.ready > 100", "message": "it is odd"}}, on_failure=StepFailure(action="Undo"))
    place, workload, operator = await rolled_out(book(MORE, odd), seconds=0)
    came: list[str] = []

    def gate(when: str, intent: str) -> None:
        if when == "before" and intent and place.cluster.effects:
            came.append(intent)
            raise BUSY

    place.cluster.gate = gate
    await run_until(operator, lambda: len(came) == 3)
    hold(place, operator)
    await operator.run(2)
    status = first(operator).status
    assert (status.outcome, len(came), workload.raw["spec"]["replicas"]) == (Outcome.SUPERSEDED, 3, 5)
    assert status.message == "ana holds it: I am at it; not taken back: more"
    await operator.close()


async def test_a_hold_during_the_wait_ends_the_run_now_and_not_with_its_next_try():
    place, operator = await broken(runbook("r", back(Retries(max=3, initial_seconds=300, jitter=0), timeout_seconds=600)))
    came = turned_away(place, 99)
    await run_until(operator, lambda: len(came) == 1)
    hold(place, operator)
    await operator.run(3)
    status = first(operator).status
    assert (status.outcome, status.message, len(came)) == (Outcome.SUPERSEDED, "ana holds it: I am at it", 1)
    await operator.close()
