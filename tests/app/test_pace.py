"""Alerts that come faster than an Incident can be decided share its decisions; nobody is answered before his are stored. In virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tests.app.test_intake import alert
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.virtual import in_virtual_time

from prunella.api.incident import Incident
from prunella.api.names import SignalState
from prunella.app.errors import Conflict, Retryable
from prunella.app.incidents.pace import AT_ONCE, LONGEST, TURN, Pace
from prunella.app.incidents.rush import CALM
from prunella.app.keys import IncidentKey

CHECKOUT = "checkout"


def now() -> float:
    return asyncio.get_running_loop().time()


async def started(*names: str) -> tuple[Place, Operator]:
    """An operator that paces, beside these healthy Deployments."""
    place = shop()
    for name in names or (CHECKOUT,):
        place.cluster.create(name=name)
    operator = Operator(place, pace=Pace())
    await operator.run(1)
    return place, operator


def about(target: str, name: str = "HighErrors", state: str = "firing", **changes):
    return alert(name, state, labels={"namespace": "shop", "deployment": target}, **changes)


def passes(place: Place) -> int:
    return sum(name == "reconcile_duration_seconds" for name, _ in place.telemetry.seen)


def names_on(incident: Incident) -> list[str]:
    return sorted(signal.labels["alertname"] for signal in incident.status.signals)


async def taken_at(operator: Operator, *alerts) -> float:
    """When a body was answered with 200."""
    await operator.take(*alerts)
    return now()


def test_a_new_incident_is_decided_at_once():
    async def main() -> None:
        _, operator = await started()
        assert await taken_at(operator, about(CHECKOUT)) == 0
        assert operator.incident.status.phase is not None
        await operator.close()

    in_virtual_time(main())


def test_what_comes_a_moment_later_waits_for_the_turn_and_is_stored_by_one_decision():
    async def main() -> None:
        place, operator = await started()
        await operator.take(about(CHECKOUT))
        before = passes(place)
        answered = await asyncio.gather(*(taken_at(operator, about(CHECKOUT, f"Errors{number}")) for number in range(20)))
        assert {round(at, 3) for at in answered} == {TURN}
        assert passes(place) - before == 1
        assert len(operator.incident.status.signals) == 21
        await operator.close()

    in_virtual_time(main())


@pytest.mark.parametrize(("count", "seconds"), [(2, 2 * TURN), (10, 10 * TURN), (60, LONGEST)])
def test_incidents_that_alerts_come_in_for_share_the_turns(count, seconds):
    async def main() -> None:
        targets = [f"target-{number}" for number in range(count)]
        place, operator = await started(*targets)
        first = await asyncio.gather(*(taken_at(operator, about(target)) for target in targets))
        second = await asyncio.gather(*(taken_at(operator, about(target, "More")) for target in targets))
        assert {round(at, 3) for at in first} == {CALM}, "they opened together"
        assert {round(at, 3) for at in second} == {round(CALM + seconds, 3)}
        assert [len(one.status.signals) for one in place.api.all(Incident)] == [2] * count
        await operator.close()

    in_virtual_time(main())


def test_an_incident_that_had_no_turn_lately_has_it_at_once_however_many_others_wait():
    async def main() -> None:
        targets = [f"target-{number}" for number in range(30)]
        _, operator = await started(CHECKOUT, *targets)
        await operator.take(about(CHECKOUT))
        await asyncio.sleep(LONGEST)
        await asyncio.gather(*(operator.take(about(target)) for target in targets))
        others = [asyncio.create_task(operator.take(about(target, "More"))) for target in targets]
        await asyncio.sleep(0.1)
        began = now()
        assert await taken_at(operator, about(CHECKOUT, "More")) == began
        assert not any(one.done() for one in others)
        await asyncio.gather(*others)
        await operator.close()

    in_virtual_time(main())


def test_a_decision_for_another_reason_is_not_delayed_and_takes_along_what_waits():
    async def main() -> None:
        place, operator = await started()
        await operator.take(about(CHECKOUT))
        before = passes(place)
        waiting = asyncio.create_task(taken_at(operator, about(CHECKOUT, "Other")))
        await asyncio.sleep(0.01)
        await operator.reconciler.reconcile(IncidentKey("shop", operator.incident.metadata.name))
        assert round(now(), 3) == 0.01
        assert round(await waiting, 3) == 0.01
        assert passes(place) - before == 1
        assert names_on(operator.incident) == ["HighErrors", "Other"]
        await operator.close()

    in_virtual_time(main())


def test_a_resolve_that_comes_within_the_same_wait_is_judged_after_its_firing():
    async def main() -> None:
        place, operator = await started()
        await operator.take(about(CHECKOUT))
        place.clock.advance(30)
        before = passes(place)
        firing = asyncio.create_task(operator.take(about(CHECKOUT, "Short", starts=1)))
        await asyncio.sleep(0.01)
        await asyncio.gather(firing, operator.take(about(CHECKOUT, "Short", "resolved", starts=1, ends=20)))
        assert passes(place) - before == 1
        [short] = [signal for signal in operator.incident.status.signals if signal.labels["alertname"] == "Short"]
        assert (short.state, short.count) == (SignalState.RESOLVED, 1)
        await operator.close()

    in_virtual_time(main())


def test_what_somebody_else_writes_meanwhile_is_read_and_loses_no_alert():
    async def main() -> None:
        place, operator = await started()
        await operator.take(about(CHECKOUT))
        name = operator.incident.metadata.name
        conflicts = []

        def edit(when: str, verb: str, what: str) -> None:
            if (when, verb) == ("before", "update status") and not conflicts:
                conflicts.append(what)
                raise Conflict("somebody wrote first")

        waiting = [asyncio.create_task(taken_at(operator, about(CHECKOUT, f"Errors{number}"))) for number in range(3)]
        await asyncio.sleep(0.01)
        place.api.annotate("Incident", "shop", name, seen="by-ana")
        place.api.gate = edit
        assert {round(at, 3) for at in await asyncio.gather(*waiting)} == {TURN}
        assert conflicts == [f"Incident/{name}"]
        assert names_on(operator.incident) == ["Errors0", "Errors1", "Errors2", "HighErrors"]
        assert operator.incident.metadata.annotations == {"seen": "by-ana"}
        await operator.close()

    in_virtual_time(main())


def outcomes(results: Sequence[BaseException | None]) -> tuple[int, int]:
    """How many were stored and how many have to be sent again."""
    assert all(one is None or isinstance(one, Retryable) for one in results)
    return sum(one is None for one in results), sum(one is not None for one in results)


def test_where_a_decision_could_not_be_stored_one_body_is_told_and_the_others_have_the_next_turn():
    async def main() -> None:
        place, operator = await started()
        await operator.take(about(CHECKOUT))

        def down_once(when: str, verb: str, what: str) -> None:
            if verb == "update status":
                place.api.gate = lambda *_: None
                raise Retryable("the API server answered 503")

        place.api.gate = down_once
        bodies = (operator.take(about(CHECKOUT, f"Errors{number}")) for number in range(3))
        assert outcomes(await asyncio.gather(*bodies, return_exceptions=True)) == (2, 1)
        assert round(now(), 3) == 2 * TURN
        assert len(names_on(operator.incident)) == 4
        await operator.close()

    in_virtual_time(main())


def test_a_body_whose_handling_is_given_up_takes_nobody_elses_turn():
    async def main() -> None:
        _, operator = await started()
        await operator.take(about(CHECKOUT))
        given_up, kept = (asyncio.create_task(operator.take(about(CHECKOUT, name))) for name in ("GivenUp", "Kept"))
        await asyncio.sleep(0.01)
        given_up.cancel()
        await kept
        assert round(now(), 3) == TURN
        assert "Kept" in names_on(operator.incident)
        await operator.close()

    in_virtual_time(main())


def test_who_waits_when_the_incident_is_deleted_has_to_send_it_again():
    async def main() -> None:
        place, operator = await started()
        await operator.take(about(CHECKOUT))
        bodies = [asyncio.create_task(operator.take(about(CHECKOUT, f"Errors{number}"))) for number in range(3)]
        await asyncio.sleep(0.01)
        place.api.delete("Incident", "shop", operator.incident.metadata.name)
        assert outcomes(await asyncio.gather(*bodies, return_exceptions=True)) == (0, 3)
        assert round(now(), 3) == TURN
        await operator.close()

    in_virtual_time(main())


def test_a_process_that_ends_answers_at_once_who_waits_and_who_comes():
    async def main() -> None:
        _, operator = await started()
        await operator.take(about(CHECKOUT))
        bodies = [asyncio.create_task(operator.take(about(CHECKOUT, f"Errors{number}"))) for number in range(3)]
        await asyncio.sleep(0.01)
        await operator.reconciler.park()
        assert outcomes(await asyncio.gather(*bodies, return_exceptions=True)) == (0, 3)
        with pytest.raises(Retryable, match="this process is ending"):
            await operator.take(about(CHECKOUT, "Late"))
        assert round(now(), 3) == 0.01
        assert names_on(operator.incident) == ["HighErrors"]
        await operator.close()

    in_virtual_time(main())


class Deciding:
    """What a turn is for: takes a second, and counts how many are under way."""

    def __init__(self) -> None:
        self.under_way = self.most = self.done = 0

    async def __call__(self) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await asyncio.sleep(1)
        self.under_way -= 1
        self.done += 1


def keys(count: int) -> list[IncidentKey]:
    return [IncidentKey("shop", f"incident-{number}") for number in range(count)]


def test_of_many_new_incidents_only_so_many_are_decided_at_once():
    async def main() -> None:
        pace, deciding = Pace(), Deciding()
        await asyncio.gather(*(pace.decide(key, asyncio.Lock(), lambda: False, deciding) for key in keys(3 * AT_ONCE)))
        assert (deciding.most, deciding.done) == (AT_ONCE, 3 * AT_ONCE)
        assert now() == 3

    in_virtual_time(main())


def test_who_waits_for_a_decision_that_is_under_way_holds_up_no_other_incident():
    async def main() -> None:
        pace, deciding, busy = Pace(), Deciding(), asyncio.Lock()
        await busy.acquire()
        held = [asyncio.create_task(pace.decide(key, busy, lambda: False, deciding)) for key in keys(AT_ONCE)]
        await asyncio.sleep(0)
        await pace.decide(IncidentKey("shop", "another"), asyncio.Lock(), lambda: False, deciding)
        assert (now(), deciding.done) == (1, 1)
        busy.release()
        await asyncio.gather(*held)
        assert deciding.done == AT_ONCE + 1

    in_virtual_time(main())


def test_of_those_who_wait_for_one_incident_only_one_stands_in_the_way_of_others():
    async def main() -> None:
        pace, deciding, lock = Pace(), Deciding(), asyncio.Lock()
        elsewhere = [asyncio.create_task(pace.decide(key, asyncio.Lock(), lambda: False, deciding)) for key in keys(AT_ONCE)]
        await asyncio.sleep(0)
        one, another = IncidentKey("shop", "one"), IncidentKey("shop", "another")
        crowd = [asyncio.create_task(pace.decide(one, lock, lambda: deciding.done > AT_ONCE, deciding)) for _ in range(50)]
        await asyncio.sleep(0)
        await pace.decide(another, asyncio.Lock(), lambda: False, deciding)
        assert now() == 2
        await asyncio.gather(*elsewhere, *crowd)
        assert (now(), deciding.done) == (2, AT_ONCE + 2)

    in_virtual_time(main())


def test_what_was_stored_while_it_waited_for_a_place_is_not_decided_once_more():
    async def main() -> None:
        pace, deciding, stored = Pace(), Deciding(), False
        elsewhere = [asyncio.create_task(pace.decide(key, asyncio.Lock(), lambda: False, deciding)) for key in keys(AT_ONCE)]
        await asyncio.sleep(0)
        waiting = asyncio.create_task(pace.decide(IncidentKey("shop", "one"), asyncio.Lock(), lambda: stored, deciding))
        await asyncio.sleep(0.5)
        stored = True
        await asyncio.gather(waiting, *elsewhere)
        assert (now(), deciding.done) == (1, AT_ONCE)

    in_virtual_time(main())
