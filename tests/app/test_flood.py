"""A flood of alerts with ever new names: the store stays small, nobody else's alert suffers, and none is lost."""

from __future__ import annotations

import asyncio

import pytest
from tests.app.test_intake import alert
from tests.fakes.operator import Operator, Place, shop

from prunella.api.incident import Incident
from prunella.app.around import flood


@pytest.fixture
async def place():
    made = shop()
    made.cluster.create()
    made.cluster.namespace_of("other")
    return made


@pytest.fixture
async def operator(place: Place):
    one = Operator(place)
    await one.run(1)
    yield one
    await one.close()


def names(count: int, namespace: str = "shop", **more):
    return [alert(f"Flood{number}", labels={"namespace": namespace}, **more) for number in range(count)]


def targets(place: Place, namespace: str = "shop") -> list[str]:
    return [one.spec.target_ref.name for one in place.api.all(Incident) if one.metadata.namespace == namespace]


@pytest.mark.parametrize("stale", [False, True], ids=["seen at once", "the watch lags"])
async def test_what_is_beyond_the_limit_of_a_namespace_stands_on_one_incident(place, operator, stale):
    if stale:
        place.view.go_stale()
    await operator.take(*names(70))
    if stale:
        place.view.catch_up()
    await operator.run(1)
    assert len(targets(place)) == flood.PER_NAMESPACE + 1
    together = next(one for one in place.api.all(Incident) if one.spec.target_ref.name == flood.NAME)
    assert len(together.status.signals) == 20
    note = together.spec.source.signal.target_note
    assert note.startswith(
        "told together with others: there are more than 50 Incidents of alerts without a workload in shop, or 500 in the cluster; "
    )
    await operator.take(*names(1, "other"), alert(labels={"namespace": "shop", "deployment": "checkout"}))
    assert targets(place, "other") == ["flood0"], "another namespace has room"
    assert "checkout" in targets(place), "a workload has its own Incident always"


async def test_a_body_whose_incidents_are_all_made_at_the_same_time_keeps_to_the_limit_too(place, operator):
    real = place.api.create_incident

    async def slow(incident):
        await asyncio.sleep(0)
        return await real(incident)

    place.api.create_incident = slow
    await operator.take(*names(70))
    assert len(targets(place)) == flood.PER_NAMESPACE + 1
    place.api.create_incident = real
    await operator.take(*names(70, state="resolved", ends=0))
    await operator.run(3600)
    await operator.take(alert("New", labels={"namespace": "shop"}, starts=3600))
    assert "new" in targets(place), "what came to nothing or to an end takes no place"


async def test_a_repetition_opens_nothing_and_it_is_over_when_all_of_them_are(place, operator):
    await operator.take(*names(70))
    place.clock.advance(1)
    await operator.take(*names(70))
    assert len(targets(place)) == flood.PER_NAMESPACE + 1
    place.clock.advance(60)
    await operator.take(*names(70, state="resolved", ends=50))
    together = next(one for one in place.api.all(Incident) if one.spec.target_ref.name == flood.NAME)
    assert {(signal.state.value, signal.count) for signal in together.status.signals} == {("Resolved", 2)}


async def test_an_alert_that_is_told_together_with_others_stays_there_when_there_is_room_again(place, operator):
    await operator.take(*names(70))
    place.clock.advance(60)
    await operator.take(*names(30, state="resolved", ends=50))
    await operator.run(3600)
    await operator.take(*names(70)[50:])
    assert len(targets(place)) == flood.PER_NAMESPACE + 1
    await operator.take(*names(70, state="resolved", ends=3600)[50:])
    together = next(one for one in place.api.all(Incident) if one.spec.target_ref.name == flood.NAME)
    assert {(signal.state.value, signal.count) for signal in together.status.signals} == {("Resolved", 2)}


async def test_the_cluster_has_a_limit_too(place, operator):
    for number in range(12):
        place.cluster.namespace_of(f"n{number}")
        await operator.take(*names(45, f"n{number}"))
    made = place.api.all(Incident)
    assert len(made) == flood.PER_CLUSTER + len({one.metadata.namespace for one in made if one.spec.target_ref.name == flood.NAME})
