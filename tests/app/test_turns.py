"""Who waits for a place, as it was decided last; and that the most important is healed first."""

from __future__ import annotations

from tests.core.builders import NOON, later
from tests.core.healing_builders import condition, incident
from tests.core.incident_builders import entry
from tests.fakes.clock import ManualClock
from tests.fakes.operator import Operator, shop
from tests.fakes.runbooks import shipped

from prunella.api.healing_policy import Concurrency, Storm
from prunella.api.incident import Incident
from prunella.api.incident_facts import Times
from prunella.api.names import ConditionStatus, Priority
from prunella.app.around.turns import Turns
from prunella.core.world import Waiting

WORKLOADS = 6
IMPORTANT = {2, 4, 5}


def waits(reason: str = "ConcurrencyReached", **changes: object) -> Incident:
    """An Incident to which this was said."""
    return incident(conditions=(condition("RemediationAllowed", ConditionStatus.FALSE, reason),), times=Times(triggered_time=NOON), **changes)


def test_who_waits_is_known_until_it_was_to_look_again_and_was_not_heard_of():
    clock = ManualClock()
    turns = Turns(clock)
    turns.decided(waits(priority=Priority.P2), later(5))
    one = Waiting(uid=waits().metadata.uid, namespace="shop", priority=Priority.P2, since=NOON)
    clock.advance(15)
    assert turns.waiting() == (one,)
    clock.advance(1)
    assert turns.waiting() == ()


def test_who_is_refused_for_something_else_or_is_gone_waits_no_more():
    turns = Turns(ManualClock())
    turns.decided(waits(), later(5))
    turns.decided(waits("MissingPermission"), later(5))
    assert turns.waiting() == ()
    turns.decided(waits(), later(5))
    turns.forget(waits().metadata.uid)
    assert turns.waiting() == ()


async def test_of_those_that_wait_the_most_important_is_healed_first():
    place = shop(shipped(), storm=Storm(min_workloads=1000), concurrency=Concurrency(per_namespace=1, per_cluster=1))
    made = [place.cluster.create(f"w{number}") for number in range(WORKLOADS)]
    for number in range(WORKLOADS):
        place.api.apply(entry(f"w{number}", tier=1 if number in IMPORTANT else 4, labels={"app": f"w{number}"}, policy=None))
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for one in made:
        place.cluster.set_image(one, "shop/app:2")
    await operator.run(900)
    healed = [effect.target.name for _, effect in place.cluster.effects]
    assert sorted(healed) == [f"w{number}" for number in range(WORKLOADS)]
    assert set(healed[1:4]) >= {f"w{number}" for number in IMPORTANT} - {healed[0]}, "but for the first, which found nobody waiting"
    await operator.close()


async def test_one_that_ended_in_line_holds_up_nobody():
    place = shop(shipped(), storm=Storm(min_workloads=1000), concurrency=Concurrency(per_namespace=1, per_cluster=1))
    made = [place.cluster.create(f"w{number}") for number in range(3)]
    for number in range(3):
        place.api.apply(entry(f"w{number}", tier=4, labels={"app": f"w{number}"}, policy=None))
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for one in made:
        place.cluster.set_image(one, "shop/app:2")
    for _ in range(60):
        await operator.run(1)
        if len(place.cluster.effects) == 1 and len(operator.gatherer.turns.waiting()) == 2:
            break
    gone = operator.gatherer.turns.waiting()[0]
    target = next(one.spec.target_ref.name for one in place.api.all(Incident) if one.metadata.uid == gone.uid)
    place.cluster.remove(next(workload for workload in made if workload.name == target))
    await operator.run(2)
    [ended] = [one for one in place.api.all(Incident) if one.metadata.uid == gone.uid]
    assert ended.status.times.resolved_time is not None
    assert gone not in operator.gatherer.turns.waiting()
    await operator.close()
