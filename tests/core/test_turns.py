"""How many attempts are under way at once, and whose turn it is when a place is free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.asking import Asking
from prunella.api.healing_policy import Concurrency
from prunella.api.incident_facts import Times
from prunella.api.names import ConditionStatus, Outcome, Priority, RemediationPhase
from prunella.core.healing.guards import turns
from prunella.core.healing.refusal import Refusal
from prunella.core.world import Waiting

from .builders import ago, later
from .healing_builders import attempt, condition, ill, incident, planned, policy
from .incident_builders import TARGET
from .thing_builders import node

ELSEWHERE = TARGET.model_copy(update={"uid": "other", "name": "cart"})

ASKS = Asking(step="sure", plan_hash="a1", asked_time=ago(10), deadline_time=later(600))


def plan_of():
    return planned(ill())


def elsewhere(name="cart-1", *, running=True, refused=False, made=30.0, **changes):
    """An attempt at another target: it acts, or waits, and may be refused."""
    said = (condition("RemediationAllowed", ConditionStatus.FALSE, "RecentlyRemediated"),) if refused else ()
    state = {"started_time": ago(20)} if running else {"started_time": None, "phase": RemediationPhase.PENDING}
    given = {"target_ref": ELSEWHERE, "name": name, "uid": f"uid-{name}", "creation_timestamp": ago(made), "conditions": said}
    return attempt(1, ended=None, **(given | state | changes))


def healed_at(time):
    """An attempt at another target that began then, and healed it."""
    given = {"target_ref": ELSEWHERE, "name": "cart-2", "uid": "uid-cart-2", "started_time": time, "phase": RemediationPhase.SUCCEEDED}
    return attempt(1, Outcome.REMEDIATED, ended=10, **given)


@pytest.mark.parametrize(
    ("others", "limits", "message"),
    [
        ((elsewhere(),), {}, "1 attempts are under way in shop; the limit is 1"),
        ((elsewhere(),), {"per_namespace": 2}, None),
        ((elsewhere(namespace="pay"),), {}, None),
        (tuple(elsewhere(f"a-{n}", namespace=f"n{n}") for n in range(3)), {}, "3 attempts are under way in the cluster; the limit is 3"),
        (tuple(elsewhere(f"a-{n}", namespace=f"n{n}") for n in range(2)), {}, None),
        ((elsewhere(running=False),), {}, "1 attempts are under way in shop; the limit is 1"),
        ((elsewhere(running=False, refused=True),), {}, None),
        ((elsewhere(phase=RemediationPhase.UNKNOWN),), {}, None),
        ((elsewhere(phase=RemediationPhase.SUCCEEDED),), {}, None),
        ((elsewhere(asking=ASKS),), {}, None),
    ],
    ids=[
        "one acts here",
        "two are permitted",
        "one acts elsewhere",
        "three act in the cluster",
        "two do",
        "one is about to",
        "one is refused",
        "one that can't be known",
        "one that ended",
        "one that waits for people",
    ],
)
def test_few_act_at_once(others, limits, message):
    world = ill(all_remediations=others, policy=policy(concurrency=Concurrency(**limits)))
    expected = None if message is None else Refusal(reason="ConcurrencyReached", message=message, look_again_time=later(1))
    assert turns.concurrency(world, plan_of()) == expected


@pytest.mark.parametrize(
    ("ended", "others", "refused"),
    [
        (None, (elsewhere(namespace="pay"),), False),
        (later(-60), (), False),
        (later(-60), (elsewhere(namespace="pay"),), True),
        (later(-3600), (elsewhere(namespace="pay"),), False),
        (later(-60), (elsewhere(namespace="pay"), healed_at(later(-30))), False),
        (later(-60), (elsewhere(namespace="pay"), healed_at(later(-90))), True),
    ],
    ids=["no storm", "nobody acts", "one acts", "an hour later", "one has healed since", "one had healed before"],
)
def test_after_a_storm_one_at_a_time_until_one_has_healed(ended, others, refused):
    made = policy()
    made = made.model_copy(update={"status": made.status.model_copy(update={"storm_ended_time": ended})})
    answer = turns.concurrency(ill(all_remediations=others, policy=made), plan_of())
    assert (answer is not None) == refused
    assert answer is None or "until one of them has healed" in answer.message


@pytest.mark.parametrize("refused", [False, True], ids=["none was asked yet", "all were refused for each other"])
def test_of_several_that_wait_exactly_one_goes_first(refused):
    waiting = tuple(elsewhere(f"a-{n}", running=False, refused=refused and n > 0, made=30 - n) for n in range(5))
    first = []
    for own in waiting:
        answer = turns.concurrency(ill(all_remediations=waiting, own_remediation_uid=own.metadata.uid), plan_of())
        if answer is None:
            first.append(own.metadata.name)
    assert first == ["a-0"] if not refused else "a-0" in first


def test_of_two_that_were_made_in_the_same_second_the_uid_decides():
    two = (elsewhere("b", running=False, made=10), elsewhere("a", running=False, made=10))
    allowed = [
        one.metadata.name for one in two if turns.concurrency(ill(all_remediations=two, own_remediation_uid=one.metadata.uid), plan_of()) is None
    ]
    assert allowed == ["a"]


def test_one_that_has_no_creation_time_yet_comes_first():
    two = (elsewhere("b", running=False, made=10), elsewhere("a", running=False, creation_timestamp=None))
    assert turns.concurrency(ill(all_remediations=two, own_remediation_uid="uid-a"), plan_of()) is None
    assert turns.concurrency(ill(all_remediations=two, own_remediation_uid="uid-b"), plan_of()).reason == "ConcurrencyReached"


def waits(uid="uid-x", namespace="shop", priority=Priority.P1, seconds=0.0):
    """Somebody who waits for a place."""
    return Waiting(uid=uid, namespace=namespace, priority=priority, since=ago(seconds))


FIRST_HERE = "others in shop matter more, or fail for longer, and come first"
FIRST = "others in the cluster matter more, or fail for longer, and come first"


@pytest.mark.parametrize(
    ("waiting", "limits", "message"),
    [
        ((waits(),), {}, FIRST_HERE),
        ((waits(priority=Priority.P3, seconds=9999),), {}, FIRST_HERE),
        ((waits(priority=Priority.P3),), {}, None),
        ((waits(priority=Priority.P4, seconds=9999),), {}, None),
        ((waits(),), {"per_namespace": 2}, None),
        ((waits("a"), waits("b")), {"per_namespace": 2}, FIRST_HERE),
        ((waits(namespace="pay"),), {}, None),
        (tuple(waits(f"a-{n}", f"n{n}") for n in range(3)), {}, FIRST),
        (tuple(waits(f"a-{n}", "pay") for n in range(3)), {}, None),
        (tuple(waits(f"a-{n}", "pay") for n in range(3)), {"per_namespace": 3}, FIRST),
        ((waits(incident().metadata.uid),), {}, None),
    ],
    ids=[
        "one that matters more",
        "one as important that fails for longer",
        "one as important that fails for less long",
        "one that matters less, however long it fails",
        "there is room for both",
        "there is room for two, and it is the third",
        "one in another namespace, and room for both",
        "three that fill the cluster",
        "three of a namespace that has room for one",
        "three of a namespace that has room for all",
        "itself",
    ],
)
def test_who_matters_most_goes_first_and_then_who_fails_longest(waiting, limits, message):
    mine = incident(priority=Priority.P3, times=Times(triggered_time=ago(100)))
    answer = turns.concurrency(ill(incident=mine, waiting=waiting, policy=policy(concurrency=Concurrency(**limits))), plan_of())
    assert (answer.message if answer else None) == message


def test_an_attempt_that_was_made_has_had_its_turn():
    own = elsewhere(running=False, target_ref=TARGET)
    world = ill(waiting=(waits(),), all_remediations=(own,), own_remediation_uid=own.metadata.uid)
    assert turns.concurrency(world, plan_of()) is None


def test_whose_namespace_is_full_keeps_no_place_of_the_cluster_from_others():
    running, waiting = elsewhere(namespace="pay"), tuple(waits(f"a-{n}", "pay") for n in range(9))
    assert turns.concurrency(ill(all_remediations=(running,), waiting=waiting), plan_of()) is None


def test_right_after_a_storm_the_one_place_goes_to_who_matters_most():
    made = policy()
    made = made.model_copy(update={"status": made.status.model_copy(update={"storm_ended_time": ago(60)})})
    assert turns.concurrency(ill(waiting=(waits(namespace="pay"),), policy=made), plan_of()).message == FIRST


@pytest.mark.parametrize(("before", "seconds"), [(0, 1), (1, 3), (9, 19), (100, 30)])
def test_who_comes_later_looks_less_often(before, seconds):
    world = ill(all_remediations=(elsewhere(),), waiting=tuple(waits(f"a-{n}", "pay") for n in range(before)))
    assert turns.concurrency(world, plan_of()).look_again_time == later(seconds)


def test_an_attempt_that_cannot_take_back_what_it_did_keeps_no_place_from_others():
    stuck = elsewhere(refused=True, ending=Outcome.WORSENED)
    assert turns.concurrency(ill(all_remediations=(stuck,)), plan_of()) is None
    assert turns.concurrency(ill(all_remediations=(elsewhere(ending=Outcome.WORSENED),)), plan_of()) is not None, "this one takes it back"


def test_what_a_person_asks_for_keeps_no_place_before_it_has_begun():
    waits_for_people = elsewhere(running=False, incident_ref=None)
    assert turns.concurrency(ill(all_remediations=(waits_for_people,)), plan_of()) is None


def test_one_node_at_a_time():
    """How many are out is seen on the nodes, and two that are decided at once would both see none."""
    other = elsewhere("n-2", target_ref=ELSEWHERE.model_copy(update={"kind": "Node", "name": "n2", "namespace": None}))
    on_node = replace(plan_of(), subject=node())
    answer = turns.another_node(ill(all_remediations=(other,)), on_node)
    assert (answer.reason, answer.message) == ("ConcurrencyReached", "n-2 is at work on node n2: one node at a time")
    assert turns.another_node(ill(all_remediations=(other,)), plan_of()) is None
    assert turns.another_node(ill(all_remediations=(elsewhere(),)), on_node) is None


def begun(number, seconds):
    """An attempt elsewhere that began so long ago, and is over."""
    given = {"target_ref": ELSEWHERE, "name": f"past-{number}", "uid": f"uid-past-{number}", "namespace": f"n{number}"}
    return attempt(1, Outcome.REMEDIATED, ended=0.5, **given, started_time=ago(seconds), phase=RemediationPhase.SUCCEEDED)


@pytest.mark.parametrize(
    ("times", "again"),
    [
        ((1, 2, 3, 4, 5), None),
        ((1, 2, 3, 4, 5, 10), None),
        ((1, 2, 3, 4, 5, 8), later(2)),
        ((1, 2, 3, 4, 5, 6, 9), later(4)),
        ((1, 2, 3, 4, 5, 9.5), later(1)),
        ((1, 2, 3, 4, 5, -3), None),
    ],
    ids=["five", "the sixth is long ago", "six", "seven", "looked at again after a second at the soonest", "by another clock one is yet to come"],
)
def test_no_more_than_six_begin_within_ten_seconds(times, again):
    generous = policy(concurrency=Concurrency(per_namespace=50, per_cluster=50))
    world = ill(policy=generous, all_remediations=tuple(begun(number, seconds) for number, seconds in enumerate(times)))
    refused = turns.concurrency(world, plan_of())
    if again is None:
        assert refused is None
    else:
        message = f"{len(times)} attempts have begun within 10 s: no more than 6 do"
        assert refused == Refusal(reason="ConcurrencyReached", message=message, look_again_time=again)


def test_who_has_begun_goes_on_however_many_others_did():
    generous = policy(concurrency=Concurrency(per_namespace=50, per_cluster=50))
    others = tuple(begun(number, 1) for number in range(8))
    assert turns.concurrency(ill(policy=generous, all_remediations=others, own_remediation_uid="mine"), plan_of()) is None
