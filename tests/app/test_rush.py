"""Where many Incidents open at once, each stands there before another one is decided, and decisions don't wait for ever. In virtual time."""

from __future__ import annotations

import asyncio

from tests.app.test_pace import CHECKOUT, about, now, passes, started, taken_at
from tests.fakes.operator import Operator, Place
from tests.fakes.virtual import in_virtual_time

from prunella.api.incident import Incident
from prunella.app.incidents.pace import Pace
from prunella.app.incidents.rush import CALM, LONGEST
from prunella.app.keys import IncidentKey

APART = 0.02


def targets(count: int) -> list[str]:
    return [f"target-{number}" for number in range(count)]


async def opening(place: Place, operator: Operator, names: list[str]) -> list[float]:
    """One alert about each, one after the other; when they were answered."""
    bodies = []
    for name in names:
        bodies.append(asyncio.create_task(taken_at(operator, about(name))))
        await asyncio.sleep(APART)
    assert len(list(place.api.all(Incident))) == len(names), "each was made as it came"
    return await asyncio.gather(*bodies)


async def open_together(place: Place, operator: Operator, *names: str) -> list[asyncio.Task[None]]:
    """Alerts about these at one instant: each Incident is made, and none but the first may be decided yet."""
    wanted = len(list(place.api.all(Incident))) + len(names)
    bodies = [asyncio.create_task(operator.take(about(name))) for name in names]
    for _ in range(1000):
        if len(list(place.api.all(Incident))) == wanted:
            return bodies
        await asyncio.sleep(0)  # no time goes by
    raise AssertionError("the Incidents were not made")


def test_first_decisions_wait_until_none_opens_any_more():
    async def main() -> None:
        place, operator = await started(*targets(10))
        first, *others = await opening(place, operator, targets(10))
        assert round(first, 3) == 0, "one that opens alone is decided at once"
        assert {round(at, 3) for at in others} == {round(9 * APART + CALM, 3)}
        await operator.close()

    in_virtual_time(main())


def test_a_rush_without_an_end_holds_them_up_for_half_a_second():
    async def main() -> None:
        place, operator = await started(*targets(60))
        answered = await opening(place, operator, targets(60))
        during = [round(at, 3) for at in answered[1:] if at < 60 * APART]
        assert min(during) == LONGEST
        assert all(round(at - number * APART, 3) <= LONGEST for number, at in enumerate(answered))
        await operator.close()

    in_virtual_time(main())


def test_what_the_watch_tells_of_a_new_incident_is_looked_at_after_the_rush():
    async def main() -> None:
        place, operator = await started(*targets(3))
        bodies = await open_together(place, operator, *targets(3))
        before = passes(place)
        made = [IncidentKey("shop", one.metadata.name) for one in place.api.all(Incident)]
        for key in made:
            await operator.reconciler.reconcile(key)
        assert passes(place) == before
        assert set(made) <= set(operator.timers), "none is forgotten"
        await asyncio.gather(*bodies)
        await operator.close()

    in_virtual_time(main())


def test_one_that_was_decided_before_is_decided_for_any_other_reason_during_a_rush():
    async def main() -> None:
        place, operator = await started(CHECKOUT, *targets(3))
        await operator.take(about(CHECKOUT))
        known = IncidentKey("shop", operator.incident.metadata.name)
        await asyncio.sleep(10)
        bodies = await open_together(place, operator, *targets(3))
        waiting = asyncio.create_task(taken_at(operator, about(CHECKOUT, "More")))
        await asyncio.sleep(0.001)
        before, began = passes(place), now()
        assert not waiting.done(), "for nothing but alerts nobody is decided now"
        await operator.reconciler.reconcile(known)
        assert (passes(place) - before, now()) == (1, began)
        assert await waiting == began, "what waited was taken along"
        await asyncio.gather(*bodies)
        await operator.close()

    in_virtual_time(main())


def test_after_a_restart_who_was_decided_before_waits_for_no_rush():
    async def main() -> None:
        place, operator = await started(CHECKOUT, *targets(3))
        await operator.take(about(CHECKOUT))
        known = IncidentKey("shop", operator.incident.metadata.name)
        await operator.close()
        operator = Operator(place, pace=Pace())
        bodies = await open_together(place, operator, *targets(3))
        before, began = passes(place), now()
        await operator.reconciler.reconcile(known)
        assert (passes(place) - before, now()) == (1, began)
        await asyncio.gather(*bodies)
        await operator.close()

    in_virtual_time(main())
