"""A standby: it looks, it keeps what it is sent, and it does nothing else, until it leads and goes on where the other one stopped (R12, R18, C30)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.app.test_intake import alert
from tests.fakes.api import Stored
from tests.fakes.cluster import FakeWorkload
from tests.fakes.operator import Operator, Place, shop
from tests.fakes.runbooks import shipped
from tests.fakes.tenure import Sole

from prunella.api.incident import Incident
from prunella.api.names import MessageKind, Outcome, SignalState
from prunella.api.remediation import Remediation
from prunella.app.errors import Conflict, Retryable
from prunella.app.incidents.pace import AT_ONCE
from prunella.app.keys import IncidentKey, WorkloadKey
from prunella.core.facts import AlertFacts


class Two:
    """A leader and a standby on one cluster."""

    def __init__(self) -> None:
        self.place = shop(shipped())
        self.workload = self.place.cluster.create()
        self.place.cluster.bad.add("shop/app:2")
        self.standby = Operator(self.place, Sole(leads=False))
        self.leader = Operator(self.place, Sole(epoch=6))
        self.place.api.changed = self._stored
        self.place.cluster.changed = self._moved

    def _stored(self, one: Stored) -> None:
        for operator in (self.leader, self.standby):
            operator._stored(one)

    def _moved(self, one: FakeWorkload) -> None:
        for operator in (self.leader, self.standby):
            operator._moved(one)

    async def run(self, seconds: int) -> None:
        """Both live for so long, second by second."""
        start = self.place.clock.now()
        for _ in range(seconds):
            for one in self.place.cluster.workloads.values():
                self.standby._moved(one)  # its own watch tells it of the pods
            await self.standby.settle()
            await self.leader.run(1)
        assert (self.place.clock.now() - start).total_seconds() == seconds

    def take_over(self) -> Operator:
        """The leader dies; the standby is elected, and looks at everything as the heart has it do."""
        self.place.api.changed, self.place.cluster.changed = self.standby._stored, self.standby._moved
        self.standby.tenure.leads, self.standby.tenure.epoch = True, 7
        self.standby.intake.remember()
        self.standby.wake_all()
        for one in self.place.cluster.workloads.values():
            self.standby._moved(one)
        return self.standby

    async def close(self) -> None:
        await self.standby.close()
        await self.leader.close()


@pytest.fixture
async def two() -> AsyncIterator[Two]:
    made = Two()
    await made.run(30)
    yield made
    await made.close()


def incident(place: Place) -> Incident:
    return place.api.one(Incident)


async def test_a_standby_sees_a_fault_and_leaves_it_to_the_leader(two):
    two.place.cluster.set_image(two.workload, "shop/app:2")
    two.leader.tenure.leads = False  # nobody leads for a while
    before = len(two.place.api.writes)
    await two.run(10)
    assert two.standby.observer.sight(WorkloadKey("Deployment", "shop", "checkout")).detection.finding is not None
    assert len(two.place.api.writes) == before
    assert two.place.api.all(Incident) == []


async def test_the_successor_heals_what_the_leader_saw_and_did_not_live_to_mend(two):
    two.place.cluster.set_image(two.workload, "shop/app:2")
    await two.run(4)
    assert (len(two.place.api.all(Incident)), two.place.api.all(Remediation)) == (1, [])
    await two.leader.close()
    two.place.clock.advance(16)
    successor = two.take_over()
    await successor.run(90)
    [attempt] = successor.remediations
    assert (attempt.status.outcome, attempt.status.epoch) == (Outcome.REMEDIATED, 7)
    assert [step.intent.epoch for step in attempt.status.steps] == [7]
    assert len(two.place.cluster.effects) == 1
    assert len(two.place.api.all(Incident)) == 1


async def test_a_rollout_that_began_under_the_leaders_eyes_began_under_the_standbys(two):
    """Its view is warm: what it watched as a standby counts when it leads."""
    two.place.cluster.set_image(two.workload, "shop/app:2")
    await two.run(3)
    newest = two.place.cluster.facts(two.workload).newest
    assert newest.hash in two.standby.observer.sight(WorkloadKey("Deployment", "shop", "checkout")).began_before_our_eyes


async def test_a_page_that_is_due_while_the_leader_dies_is_sent_once_by_its_successor(two):
    await two.leader.take(alert())
    await two.run(30)
    assert two.place.deliver.to(MessageKind.PAGE) == []
    await two.leader.close()
    two.place.clock.advance(45)  # it was due meanwhile
    successor = two.take_over()
    await successor.run(60)
    pages = [one.key for one in two.place.deliver.sent if one.kind == MessageKind.PAGE]
    assert pages != []
    assert len(pages) == len(set(pages))


# what it is sent


async def test_an_alert_that_a_standby_is_sent_is_an_incident_and_only_the_leader_decides_about_it(two):
    await two.standby.take(alert())
    stored = incident(two.place)
    assert (stored.status.priority, stored.status.escalation.messages) == (None, ())
    assert two.standby.outbox.idle()
    await two.run(70)
    stored = incident(two.place)
    assert stored.status.priority is not None
    assert [(one.state, one.count) for one in stored.status.signals] == [(SignalState.FIRING, 1)]
    assert two.place.deliver.to(MessageKind.PAGE) == ["primary"]


async def test_two_alerts_of_one_body_on_a_new_target_are_both_kept_before_the_leader_looks(two):
    two.leader.tenure.leads = False
    await two.standby.take(alert(), alert("Slow"))
    names = {one.labels["alertname"] for one in incident(two.place).status.signals}
    assert names == {"HighErrors", "Slow"}
    two.leader.tenure.leads = True
    two.leader.wake_all()
    await two.run(70)
    assert {one.labels["alertname"]: one.count for one in incident(two.place).status.signals} == {"HighErrors": 1, "Slow": 1}
    assert [event.reason for event in two.place.api.events].count("Opened") == 1


async def test_an_alert_that_joins_and_one_that_ends_are_stored_at_once(two):
    await two.leader.take(alert())
    await two.run(3)
    two.leader.tenure.leads = False
    await two.standby.take(alert("Slow", starts=3))
    await two.standby.take(alert(state="resolved", ends=35))
    states = {one.labels["alertname"]: one.state for one in incident(two.place).status.signals}
    assert states == {"HighErrors": SignalState.RESOLVED, "Slow": SignalState.FIRING}
    two.leader.tenure.leads = True
    await two.run(5)
    assert "Joined" in two.leader.told()


async def test_a_repeat_costs_no_write_at_once_and_is_counted_later(two):
    await two.leader.take(alert())
    await two.run(15)
    before = len(two.place.api.writes)
    for _ in range(50):
        await two.standby.take(alert())
    assert len(two.place.api.writes) == before
    await two.standby.recorder.close()
    assert [one.count for one in incident(two.place).status.signals] == [51]
    assert len(two.place.api.writes) == before + 1
    assert two.standby.recorder._posts == {}


async def test_the_leader_that_writes_at_the_same_moment_loses_nothing(two):
    await two.leader.take(alert())
    await two.run(3)
    real = two.place.api.put_incident_status
    raced = [0]

    async def put(one):
        if raced[0] < 3:
            raced[0] += 1
            raise Conflict("changed meanwhile")
        return await real(one)

    two.place.api.put_incident_status = put  # type: ignore[method-assign] # the fake's own
    await two.standby.take(alert("Slow"))
    assert raced[0] == 3
    assert len(incident(two.place).status.signals) == 2


@pytest.mark.parametrize(
    ("error", "said"), [(Retryable("503"), "503"), (Conflict("changed"), "changed 20 times meanwhile")], ids=["unreachable", "always changed"]
)
async def test_what_cannot_be_stored_is_not_taken_and_not_counted_twice_when_it_is_sent_again(two, error, said):
    await two.leader.take(alert())
    await two.run(3)
    real = two.place.api.put_incident_status

    async def fails(one):
        raise error

    two.place.api.put_incident_status = fails  # type: ignore[method-assign] # the fake's own
    with pytest.raises(Retryable, match=said):
        await two.standby.take(alert("Slow"))
    two.place.api.put_incident_status = real  # type: ignore[method-assign] # the fake's own
    await two.standby.take(alert("Slow"))
    assert {one.labels["alertname"]: one.count for one in incident(two.place).status.signals} == {"HighErrors": 1, "Slow": 1}


async def test_alerts_of_an_incident_that_is_gone_are_sent_again(two):
    facts = AlertFacts(fingerprint="aa", state="firing", labels={}, annotations={}, starts_time=None, received_time=two.place.clock.now())
    with pytest.raises(Retryable, match="is gone: its alerts have to be sent again"):
        await two.standby.recorder.keep(IncidentKey("shop", "nobody"), [facts])
    assert two.standby.recorder._posts == {}


async def test_repeats_that_could_not_be_counted_are_said_in_the_log_and_counted_later(two, caplog):
    await two.leader.take(alert())
    await two.run(15)
    await two.standby.take(alert())
    recorder, real = two.standby.recorder, two.place.api.put_incident_status

    async def fails(one):
        raise Retryable("503")

    two.place.api.put_incident_status = fails  # type: ignore[method-assign] # the fake's own
    [key] = recorder._posts
    await recorder._flush(key)
    assert "Repeats of known alerts could not be counted" in caplog.text
    assert recorder._posts[key].timer is not None
    two.place.api.put_incident_status = real  # type: ignore[method-assign] # the fake's own
    await recorder.close()
    assert [one.count for one in incident(two.place).status.signals] == [2]


async def test_repeats_for_an_incident_that_was_deleted_meanwhile_are_forgotten(two):
    await two.leader.take(alert())
    await two.run(15)
    await two.standby.take(alert())
    two.place.api.delete("Incident", "shop", incident(two.place).metadata.name)
    await two.standby.recorder.close()
    assert two.standby.recorder._posts == {}


async def test_many_bodies_at_once_share_their_writes(two):
    await two.leader.take(alert())
    await two.run(3)
    two.leader.tenure.leads = False
    before = len(two.place.api.writes)
    real = two.place.api.put_incident_status

    async def slow(one):
        await asyncio.sleep(0.01)
        return await real(one)

    two.place.api.put_incident_status = slow  # type: ignore[method-assign] # the fake's own
    await asyncio.gather(*(two.standby.take(alert(f"A{number}")) for number in range(30)))
    assert len(incident(two.place).status.signals) == 31
    assert len(two.place.api.writes) - before <= 3
    two.leader.tenure.leads = True


async def test_a_standby_writes_few_incidents_at_a_time(two):
    """Who writes as fast as alerts come in has no time left to renew the lease, or to get it back."""
    names = [f"app-{number}" for number in range(3 * AT_ONCE)]
    for name in names:
        two.place.cluster.create(name=name)
        await two.leader.take(alert("First", labels={"namespace": "shop", "deployment": name}))
    await two.run(3)
    real, now_writing, most = two.place.api.put_incident_status, 0, 0
    full = asyncio.Barrier(AT_ONCE)  # a write ends once as many are under way as may be

    async def slow(one):
        nonlocal now_writing, most
        now_writing += 1
        most = max(most, now_writing)
        async with asyncio.timeout(10):
            await full.wait()
        now_writing -= 1
        return await real(one)

    two.place.api.put_incident_status = slow  # type: ignore[method-assign] # the fake's own
    await asyncio.gather(*(two.standby.take(alert("Second", labels={"namespace": "shop", "deployment": name})) for name in names))
    assert most == AT_ONCE
    assert all(len(one.status.signals) == 2 for one in two.place.api.all(Incident) if one.spec.target_ref.name in names)


async def test_what_waits_for_its_turn_on_a_standby_that_ends_is_turned_away(two):
    await two.leader.take(alert())
    await two.run(3)
    begun, go_on = asyncio.Event(), asyncio.Event()
    real = two.place.api.put_incident_status

    async def slow(one):
        begun.set()
        await go_on.wait()
        return await real(one)

    two.place.api.put_incident_status = slow  # type: ignore[method-assign] # the fake's own
    first = asyncio.create_task(two.standby.take(alert("A1")))
    await begun.wait()
    second = asyncio.create_task(two.standby.take(alert("A2")))
    await asyncio.sleep(0)
    closing = asyncio.create_task(two.standby.recorder.close())
    with pytest.raises(Retryable, match="this process is ending"):
        await second
    go_on.set()
    await first
    await closing
    assert len(incident(two.place).status.signals) == 2


async def test_what_a_standby_heard_is_heard_by_the_leader_too(two):
    """Without a poll the leader knows only what is stored: an alert that its standby was sent is as fresh as its own."""
    await two.standby.take(alert())
    await two.run(30)
    assert two.leader.gatherer.alert_time is None
    assert two.leader.condition("SourceUnreachable") == ("", "")
    two.place.clock.advance(700)
    two.leader.wake_all()
    await two.run(2)
    assert two.leader.condition("SourceUnreachable") == ("True", "SourceUnreachable")
