"""Sources of alerts that are silent: it is told when it has lasted for 600 s, and not claimed by a process that has only begun to listen."""

from __future__ import annotations

import pytest
from tests.app.test_intake import alert, written
from tests.fakes.operator import Operator, Place, shop

TOLD = ("True", "SourceUnreachable")
UNTOLD = ("", "")


@pytest.fixture
def place():
    made = shop(namespace_mode="Observe")
    made.cluster.create()
    return made


async def alerted(place: Place) -> Operator:
    """An Incident that an alert opened."""
    operator = Operator(place)
    await operator.take(alert())
    return operator


async def told_after(seconds: float, operator: Operator) -> None:
    """It is told then, and not a second earlier."""
    await operator.run(seconds - 1)
    assert operator.condition("SourceUnreachable") == UNTOLD
    await operator.run(1)
    assert operator.condition("SourceUnreachable") == TOLD


async def test_the_silence_is_told_at_the_instant_at_which_it_has_lasted_for_ten_minutes(place):
    operator = await alerted(place)
    await told_after(600, operator)
    await operator.close()


async def test_each_word_of_a_source_puts_it_off(place):
    operator = await alerted(place)
    await operator.run(400)
    await operator.take(alert())
    await told_after(600, operator)
    await operator.close()


async def test_a_process_that_has_just_started_does_not_claim_to_have_listened_for_ten_minutes(place):
    await (await alerted(place)).close()
    place.clock.advance(3600)
    again = Operator(place)
    await again.run(1)
    writes = written(place, "update status")
    again.wake_all()
    await again.run(30)
    assert (again.condition("SourceUnreachable"), written(place, "update status")) == (UNTOLD, writes)
    await told_after(569, again)
    await again.close()


async def test_a_restart_leaves_a_silence_that_was_told_as_it_is_until_a_source_speaks(place):
    operator = await alerted(place)
    await operator.run(601)
    await operator.close()
    place.clock.advance(3600)
    again = Operator(place)
    await again.run(10)
    assert again.condition("SourceUnreachable") == TOLD
    place.alertmanager.listed = {}
    await again.intake.polled(await again.gatherer.poll())
    await again.run(1)
    assert again.condition("SourceUnreachable") == UNTOLD
    await again.close()


async def test_a_clock_that_was_put_back_does_not_put_the_silence_off_for_longer(place):
    operator = await alerted(place)
    place.clock.advance(-3600)
    await operator.run(1)
    operator.wake_all()
    await operator.run(600)
    assert operator.condition("SourceUnreachable") == TOLD
    await operator.close()
