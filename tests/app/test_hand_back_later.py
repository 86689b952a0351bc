"""A claim that could not be taken off when its run ended is taken off later: after a restart, an outage, a pause; once, and nothing follows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from tests.fakes.operator import Operator, Place

from prunella.api.names import Outcome
from prunella.api.remediation import Remediation
from prunella.app.errors import OutcomeUnknown, Retryable
from prunella.app.runs.claims import Claims

from .test_changed_midway import MORE, RESTART
from .test_heals import rolled_out
from .test_once_only import Killed
from .test_runs import book


async def aborts(error: Exception) -> tuple[Place, Any, Operator]:
    """A run whose second step is refused; then, each time that a claim is to be taken off, this happens."""
    place, workload, operator = await rolled_out(book(MORE, RESTART), seconds=0)

    def fails(when: str, intent: str) -> None:
        if not intent and when == "before":
            raise error

    def forbids(when: str, _intent: str) -> None:
        if when == "after":
            place.cluster.gate = fails
            place.cluster.forbidden.add(("patch", "deployments"))

    place.cluster.gate = forbids
    return place, workload, operator


def works_again(place: Place) -> None:
    place.cluster.gate = lambda _when, _intent: None


def ended(place: Place) -> Remediation:
    [one] = place.api.all(Remediation)
    assert one.status.outcome is Outcome.ABORTED, one.status.message
    return one


def claimed(workload: Any) -> bool:
    return any(one["manager"] == "prunella" for one in workload.raw["metadata"]["managedFields"])


@pytest.mark.parametrize("error", [Killed("here"), Retryable("429"), OutcomeUnknown("no answer")], ids=["died", "turned away", "no answer"])
async def test_a_claim_that_stands_when_the_run_has_ended_is_taken_off_later(error):
    place, workload, operator = await aborts(error)
    if isinstance(error, Killed):
        with pytest.raises(Killed):
            await operator.run(60)
        await operator.close()
        works_again(place)
        assert (claimed(workload), ended(place).status.claim_time is not None) == (True, True)
        operator = Operator(place)
    else:
        await operator.run(60)
        assert (claimed(workload), ended(place).status.claim_time is not None) == (True, True)
        works_again(place)
    await operator.run(150)
    assert (claimed(workload), ended(place).status.claim_time, place.cluster.hand_backs) == (False, None, 1)
    place.api.writes.clear()
    await operator.run(900)
    assert [one for one in place.api.writes if one.kind == "Remediation"] == [], "that is all"
    assert len(place.cluster.effects) == 1
    await operator.close()


async def test_what_was_taken_off_before_its_record_was_stored_is_looked_at_once_more():
    place, workload, operator = await aborts(Killed("here"))
    with pytest.raises(Killed):
        await operator.run(60)
    await operator.close()
    workload.raw["metadata"]["managedFields"] = []
    works_again(place)
    operator = Operator(place)
    await operator.run(70)
    assert (ended(place).status.claim_time, place.cluster.hand_backs) == (None, 0)
    await operator.close()


async def test_while_the_kill_switch_is_on_a_claim_stays():
    place, workload, operator = await aborts(Retryable("429"))
    await operator.run(60)
    works_again(place)
    place.policy(pauses=({"name": "freeze", "reason": "year end"},))
    await operator.run(600)
    assert (claimed(workload), ended(place).status.claim_time is not None) == (True, True)
    place.policy()
    await operator.run(60)
    assert (claimed(workload), ended(place).status.claim_time) == (False, None)
    await operator.close()


async def test_what_is_never_taken_is_tried_less_and_less_and_given_up_after_a_day():
    place, _, operator = await aborts(Retryable("429"))
    await operator.run(60)
    tries = 0

    def counts(when: str, intent: str) -> None:
        nonlocal tries
        tries += when == "before" and not intent
        raise Retryable("429")

    place.cluster.gate = counts
    looks = Claims(place.view, place.api, place.cluster, place.cluster, place.clock, "prunella-system")
    written = len(place.api.writes)
    end = place.clock.now() + timedelta(days=3)
    while place.clock.now() < end:
        await looks.look()
        place.clock.advance(60)
    assert 24 <= tries <= 36
    assert len(place.api.writes) == written
    await operator.close()


async def test_a_run_that_ends_as_it_should_says_so_in_the_write_that_ends_it():
    place, workload, operator = await rolled_out(seconds=16)
    [attempt] = place.api.all(Remediation)
    assert attempt.status.claim_time == attempt.status.effect_time, "since its effect"
    await operator.run(60)
    [attempt] = place.api.all(Remediation)
    assert (attempt.status.outcome, attempt.status.claim_time, claimed(workload)) == (Outcome.REMEDIATED, None, False)
    assert place.cluster.hand_backs == 1
    await operator.close()
