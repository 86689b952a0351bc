"""Two replicas on a real control plane: killed, frozen, told to end, or robbed of the Lease, one of them acts at a time (R12, faults 16–19)."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.harness import prometheus, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.fixtures import MakeArena, arena, box_lock, installed, make_arena
from tests.harness.installation import SYSTEM, Installation, escalation_policy
from tests.harness.instants import now
from tests.harness.interloper import before_the_effect
from tests.harness.replicas import EVERYBODY_LEADS, Replica, Replicas, instead_of_the_one, one_actor_at_a_time
from tests.harness.waiting import holds_for, wait_for

__all__ = ["arena", "box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240, func_only=True)]
NEXT_ACTION_SECONDS = 30
HAND_OVER_SECONDS = 5
ALERTS = 80


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    for made in installed():
        yield made
        made.forget_policy()


@pytest.fixture
def replicas(installation: Installation) -> Iterator[Replicas]:
    with instead_of_the_one(installation) as made:
        yield made


@pytest.fixture
def shop(arena: Arena) -> Arena:
    return shop_in(arena)


def shop_in(arena: Arena) -> Arena:
    """A namespace with a healthy Deployment `shop`, of which alerts tell; the first page is due at once."""
    steps = [{"name": "primary", "afterSeconds": 0, "waitWhileRemediatingSeconds": 0, "notify": [{"contactRef": {"name": "primary"}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps))
    arena.kubectl_apply(workloads.deployment("shop", arena.namespace, replicas=1))
    wait_for(lambda: arena.witness.spell("Deployment", "shop", arena.began).first, 40, "shop is healthy", seen=lambda: arena.pods_in_words("shop"))
    return arena


def firing(arena: Arena, name: str = "Errors", **more: str) -> Object:
    labels = {"alertname": name, "severity": "critical", "namespace": arena.namespace, "deployment": "shop", **more}
    return prometheus.body(prometheus.alert(labels, starts=now()))


def pages(arena: Arena) -> list[str]:
    posts = [one for one in arena.inbox.posts("primary") if one.body["data"]["customData"]["kind"] == "Page"]
    return [one.headers["Idempotency-Key"] for one in posts]


def senders(*replicas: Replica) -> set[str]:
    """Who has sent a message to a person."""
    return {one.name for one in replicas if one.delivered}


def seconds_until(probe: Callable[[], object], limit: float, what: str, *, seen: Callable[[], object] | None = None) -> float:
    began = time.monotonic()
    wait_for(probe, limit, what, seen=seen, interval=0.1)
    return time.monotonic() - began


def ends_with(replica: Replica, code: int, seconds: float) -> None:
    wait_for(replica.ended, seconds, f"{replica.name} ends", seen=replica.last_words, interval=0.1)
    assert replica.process.returncode == code, replica.last_words()


def test_one_alone_leads_within_a_second_of_being_ready(replicas):
    only = replicas.start()
    assert seconds_until(lambda: only.leads, 2, "it leads", seen=only.last_words) <= 2
    assert "is the leader now (epoch " in only.log.read_text()
    assert replicas.lease()["leaseDurationSeconds"] == 15


def test_r12_an_alert_that_both_are_sent_is_one_incident_with_one_page_by_the_leader_alone(replicas, shop):
    first, second = replicas.pair()
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(one.post, firing(shop)) for one in (second, first)]
        assert [call.result() for call in calls] == [200, 200]
    incident = shop.incident("shop")
    wait_for(lambda: pages(shop), 20, "a page")
    holds_for(lambda: len(set(pages(shop))) == 1, 5, "one page")
    shop.when(incident, lambda one: sum(signal["count"] for signal in one["status"]["signals"]) == 2, "both are counted", seconds=20)
    assert len(shop.incidents()) == 1
    assert senders(first, second) == {first.name}
    assert {name for name, _ in replicas.acts(shop.namespace)} <= {first.name}


def test_c30_a_killed_leader_is_replaced_within_30_s_and_no_alert_is_lost_meanwhile(replicas, shop):
    first, second = replicas.pair()
    first.signal(signal.SIGKILL)
    killed = time.monotonic()
    taken = [second.post(firing(shop, name)) for name in ("Errors", "Slow")]
    assert taken == [200, 200], "a standby takes alerts at once"
    [incident] = wait_for(shop.incidents, 5, "it is an Incident before anybody leads")
    assert pages(shop) == []
    wait_for(lambda: pages(shop), NEXT_ACTION_SECONDS, "the successor pages", seen=second.last_words, interval=0.1)
    gap = time.monotonic() - killed
    print(f"next action {gap:.1f} s after the kill")
    assert 10 <= gap <= NEXT_ACTION_SECONDS
    names = {signal["labels"]["alertname"] for signal in shop.again(incident)["status"]["signals"]}
    assert names == {"Errors", "Slow"}
    holds_for(lambda: len(set(pages(shop))) == 1, 5, "one page")


def test_r01_an_alert_that_was_answered_200_is_kept_though_the_process_is_killed_among_them(replicas, shop):
    first = replicas.start()
    wait_for(lambda: first.leads, NEXT_ACTION_SECONDS, "it leads", seen=first.last_words)
    taken = threading.Semaphore(0)

    def tell(number: int) -> int:
        answer = first.post(firing(shop, f"Errors{number}"))
        taken.release()
        return answer

    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(tell, number) for number in range(ALERTS)]
        for _ in range(ALERTS // 4):
            taken.acquire()
        first.signal(signal.SIGKILL)
    kept = {f"Errors{number}" for number, answer in enumerate(answers) if answer.result() == 200}
    assert 0 < len(kept) < ALERTS, "it was killed among them"
    [incident] = shop.incidents()
    assert kept <= {one["labels"]["alertname"] for one in incident["status"]["signals"]}


def attempt_of(arena: Arena, incident: Object) -> Object:
    found = arena.remediations(incident)
    assert len(found) <= 1
    status: Object = found[0].get("status", {}) if found else {}
    return status


def test_a_leader_killed_with_its_effect_under_way_is_followed_by_one_that_settles_it(replicas, arena):
    first, second = replicas.pair()
    made = workloads.deployment("app", arena.namespace)
    arena.start(made)
    with before_the_effect(arena, lambda: first.signal(signal.SIGKILL)) as happened:
        arena.roll_out(workloads.changed(made, command=workloads.CRASH))
        incident = arena.incident("app")
        wait_for(happened.is_set, 60, "the effect is under way")
    wait_for(lambda: attempt_of(arena, incident).get("outcome"), 120, "the attempt ends", seen=second.last_words)
    status = attempt_of(arena, incident)
    assert status["outcome"] == "Remediated", status["message"]
    assert len([one for one in arena.foreign_writes() if not one.hand_back]) == 1
    assert status["epoch"] == replicas.lease()["leaseTransitions"]
    assert one_actor_at_a_time(replicas.acts(arena.namespace)) == []


def test_told_to_end_the_leader_hands_over_at_once(replicas):
    first, second = replicas.pair()
    epoch = replicas.lease()["leaseTransitions"]
    first.signal(signal.SIGTERM)
    took = seconds_until(lambda: second.leads, HAND_OVER_SECONDS, "the other one leads", seen=second.last_words)
    print(f"handed over in {took:.1f} s")
    ends_with(first, 0, 15)
    assert replicas.lease()["leaseTransitions"] == epoch + 1
    assert "gave the lease up" in first.log.read_text()


def test_a_deleted_lease_is_made_anew_by_its_holder(replicas):
    first, second = replicas.pair()
    before = replicas.lease()
    replicas.installation.api.delete("Lease", "prunella-leader", SYSTEM)
    wait_for(lambda: replicas.installation.api.find("Lease", "prunella-leader", SYSTEM), 6, "it is there again")
    after = replicas.lease()
    assert [after[key] for key in ("holderIdentity", "leaseTransitions")] == [before[key] for key in ("holderIdentity", "leaseTransitions")]
    holds_for(lambda: first.leads and not second.leads, 20, "nothing changed", interval=1)


def test_a_leader_whose_name_is_taken_off_the_lease_ends_at_once_and_the_next_one_waits(replicas):
    first, second = replicas.pair()
    epoch = replicas.lease()["leaseTransitions"]
    replicas.installation.api.patch("Lease", "prunella-leader", {"spec": {"holderIdentity": "ana", "leaseTransitions": 0}}, SYSTEM)
    edited = time.monotonic()
    ends_with(first, 1, 5)
    assert "ana holds the lease" in first.log.read_text()
    wait_for(lambda: second.leads, NEXT_ACTION_SECONDS, "the other one leads", seen=second.last_words)
    assert time.monotonic() - edited >= 14, "whose it was may not know yet"
    assert replicas.lease()["leaseTransitions"] == epoch + 1


@pytest.mark.nightly
def test_a_leader_frozen_past_its_lease_with_its_effect_under_way_is_harmless_when_it_goes_on(replicas, arena):
    first, second = replicas.pair()
    made = workloads.deployment("app", arena.namespace)
    arena.start(made)
    with before_the_effect(arena, lambda: first.signal(signal.SIGSTOP)) as happened:
        arena.roll_out(workloads.changed(made, command=workloads.CRASH))
        incident = arena.incident("app")
        wait_for(happened.is_set, 60, "the effect is under way")
    frozen = now()
    wait_for(lambda: second.leads, NEXT_ACTION_SECONDS, "the other one leads", seen=second.last_words)
    wait_for(lambda: (now() - frozen).total_seconds() >= 55, 60, "it is frozen for 40 s longer than its lease", interval=1)
    thawed = now()
    first.signal(signal.SIGCONT)
    ends_with(first, 1, 5)
    wait_for(lambda: attempt_of(arena, incident).get("outcome"), 120, "the attempt ends", seen=second.last_words)
    assert attempt_of(arena, incident)["outcome"] == "Remediated"
    assert len([one for one in arena.foreign_writes() if not one.hand_back]) == 1
    assert [one.line for name, one in replicas.acts(arena.namespace, since=thawed) if name == first.name] == []
    assert one_actor_at_a_time(replicas.acts(arena.namespace)) == []


def test_without_an_election_both_page_and_the_check_says_so(installation: Installation, make_arena: MakeArena):
    """The twin of R12: the same alerts, and each process does what it was sent."""
    with instead_of_the_one(installation, EVERYBODY_LEADS) as replicas:
        arena = shop_in(make_arena("everybody-leads"))
        first, second = replicas.start(), replicas.start()
        assert first.leads
        assert second.leads
        for one in (first, second):
            assert one.post(firing(arena, f"By{one.port}", deployment=f"by-{one.port}")) == 200
        wait_for(lambda: senders(first, second) == {first.name, second.name}, 30, "both page")
