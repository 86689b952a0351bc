"""A status was stored and the answer got lost: what it took in is told and counted once, by a leader as by a standby."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
from tests.app.test_intake import alert
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped
from tests.fakes.tenure import Sole

from prunella.api.incident import Incident
from prunella.app.errors import OutcomeUnknown, Retryable


@pytest.fixture
def place() -> Place:
    made = shop(shipped())
    made.cluster.create()
    return made


@pytest.fixture
async def leader(place: Place) -> AsyncIterator[Operator]:
    made = Operator(place)
    await made.run(30)
    yield made
    await made.close()


@contextmanager
def no_answer(place: Place, times: int = 1, when: str = "after") -> Iterator[list[str]]:
    """So many writes of an Incident's status get no answer; `after` they were stored, or `before` that."""
    lost: list[str] = []

    def gate(at: str, verb: str, what: str) -> None:
        if (at, verb) == (when, "update status") and what.startswith("Incident/") and len(lost) < times:
            lost.append(what)
            raise OutcomeUnknown("no answer within 10 s")

    place.api.gate = gate
    yield lost
    place.api.gate = lambda _when, _verb, _what: None
    assert len(lost) == times, "it happened"


def counts(place: Place) -> dict[str, int]:
    return {one.labels["alertname"]: one.count for one in place.api.one(Incident).status.signals}


@pytest.mark.parametrize("when", ["before", "after"])
async def test_repeats_whose_write_got_no_answer_are_counted_once(place, leader, when):
    await leader.take(alert())
    await leader.run(15)
    with no_answer(place, when=when):
        for _ in range(5):
            await leader.take(alert())
        await leader.run(30)
    assert counts(place) == {"HighErrors": 6}


async def test_what_came_in_after_the_write_that_got_no_answer_is_counted_too(place, leader):
    await leader.take(alert())
    await leader.run(15)
    with no_answer(place):
        await leader.take(alert())
        with pytest.raises(Retryable, match="no answer"):
            await leader.take(alert("Slow"))  # news: written at once, with the repeat
        await leader.take(alert("Slow"))  # it was answered with 503, and is sent again
        await leader.take(alert())
    await leader.run(30)
    assert counts(place) == {"HighErrors": 3, "Slow": 2}


async def test_an_alert_that_is_sent_again_until_it_is_stored_is_one_delivery(place, leader):
    await leader.take(alert())
    with no_answer(place, times=3, when="before"):
        for _ in range(3):
            with pytest.raises(Retryable, match="no answer"):
                await leader.take(alert("Slow"))
        await leader.take(alert("Slow"))
    await leader.run(30)
    assert counts(place) == {"HighErrors": 1, "Slow": 1}


async def test_an_alert_that_was_refused_and_is_not_sent_again_is_stored_all_the_same(place, leader):
    await leader.take(alert())
    with no_answer(place, when="before"), pytest.raises(Retryable, match="no answer"):
        await leader.take(alert("Slow"))
    await leader.run(30)
    assert counts(place) == {"HighErrors": 1, "Slow": 1}
    assert all(not mail.alerts and not mail.refused for mail in leader.reconciler._mail.values())


async def test_what_was_recognised_as_stored_is_recognised_once(place, leader):
    """The decision after it fails too, and by then more has come in."""
    await leader.take(alert())
    await leader.run(15)
    with no_answer(place), pytest.raises(Retryable, match="no answer"):
        await leader.take(alert("Slow"))
    real, failed = leader.gatherer.world, []

    async def world(*args, **kwargs):
        if not failed:
            failed.append(1)
            raise Retryable("the policy could not be read")
        return await real(*args, **kwargs)

    leader.gatherer.world = world  # type: ignore[method-assign] # fails once
    with pytest.raises(Retryable, match="policy"):
        await leader.take(alert("Full"))
    await leader.run(30)
    assert failed
    assert counts(place) == {"HighErrors": 1, "Slow": 1, "Full": 1}


async def test_its_story_is_told_and_its_numbers_are_counted_once(place, leader):
    with no_answer(place):
        with pytest.raises(Retryable, match="no answer"):
            await leader.take(alert())
        await leader.run(30)
    assert [event.reason for event in place.api.events].count("Opened") == 1
    assert place.telemetry.counted("incidents_opened_total", priority="P3", source="Alertmanager") == 1


async def test_what_somebody_wrote_over_it_is_no_answer(place, leader):
    """The repeat may be counted twice then: nothing of it is ever lost."""
    await leader.take(alert())
    await leader.run(15)
    with no_answer(place), pytest.raises(Retryable, match="no answer"):
        await leader.take(alert("Slow"))
    one = place.api.one(Incident)
    await place.api.put_incident_status(one.model_copy(update={"status": one.status.model_copy(update={"summary": "written by another"})}))
    await leader.run(30)
    assert counts(place)["Slow"] >= 1


@pytest.mark.parametrize("when", ["before", "after"])
async def test_repeats_at_a_standby_whose_write_got_no_answer_are_counted_once(place, leader, when):
    await leader.take(alert())
    await leader.run(15)
    standby = Operator(place, Sole(leads=False))
    for _ in range(5):
        await standby.take(alert())
    [key] = standby.recorder._posts
    with no_answer(place, when=when):
        await standby.recorder._flush(key)
    assert counts(place) == {"HighErrors": 6 if when == "after" else 1}
    await standby.take(alert())
    await standby.recorder.close()
    assert counts(place) == {"HighErrors": 7}
    assert standby.recorder._posts == {}
    await standby.close()


async def test_a_body_that_waited_with_the_one_whose_answer_was_lost_is_kept(place, leader):
    await leader.take(alert())
    await leader.run(15)
    standby = Operator(place, Sole(leads=False))
    await standby.take(alert())
    with no_answer(place), pytest.raises(Retryable, match="no answer"):
        await standby.take(alert("Slow"))
    await standby.take(alert("Slow"))
    await standby.recorder.close()
    assert counts(place) == {"HighErrors": 2, "Slow": 2}
    await standby.close()
