"""What is remembered of a workload, and how seldom it is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.workload_record import HealthyRevision, QuarantinedRevision, WorkloadRecord
from prunella.core.healing.known import record

from .builders import NOON, ago, container, crashing, healthy_facts, later, new_pod, pod, pods, revision, rolling_facts, workload
from .records import healthy_record, healthy_revision, quarantined_revision, record_of

POLICY = HealingPolicySpec()


def seen(*looks, memory=None):
    """The memory after these looks: seconds after noon, and the facts."""
    for seconds, facts in looks:
        memory = record.remember(memory, facts, later(seconds))
    return memory


def update(memory, facts, seconds, stored=None, policy=POLICY):
    return record.record_update(stored, memory, facts, policy, later(seconds))


def since(seconds, **changes):
    """The healthy shop, Ready since so many seconds before noon."""
    return replace(healthy_facts(**changes), pods=pods(3, ready_since=ago(seconds), created_time=ago(seconds + 4)))


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("Deployment", "checkout", "deployment-checkout"),
        ("StatefulSet", "x" * 241, "statefulset-" + "x" * 241),
        ("StatefulSet", "x" * 242, "statefulset-" + "x" * 230 + "-52f3a7ae15"),
        ("DaemonSet", "x" * 231 + "." * 20, "daemonset-" + "x" * 231 + "-2b633ca9fe"),
    ],
    ids=["kind and name", "just short enough", "its tail hashed", "no dot before the hash"],
)
def test_a_record_is_named_after_kind_and_name(kind, name, expected):
    found = record.record_name(kind, name)
    assert found == expected
    assert len(found) <= 253


def test_two_long_names_give_two_records():
    assert record.record_name("Deployment", "x" * 250 + "a") != record.record_name("Deployment", "x" * 250 + "b")


@pytest.mark.parametrize(
    ("all_pods", "seconds"),
    [
        pytest.param(pods(2, ready_since=ago(10), created_time=ago(13.2)), 4, id="rounded up"),
        pytest.param(
            (pod("a", ready_since=ago(10), created_time=ago(12)), pod("b", ready_since=ago(10), created_time=ago(40))), 30, id="the slowest"
        ),
        pytest.param(
            (pod("a", ready_since=ago(10), created_time=ago(12)), pod("b", ready_since=ago(10), created_time=ago(700))),
            2,
            id="one that flapped is left out",
        ),
        pytest.param(pods(1, ready_since=ago(10), created_time=ago(9)), None, id="clocks that disagree tell nothing"),
        pytest.param(pods(2, "h2", container(ready=False)), None, id="none is Ready"),
        pytest.param(pods(2, ready_since=None), None, id="the transition is not told"),
        pytest.param(pods(2, created_time=None), None, id="the creation is not told"),
        pytest.param(pods(2, "h1"), None, id="pods of another revision"),
        pytest.param(pods(2, deleting=True), None, id="pods on their way out"),
    ],
)
def test_the_time_to_ready_is_that_of_the_slowest_pod(all_pods, seconds):
    assert record.time_to_ready(replace(healthy_facts(), pods=all_pods), "h2") == seconds


def test_a_healthy_revision_is_written_when_the_next_one_appears_and_not_before():
    healthy = since(50)
    memory = seen((0, healthy))
    assert update(memory, healthy, 0) is None
    memory = seen((30, healthy), memory=memory)
    assert update(memory, healthy, 30) is None
    rolling = rolling_facts()
    memory = seen((31, rolling), memory=memory)
    spec = update(memory, rolling, 31)
    assert spec.revisions == (HealthyRevision(hash="h2", name="checkout-h2", revision=2, last_healthy_time=later(31), time_to_ready_seconds=4),)
    assert spec.target_ref == workload().ref
    assert spec.quarantined == ()


def test_it_is_written_once():
    memory = seen((0, since(3000)), (5, rolling_facts()))
    spec = update(memory, rolling_facts(), 5)
    stored = WorkloadRecord(metadata=healthy_record().metadata, spec=spec)
    memory = seen((6, rolling_facts(new_pod(crashing()))), (9, rolling_facts(new_pod(crashing()))), memory=memory)
    assert update(memory, rolling_facts(new_pod(crashing())), 9, stored) is None


@pytest.mark.parametrize(
    ("ready_for", "policy", "changes", "written"),
    [
        pytest.param(59, POLICY, {}, False, id="healthy for 59 s"),
        pytest.param(60, POLICY, {}, True, id="healthy for 60 s"),
        pytest.param(5, HealingPolicySpec(known_good_after_seconds=5), {}, True, id="as long as the policy asks for"),
        pytest.param(60, POLICY, {"min_ready_seconds": 90}, False, id="shorter than minReadySeconds"),
    ],
)
def test_it_must_have_been_healthy_for_long_enough(ready_for, policy, changes, written):
    memory = seen((0, since(ready_for, **changes)), (0, rolling_facts(**changes)))
    assert (update(memory, rolling_facts(**changes), 0, policy=policy) is not None) is written


def test_a_spell_lasts_until_the_look_that_finds_it_broken():
    memory = seen((0, since(1)), (3600, rolling_facts()))
    assert memory.spells[0].longest_seconds == 3601
    assert not memory.spells[0].unbroken


def test_health_at_some_time_is_enough():
    sick = replace(healthy_facts(available=2), pods=(*pods(2), pod("a", "h2", crashing())))
    memory = seen((0, since(100)), (1, sick), (500, sick), (501, rolling_facts()))
    (written,) = update(memory, rolling_facts(), 501).revisions
    assert written.last_healthy_time == later(1)


def test_two_short_spells_are_no_long_one():
    sick = healthy_facts(available=2)
    again = replace(healthy_facts(), pods=pods(3, ready_since=later(20)))
    memory = seen((0, since(40)), (10, sick), (22, again), (60, rolling_facts()))
    assert memory.spells[0].longest_seconds == 50
    assert update(memory, rolling_facts(), 60) is None


def test_a_pod_that_got_ready_meanwhile_begins_a_new_spell():
    memory = seen((0, since(40)), (30, replace(healthy_facts(), pods=pods(3, ready_since=later(25)))))
    (spell,) = memory.spells
    assert (spell.since, spell.until, spell.longest_seconds) == (later(25), later(30), 40)


def test_a_spell_never_begins_in_the_future():
    (spell,) = seen((0, since(-5))).spells
    assert (spell.since, spell.longest_seconds) == (NOON, 0)


def test_a_restart_of_the_operator_costs_no_spell():
    memory = seen((0, since(3000)))
    assert memory.spells[0].since == ago(3000)


def test_an_unsettled_status_breaks_no_memory():
    stale = healthy_facts(generation=3)
    memory = seen((0, since(100)), (1, stale), (2, rolling_facts()))
    assert update(memory, stale, 1) is None
    assert update(memory, rolling_facts(), 2).revisions[0].last_healthy_time == later(1)


def test_another_object_of_the_same_name_is_remembered_anew():
    memory = seen((0, since(3000)))
    other = rolling_facts(uid="other")
    assert update(memory, other, 1) is None
    memory = seen((1, other), memory=memory)
    assert memory == record.Memory(uid="other")
    young = seen((2, since(3000, uid="other")), (3, other), memory=memory)
    spec = update(young, other, 3, record_of(healthy_revision("h1"), quarantined=(quarantined_revision(),)))
    assert [one.hash for one in spec.revisions] == ["h2"]
    assert spec.quarantined == ()
    assert spec.target_ref.uid == "other"


def test_a_revision_that_came_back_is_written_again_with_its_new_time():
    stored = record_of(healthy_revision("h1"), healthy_revision("h2", last_healthy=500), quarantined=(quarantined_revision("h4"),))
    memory = seen((0, since(3000)), (9, rolling_facts()))
    spec = update(memory, rolling_facts(), 9, stored)
    assert [(one.hash, one.last_healthy_time) for one in spec.revisions] == [("h1", ago(40)), ("h2", later(9))]
    assert spec.quarantined == stored.spec.quarantined


def test_a_revision_in_quarantine_is_not_written_as_healthy():
    memory = seen((0, since(3000)), (9, rolling_facts()))
    assert update(memory, rolling_facts(), 9, record_of(quarantined=(quarantined_revision("h2"),))) is None


def test_ten_healthy_revisions_are_remembered():
    stored = record_of(*(healthy_revision(f"h{number}", last_healthy=1000 - number) for number in range(10, 20)))
    memory = seen((0, since(3000)), (9, rolling_facts()))
    hashes = [one.hash for one in update(memory, rolling_facts(), 9, stored).revisions]
    assert len(hashes) == 10
    assert "h10" not in hashes
    assert hashes[-1] == "h2"


def test_a_process_remembers_ten_revisions():
    memory = None
    for number in range(12):
        facts = replace(healthy_facts(), revisions=(revision(number, replicas=3),), pods=pods(3, f"h{number}"))
        memory = record.remember(memory, facts, NOON)
    assert memory is not None
    assert [spell.hash for spell in memory.spells] == [f"h{number}" for number in range(2, 12)]


def test_the_time_to_ready_stays_what_it_was_at_first():
    first = replace(healthy_facts(), pods=pods(3, ready_since=ago(100), created_time=ago(103)))
    flapped = replace(healthy_facts(), pods=pods(3, ready_since=ago(2), created_time=ago(103)))
    assert seen((0, first), (1, flapped)).spells[0].time_to_ready_seconds == 3
    untold = replace(healthy_facts(), pods=pods(3, created_time=None))
    assert seen((0, untold), (1, first)).spells[0].time_to_ready_seconds == 3


def into_quarantine(stored, hash_="h3", reason="rolled back"):
    return record.quarantine(stored, workload().ref, revision_hash=hash_, revision=3, incident="checkout-7f3kq", reason=reason, now=NOON)


def test_a_revision_goes_into_quarantine_beside_what_stands_there():
    spec = into_quarantine(healthy_record("h2"))
    assert spec.quarantined == (QuarantinedRevision(hash="h3", revision=3, incident="checkout-7f3kq", quarantined_time=NOON, reason="rolled back"),)
    assert spec.revisions == healthy_record("h2").spec.revisions


@pytest.mark.parametrize(
    "stored", [pytest.param(None, id="no record"), pytest.param(record_of(healthy_revision("h2"), uid="other"), id="another object's record")]
)
def test_the_first_quarantine_begins_a_record(stored):
    spec = into_quarantine(stored)
    assert (spec.target_ref, spec.revisions) == (workload().ref, ())
    assert len(spec.quarantined) == 1


def test_a_revision_stands_in_quarantine_once_since_it_came_there():
    stored = record_of(quarantined=(quarantined_revision("h3", since=600),))
    assert into_quarantine(stored) is stored.spec


def test_twenty_stand_in_quarantine_and_a_reason_has_its_bounds():
    stored = record_of(quarantined=tuple(quarantined_revision(f"h{number}") for number in range(10, 30)))
    spec = into_quarantine(stored, reason="x" * 2000)
    assert [spec.quarantined[0].hash, spec.quarantined[-1].hash, len(spec.quarantined)] == ["h11", "h3", 20]
    assert len(spec.quarantined[-1].reason) == 1024


@pytest.mark.parametrize(
    ("facts", "stored", "left"),
    [
        pytest.param(
            since(3600), record_of(quarantined=(quarantined_revision("h2", since=9000), quarantined_revision("h9"))), ["h9"], id="healthy for an hour"
        ),
        pytest.param(since(3599), record_of(quarantined=(quarantined_revision("h2", since=9000),)), None, id="healthy for less"),
        pytest.param(since(3600), record_of(quarantined=(quarantined_revision("h9"),)), None, id="another one is healthy"),
        pytest.param(since(3600, available=2), record_of(quarantined=(quarantined_revision("h2", since=9000),)), None, id="not healthy now"),
        pytest.param(since(3600), record_of(quarantined=(quarantined_revision("h2", since=9000),), uid="other"), None, id="another object's record"),
        pytest.param(
            replace(since(3600, kind="DaemonSet"), revisions=()),
            record_of(quarantined=(quarantined_revision("h2", since=9000),)),
            None,
            id="the newest is not known",
        ),
        pytest.param(since(3600), None, None, id="no record"),
    ],
)
def test_a_revision_leaves_quarantine_after_an_hour_of_health(facts, stored, left):
    spec = record.release(stored, facts, 3600, NOON)
    assert (None if spec is None else [one.hash for one in spec.quarantined]) == left


def test_a_revision_stays_in_quarantine_for_an_hour_after_it_came_back_however_long_its_pods_served():
    stored = record_of(quarantined=(quarantined_revision("h2", since=100),))
    assert record.release(stored, since(9000), 3600, NOON) is None
    assert record.release(stored, since(9000), 3600, later(3500)) == record_of().spec
