"""The storm brake's keeper: on at once, told and stored once, also if a write fails; held over a restart (R38)."""

from __future__ import annotations

import pytest
from tests.app.test_intake import alert
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.healing_policy import Concurrency, HealingPolicy, Storm
from prunella.api.incident import Incident
from prunella.api.names import Outcome
from prunella.api.remediation import Remediation
from prunella.app.errors import Retryable


async def stormy(workloads: int = 5, seconds: float = 60.0, **policy):
    """So many workloads get a bad version at the same instant."""
    place = shop(shipped(), **policy)
    made = [place.cluster.create(f"w{index}") for index in range(workloads)]
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for one in made:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(seconds)
    return place, made, operator


def stored(place: Place):
    return place.api.one(HealingPolicy).status


def events(place: Place):
    return [(event.reason, event.message, event.warning) for event in place.api.events if event.regarding == "HealingPolicy/default"]


async def test_r38_an_outage_that_hits_five_workloads_is_one_storm_and_no_rollback():
    place, _, operator = await stormy()
    assert place.cluster.effects == []
    mine = [one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Deployment"]
    reasons = {one.reason for incident in mine for one in incident.status.conditions if one.type == "RemediationAllowed"}
    assert reasons == {"StormActive"}
    message = "5 workloads fail at once (crashing), more than 20 % of the 5 in opted-in namespaces"
    assert stored(place).storm_message == message
    assert events(place) == [("StormStarted", f"{message}: no new action starts until it has been calm for 600 s", True)]
    assert place.telemetry.gauges["storm_active", ()] == 1
    await operator.close()


async def test_alerts_that_stand_for_themselves_are_no_workloads_that_fail():
    place = shop(shipped())
    place.cluster.create()
    operator = Operator(place)
    for number in range(6):
        place.cluster.namespace_of(f"n{number}")
        await operator.take(*(alert(f"Watchdog{one}", labels={"namespace": f"n{number}"}) for one in range(3)))
    await operator.run(1)
    assert len(place.api.all(Incident)) == 18
    assert stored(place).storm_since_time is None
    await operator.close()


async def test_after_the_calm_it_goes_off_by_itself_and_what_still_fails_is_healed():
    place, made, operator = await stormy()
    for one in made[:4]:
        place.cluster.set_image(one, "shop/app:1")
    for _ in range(300):
        await operator.run(5)
        await operator.brake.look()
    assert stored(place).storm_since_time is None
    assert [reason for reason, _, _ in events(place)] == ["StormStarted", "StormEnded"]
    assert events(place)[1][1] == "it is calm again: attempts begin one at a time until one has healed"
    await operator.run(30)
    assert len(place.cluster.effects) == 1, "the one that is left, and nothing stale"
    await operator.close()


async def test_a_restart_does_not_let_go_of_the_brake():
    place, made, operator = await stormy()
    since = stored(place).storm_since_time
    await operator.close()
    for one in made[:4]:
        place.cluster.set_image(one, "shop/app:1")
    operator = Operator(place)
    await operator.brake.look()
    assert operator.gatherer.storm_since == since
    await operator.run(300)
    await operator.brake.look()
    assert operator.gatherer.storm_since == since, "its calm is counted anew"
    assert place.cluster.effects == []
    assert len(events(place)) == 1
    await operator.close()


async def test_r19_where_three_of_ten_fail_they_are_left_alone_and_afterwards_one_at_a_time_is_healed():
    place = shop(shipped(), storm=Storm(calm_seconds=60), concurrency=Concurrency(per_namespace=10, per_cluster=10))
    made = [place.cluster.create(f"w{number}") for number in range(20)]
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for one in made[:6]:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(120)
    assert place.cluster.effects == [], "nothing is done to any of them"
    assert [reason for reason, _, _ in events(place)] == ["StormStarted"]
    for one in made[:4]:
        place.cluster.set_image(one, "shop/app:1")
    running: list[int] = []
    for _ in range(240):
        await operator.run(5)
        await operator.brake.look()
        if not any(one.status.outcome is Outcome.REMEDIATED for one in place.api.all(Remediation)):
            running.append(sum(one.status.started_time is not None and one.status.outcome is None for one in place.api.all(Remediation)))
    assert max(running) == 1, "one goes first, and the others wait until it has healed"
    assert [reason for reason, _, _ in events(place)] == ["StormStarted", "StormEnded"]
    assert sorted(effect.target.name for _, effect in place.cluster.effects) == ["w4", "w5"], "what still fails is healed, and nothing stale"
    await operator.close()


async def test_where_what_is_tried_first_after_a_storm_fails_the_brake_goes_on_again():
    place = shop(shipped(), storm=Storm(calm_seconds=60), concurrency=Concurrency(per_namespace=10, per_cluster=10))
    made = [place.cluster.create(f"w{number}") for number in range(20)]
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for one in made[:6]:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(30)
    for one in made[:4]:
        place.cluster.set_image(one, "shop/app:1")

    def still_gone(when: str, _intent: str) -> None:
        """What they all need is gone, so the revision before fails as well once it is rolled back to."""
        if when == "after":
            target = place.cluster.workloads["Deployment", "shop", place.cluster.effects[-1][1].target.name]
            for pod in target.pods:
                pod.bad, pod.created = True, place.clock.now()

    place.cluster.gate = still_gone
    for _ in range(300):
        await operator.run(5)
        await operator.brake.look()
        if len(events(place)) > 2:
            break
    [attempt] = [one for one in place.api.all(Remediation) if one.status.started_time is not None]
    assert attempt.status.outcome is not Outcome.REMEDIATED
    assert [reason for reason, _, _ in events(place)] == ["StormStarted", "StormEnded", "StormStarted"]
    assert events(place)[2][1].startswith(f"{attempt.metadata.name} was tried after a storm, and did not heal: no new action starts until")
    assert stored(place).storm_ended_time is None
    await operator.run(30)
    assert len(place.cluster.effects) == 1, "the other one is left alone"
    for _ in range(60):
        await operator.run(5)
        await operator.brake.look()
        if stored(place).storm_since_time is None:
            break
    assert stored(place).storm_since_time is None, "it releases itself again"
    await operator.close()


@pytest.mark.parametrize("fails", [1, 3])
async def test_a_storm_that_could_not_be_stored_is_stored_later_and_told_once(fails):
    place, _, operator = await stormy(seconds=0)
    left = fails

    def full(when: str, verb: str, what: str) -> None:
        nonlocal left
        if what.startswith("HealingPolicy/") and left:
            left -= 1
            raise Retryable("503")

    place.api.gate = full
    for _ in range(20):
        try:
            await operator.run(1)
            await operator.brake.look()
        except Retryable:
            assert operator.gatherer.storm_since is not None, "it holds although nobody was told yet"
    assert left == 0
    assert stored(place).storm_since_time == operator.gatherer.storm_since
    assert len(events(place)) == 1
    await operator.close()


async def test_without_a_policy_the_defaults_brake_and_nobody_can_be_told():
    place, _, operator = await stormy(seconds=0)
    place.api.delete("HealingPolicy", "", "default")
    await operator.run(5)
    await operator.brake.look()
    assert operator.gatherer.storm_since is not None
    assert events(place) == []
    await operator.close()


async def test_a_policy_that_is_deleted_and_made_again_knows_of_the_storm_again():
    place, _, operator = await stormy()
    since, message = stored(place).storm_since_time, stored(place).storm_message
    place.api.delete("HealingPolicy", "", "default")
    place.policy()
    assert stored(place).storm_since_time is None
    await operator.brake.look()
    assert (stored(place).storm_since_time, stored(place).storm_message, operator.gatherer.storm_since) == (since, message, since)
    assert len(events(place)) == 1, "and nobody is told twice"
    place.api.delete("HealingPolicy", "", "default")
    place.policy()
    for seconds, known in ((1, None), (8, None), (2, since)):
        place.clock.advance(seconds)
        await operator.brake.look()
        assert stored(place).storm_since_time == known, "the same is not written at every look"
    await operator.close()
