"""Twins over fakes: with a protection taken out the same story goes wrong, or the tests of it show nothing (faults 7, 12, 24, 30, 33–36)."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace
from typing import Any

import pytest
from tests.app.test_brake import stormy
from tests.app.test_intake import alert
from tests.app.test_live_refusals import CHANGES, about_to
from tests.app.test_once_only import broken, restart
from tests.app.test_standby import Two
from tests.fakes.api import FakeApi
from tests.fakes.operator import Operator, shop
from tests.faults import unprotected

from prunella.api.incident import Incident
from prunella.api.names import Outcome
from prunella.app.runs.once import Once
from prunella.core.healing.guards import guards, history
from prunella.core.healing.runbooks import plan
from prunella.core.incident import correlate

BOTH = pytest.mark.parametrize("protected", [True, False], ids=["protected", "twin"])


@BOTH
async def test_what_a_second_writer_stored_meanwhile_stands_because_only_what_was_read_is_replaced(protected, monkeypatch):
    """Fault 7: the leader has decided, and before it writes a standby keeps an alert on the same Incident."""
    if not protected:
        monkeypatch.setattr(FakeApi, "_replace", FakeApi._write_over)
    two = Two()
    await two.run(30)
    await two.leader.take(alert())
    await two.run(3)
    real, crossed = two.place.api.put_incident_status, [False]

    async def put(one):
        if not crossed[0]:
            crossed[0] = True
            await two.standby.take(alert("Slow"))
        return await real(one)

    two.place.api.put_incident_status = put  # type: ignore[method-assign] # the fake's own
    await two.leader.take(alert("Late"))
    await two.run(15)
    assert crossed == [True]
    names = {one.labels["alertname"] for one in two.place.api.one(Incident).status.signals}
    assert names == {"HighErrors", "Late"} | ({"Slow"} if protected else set())
    await two.close()


@BOTH
async def test_of_two_that_hear_of_a_fault_at_once_one_opens_its_incident_because_both_choose_the_same_name(protected, monkeypatch):
    """Faults 12 and 30."""
    if not protected:
        named = correlate.incident_name
        monkeypatch.setattr(correlate, "incident_name", lambda *asked: f"{named(*asked)}{secrets.token_hex(2)}")
    place = shop()
    place.cluster.create()
    both = (Operator(place), Operator(place))
    place.view.go_stale()
    await asyncio.gather(*(one.intake.alerts([alert()], place.clock.now(), 0) for one in both))
    assert len(place.api.all(Incident)) == (1 if protected else 2)
    for one in both:
        await one.close()


async def test_who_keeps_no_intent_acts_although_nothing_can_be_stored(monkeypatch):
    """Fault 24. The protected one is `test_an_intent_that_cannot_be_stored_is_not_executed`."""

    async def kept_in_mind(_: Once, remediation: Any) -> Any:
        return remediation

    monkeypatch.setattr(Once, "_put", kept_in_mind)
    place, _, operator = await broken()
    await operator.run(20)
    assert place.cluster.effects != []
    await operator.close()


@BOTH
async def test_a_target_that_is_made_anew_in_the_last_moment_is_not_hit_because_the_request_insists_on_its_uid(protected):
    """Fault 33."""
    place, workload, operator = await broken()
    real = place.cluster.apply

    async def insisting_on_nothing(effect, intent_id, acting):
        target = effect.target.model_copy(update={"uid": None})
        free = tuple(one for one in effect.operations if one["op"] != "test")
        return await real(replace(effect, target=target, operations=free), intent_id, acting)

    def made_anew(when: str, intent: str) -> None:
        place.cluster.gate = lambda _when, _intent: None
        place.cluster.remove(workload)
        place.cluster.set_image(place.cluster.create(), "shop/app:2")

    if not protected:
        place.cluster.apply = insisting_on_nothing  # type: ignore[method-assign] # the fake's own
    place.cluster.gate = made_anew
    await operator.run(14)
    assert len(place.cluster.effects) == (0 if protected else 1)
    if protected:
        assert operator.remediations[0].status.outcome is Outcome.STALE
    await operator.close()


async def test_without_the_brake_a_storm_is_met_with_rollbacks(monkeypatch):
    """Fault 34. The protected one is `test_r38_an_outage_that_hits_five_workloads_is_one_storm_and_no_rollback`."""
    monkeypatch.setattr(guards, "GUARDS", tuple(one for one in guards.GUARDS if one[0] != "Storm"))
    place, _, operator = await stormy()
    assert place.cluster.effects != []
    await operator.close()


@BOTH
async def test_what_did_not_help_is_not_tried_again_because_the_breaker_opens(protected, monkeypatch):
    """Fault 35."""
    if not protected:
        monkeypatch.setattr(history, "breaker", lambda *_: None)
    place = shop(restart())
    workload = place.cluster.create()
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    place.cluster.set_image(workload, "shop/app:2")
    await operator.run(2 * 3600)
    assert operator.remediations[0].status.outcome in {Outcome.INEFFECTIVE, Outcome.WORSENED}
    assert (len(place.cluster.effects) == 1) == protected, [one.status.outcome for one in operator.remediations]
    if protected:
        assert operator.condition("RemediationAllowed") == ("False", "BreakerOpen")
    await operator.close()


@pytest.mark.parametrize("name", ["paused", "the ceiling was lowered", "the namespace opted out"])
async def test_without_its_switches_it_acts_whatever_was_thrown(name, monkeypatch):
    """Fault 36. The protected ones are in test_live_refusals."""
    for module, word in ((guards, "GUARDS"), (guards, "pause"), (plan, "effective_mode")):
        monkeypatch.setattr(module, word, getattr(module, word))  # put back afterwards
    unprotected.remove("switch")
    place, workload, operator = await about_to()
    change, _, _ = CHANGES[name]
    change(place, workload)
    await operator.run(20)
    assert len(place.cluster.effects) == 1
    await operator.close()
