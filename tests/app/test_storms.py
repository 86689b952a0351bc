"""A storm is one fault: while the brake is on, what fails alike has one parent, which tells people; when the storm is over each is judged anew."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from tests.app.test_intake import alert
from tests.core.incident_builders import entry, ladder, step
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped

from prunella.api.common import NamespacedRef
from prunella.api.healing_policy import Concurrency, HealingPolicy, Storm
from prunella.api.incident import Incident
from prunella.api.names import Cause, MessageKind, Outcome, Priority
from prunella.api.remediation import Remediation
from prunella.app.errors import OutcomeUnknown

CALM = Storm(calm_seconds=60)
ONE_AFTER_THE_OTHER = 5
"""Rollouts that begin at one instant are more servings than the fake's loop takes for an end."""


async def lives(operator: Operator, seconds: int, each: int = 1) -> None:
    """What runs by the clock in a process runs here every so many seconds."""
    for _ in range(seconds // each):
        await operator.run(each)
        await operator.brake.look()
        await operator.commons.look()


async def stormy(bad: int, of: int, *, seconds: int = 40, **policy) -> tuple[Place, list[FakeWorkload], Operator]:
    """So many of so many workloads get a bad version."""
    place = shop(shipped(), **({"storm": CALM} | policy))
    made = [place.cluster.create(f"w{number:02}") for number in range(of)]
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for number, one in enumerate(made[:bad]):
        place.cluster.set_image(one, "shop/app:2")
        if number % ONE_AFTER_THE_OTHER == 0:
            await operator.run(0.2)
    await lives(operator, seconds, 1 if of < 50 else 5)
    return place, made, operator


def storms(place: Place) -> list[Incident]:
    return [one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Storm"]


def the_storm(place: Place) -> Incident:
    (one,) = storms(place)
    return one


def victims(place: Place) -> list[Incident]:
    return [one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Deployment"]


def paged(place: Place) -> Counter[str]:
    return Counter(one.incident.spec.target_ref.kind for one in place.deliver.sent if one.kind is MessageKind.PAGE)


def refused(one: Incident) -> str:
    return next(condition.message for condition in one.status.conditions if condition.type == "RemediationAllowed")


def mend(place: Place, *those: FakeWorkload) -> None:
    for one in those:
        place.cluster.set_image(one, "shop/app:1")


async def test_r19_thirty_of_a_hundred_are_one_storm_with_one_parent_one_page_and_no_action():
    place, _, operator = await stormy(30, 100, seconds=130)
    parent = the_storm(place)
    status = parent.status
    assert (parent.metadata.namespace, parent.spec.target_ref.name, status.target) == ("prunella-system", "workloads", "storm/workloads")
    assert (status.cause, status.priority, status.child_count, len(status.children)) == ("MassFailure", Priority.P1, 30, 30)
    assert status.summary == (
        "a storm: 30 workloads fail at once (crashing): shop/w00, shop/w01, shop/w02 and 27 more; nothing is done there until it is over"
    )
    assert {one.status.parent_ref.name for one in victims(place) if one.status.parent_ref} == {parent.metadata.name}
    assert len(place.api.all(Incident)) == 31
    told = f"a storm that hits many workloads is at fault, see Incident prunella-system/{parent.metadata.name}"
    assert {refused(one) for one in victims(place)} == {f"{told}: what fails for it is judged anew when that is over"}
    assert paged(place) == {"Storm": 1}
    assert place.api.all(Remediation) == []
    assert place.cluster.effects == []
    await operator.close()


async def test_r19_when_it_is_over_it_resumes_by_itself_and_replays_nothing():
    place, made, operator = await stormy(6, 20, concurrency=Concurrency(per_namespace=10, per_cluster=10))
    mend(place, *made[:4])
    running = []
    while not any(one.status.outcome is Outcome.REMEDIATED for one in place.api.all(Remediation)):
        await lives(operator, 1)
        running.append(sum(one.status.started_time is not None and one.status.outcome is None for one in place.api.all(Remediation)))
        assert len(running) < 1500, "nothing is resumed"
    assert max(running) == 1, "one goes first"
    await lives(operator, 900)
    assert sorted(effect.target.name for _, effect in place.cluster.effects) == ["w04", "w05"], "what still fails is healed, and nothing stale"
    ended = place.api.one(HealingPolicy).status.storm_ended_time
    first = min(one.status.started_time for one in place.api.all(Remediation) if one.status.started_time is not None)
    assert ended is not None
    assert ended <= first <= ended + timedelta(seconds=10), "children are let go with the brake, not when their parent is resolved"
    assert {one.status.phase for one in place.api.all(Incident)} == {"Resolved"}
    assert {one.status.parent_ref for one in victims(place)} == {None}
    assert set(paged(place)) == {"Storm"}, "nobody else was woken"
    assert {one.incident.spec.target_ref.kind for one in place.deliver.sent if one.kind is MessageKind.STAND_DOWN} == {"Storm"}
    await operator.close()


async def test_a_restart_in_between_finds_the_same_storm():
    place, _, operator = await stormy(6, 20)
    before = the_storm(place)
    await operator.close()
    operator = Operator(place)
    await lives(operator, 100)
    after = the_storm(place)
    assert (after.metadata.uid, after.status.episode, after.status.child_count) == (before.metadata.uid, 1, 6)
    assert paged(place) == {"Storm": 1}
    assert place.api.all(Remediation) == []
    await operator.close()


@pytest.mark.parametrize("stored", [True, False], ids=["it was stored", "it was not"])
async def test_a_create_whose_answer_is_lost_makes_no_second_storm(stored):
    place, _, operator = await stormy(6, 20, seconds=5)
    lost = []

    def gate(when: str, verb: str, what: str) -> None:
        if verb == "create" and what.startswith("Incident/workloads-") and when == ("after" if stored else "before") and not lost:
            lost.append(what)
            raise OutcomeUnknown("the connection was lost")

    place.api.gate = gate
    with pytest.raises(OutcomeUnknown):
        await lives(operator, 30)
    await operator.close()
    operator = Operator(place)
    await lives(operator, 60)
    assert len(storms(place)) == 1
    assert lost == [f"Incident/{the_storm(place).metadata.name}"]
    assert the_storm(place).status.child_count == 6
    await operator.close()


async def test_a_storm_that_comes_back_while_it_is_remembered_is_the_same_incident_again():
    place, made, operator = await stormy(6, 20)
    mend(place, *made[:6])
    await lives(operator, 1400)
    assert the_storm(place).status.phase == "Resolved"
    for one in made[6:14]:
        place.cluster.set_image(one, "shop/app:2")
    await lives(operator, 100)
    again = the_storm(place)
    assert (again.status.phase, again.status.episode, again.status.child_count) == ("Triggered", 2, 8)
    assert set(paged(place)) == {"Storm"}
    assert any(one.key.startswith("2/") for one in again.status.escalation.messages), "and people are called again"
    await operator.close()


async def test_what_fails_in_another_way_is_no_part_of_the_storm_and_tells_its_own_people():
    place, made, operator = await stormy(7, 30, seconds=20)
    place.cluster.registries["elsewhere.example.com"] = "manifest unknown"
    place.cluster.set_image(made[20], "elsewhere.example.com/app:3")
    place.cluster.set_image(made[21], "shop/app:2")
    await lives(operator, 120)
    by_name = {one.spec.target_ref.name: one for one in victims(place)}
    assert by_name["w20"].status.parent_ref is None
    assert by_name["w21"].status.parent_ref == NamespacedRef(namespace="prunella-system", name=the_storm(place).metadata.name), "it joins"
    assert the_storm(place).status.child_count == 8
    assert paged(place) == {"Storm": 1, "Deployment": 1}
    assert place.cluster.effects == [], "the brake holds it all the same"
    await operator.close()


async def test_a_storm_that_reaches_nobody_silences_nobody():
    place = shop(shipped(), storm=CALM)
    place.api.apply(entry(policy="shop", labels={"app": "w00"}))
    ops = next(one for one in place.api.objects.values() if one.metadata.name == "ops")
    place.api.apply(ops.model_copy(update={"metadata": ops.metadata.model_copy(update={"name": "shop", "namespace": "shop"})}))
    place.policy(default_escalation_policy_ref=None, storm=CALM)
    made = [place.cluster.create(f"w{number:02}") for number in range(5)]
    place.cluster.bad.add("shop/app:2")
    operator = Operator(place)
    await operator.run(30)
    for one in made:
        place.cluster.set_image(one, "shop/app:2")
    await lives(operator, 120)
    assert len(storms(place)) == 1
    assert paged(place) == {"Deployment": 1}, "the one that has people of its own"
    await operator.close()


async def test_a_brake_that_is_on_for_what_has_a_cause_of_its_own_is_no_storm_to_tell_of():
    place = shop(shipped(), storm=CALM)
    made = [place.cluster.create(f"w{number:02}", image="registry.example.com/app:1") for number in range(4)]
    place.cluster.registries["registry.example.com"] = "dial tcp 10.0.0.1:443: connect: connection refused"
    operator = Operator(place)
    await operator.run(30)
    for one in made:
        place.cluster.set_image(one, "registry.example.com/app:2")
    await lives(operator, 120)
    assert operator.gatherer.storm_since is not None
    assert storms(place) == []
    assert paged(place) == {"Registry": 1}
    await operator.close()


def hasty(place: Place) -> None:
    """From now on people are called at the instant at which an Incident opens."""
    place.api.apply(ladder(step("primary", after=0), name="ops", namespace="prunella-system"))


def parents_of(place: Place, name: str) -> set[NamespacedRef | None]:
    return {one.status.parent_ref for one in victims(place) if one.spec.target_ref.name == name}


async def test_what_begins_to_fail_as_the_others_do_joins_before_it_pages():
    place, made, operator = await stormy(6, 20)
    hasty(place)
    place.cluster.set_image(made[10], "shop/app:2")
    await lives(operator, 60)
    assert parents_of(place, "w10") == {NamespacedRef(namespace="prunella-system", name=the_storm(place).metadata.name)}
    assert paged(place) == {"Storm": 1}
    await operator.close()


async def test_nobody_has_to_be_counted_among_the_others_first():
    place, _, operator = await stormy(6, 20)
    faults, [one, *_] = operator.gatherer.around.faults, victims(place)
    for changes, joins in (
        ({}, True),
        ({"cause": Cause.ROLLOUT_IMAGE_PULL}, False),
        ({"parent_ref": NamespacedRef(namespace="prunella-system", name="n1-aaaaa")}, False),
    ):
        status = one.status.model_copy(update={"parent_ref": None} | changes)
        opens = one.model_copy(update={"metadata": one.metadata.model_copy(update={"name": "w10-aaaaa"}), "status": status})
        assert (faults.of_storm(opens, place.clock.now()) is not None) is joins, changes
    await operator.close()


async def test_what_an_alert_opens_in_a_storm_of_alerts_joins_before_it_pages():
    place, made, operator = await stormy(0, 20)
    told = [
        alert("KubeDeploymentReplicasMismatch", labels={"namespace": "shop", "deployment": one.name}, starts=5, fingerprint=f"{number:016x}")
        for number, one in enumerate(made[:7])
    ]
    await operator.take(*told[:6])
    await lives(operator, 40)
    assert the_storm(place).status.child_count == 6
    hasty(place)
    await operator.take(told[6])
    await lives(operator, 40)
    assert parents_of(place, "w06") == {NamespacedRef(namespace="prunella-system", name=the_storm(place).metadata.name)}
    assert paged(place) == {"Storm": 1}
    await operator.close()


async def test_what_was_over_and_fails_again_in_a_storm_joins_before_it_pages():
    place, made, operator = await stormy(6, 20)
    place.cluster.set_image(made[5], "shop/app:1")
    await lives(operator, 700)
    [again] = [one for one in victims(place) if one.spec.target_ref.name == "w05"]
    assert (again.status.phase, the_storm(place).status.child_count) == ("Resolved", 5)
    hasty(place)
    place.cluster.set_image(made[5], "shop/app:2")
    await lives(operator, 60)
    [again] = [one for one in victims(place) if one.spec.target_ref.name == "w05"]
    assert (again.status.episode, again.status.phase) == (2, "Triggered")
    assert parents_of(place, "w05") == {NamespacedRef(namespace="prunella-system", name=the_storm(place).metadata.name)}
    assert set(paged(place)) == {"Storm"}
    await operator.close()


async def found_late() -> tuple[Place, Operator]:
    """Six of twenty can't pull what is not there, which is a storm; then it turns out that their registry does not answer."""
    place = shop(shipped(), storm=CALM)
    made = [place.cluster.create(f"w{number:02}", image="registry.example.com/app:1") for number in range(20)]
    place.cluster.registries["registry.example.com"] = "manifest unknown"
    operator = Operator(place)
    await operator.run(30)
    for one in made[:6]:
        place.cluster.set_image(one, "registry.example.com/app:2")
    await lives(operator, 30)
    assert the_storm(place).status.child_count == 6
    place.cluster.registries["registry.example.com"] = "dial tcp 10.0.0.1:443: connect: connection refused"
    for one in made[:6]:
        for pod in one.pods:
            pod.unpulled = place.cluster.registries["registry.example.com"] if pod.unpulled else ""
        place.cluster.touch(one)
    await lives(operator, 150)
    return place, operator


async def test_a_registry_that_is_found_after_the_storm_was_told_of_is_told_with_it_and_calls_nobody_again():
    place, operator = await found_late()
    storm = NamespacedRef(namespace="prunella-system", name=the_storm(place).metadata.name)
    [registry] = [one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Registry"]
    assert (registry.status.phase, registry.status.parent_ref, registry.status.child_count) == ("Triggered", storm, 6)
    assert {one.status.parent_ref for one in victims(place)} == {NamespacedRef(namespace="prunella-system", name=registry.metadata.name)}
    assert (the_storm(place).status.phase, the_storm(place).status.children) == (
        "Triggered",
        (NamespacedRef(namespace="prunella-system", name=registry.metadata.name),),
    )
    assert paged(place) == {"Storm": 1}
    await operator.close()
    operator = Operator(place)
    await lives(operator, 60)
    assert paged(place) == {"Storm": 1}, "a restart forgets nothing of it"
    await operator.close()


async def test_when_the_storm_is_over_a_registry_that_still_fails_calls_people_for_itself():
    place, operator = await found_late()
    for number in range(20):
        place.cluster.create(f"h{number:02}")
    await lives(operator, 200)
    [registry] = [one for one in place.api.all(Incident) if one.spec.target_ref.kind == "Registry"]
    assert registry.status.parent_ref is None
    assert paged(place) == {"Storm": 1, "Registry": 1}
    await operator.close()
