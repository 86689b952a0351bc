"""Intake: every alert ends on one Incident or was proved to need none, whatever is repeated, reordered or lost (I4, V5)."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta
from typing import Any

import pytest
from tests.core.builders import NOON, ago, later
from tests.fakes.operator import Operator, Place, shop

from prunella.api.base import micro_time
from prunella.api.incident import Incident
from prunella.api.names import MessageKind, SourceKind
from prunella.app.around.tombstones import Tombstones
from prunella.app.errors import Permanent, Retryable
from prunella.core.facts import AlertFacts, NamespaceFacts

DEPLOYMENT = {"namespace": "shop", "deployment": "checkout"}


def alert(name: str = "HighErrors", state: str = "firing", *, starts: float = 0, ends: float | None = None, labels: Any = DEPLOYMENT, **changes: Any):
    """One member of a webhook body; `starts` and `ends` are seconds after noon."""
    given = {
        "status": state,
        "labels": {"alertname": name, "severity": "critical", **labels},
        "annotations": {"summary": "too many errors"},
        "startsAt": micro_time(later(starts)),
        "endsAt": micro_time(later(ends)) if ends is not None else "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus",
    }
    return given | changes


@pytest.fixture
async def place():
    made = shop()
    made.cluster.create()
    return made


@pytest.fixture
async def operator(place: Place):
    one = Operator(place)
    await one.run(1)
    yield one
    await one.close()


def incidents(place: Place) -> list[Incident]:
    return place.api.all(Incident)


def counted(place: Place, result: str) -> int:
    return place.telemetry.counted("alerts_received_total", result=result)


async def test_c01_the_same_alert_by_two_peers_is_one_incident_with_one_page_and_a_count_of_two(place, operator):
    await operator.take(alert())
    place.clock.advance(0.2)
    await operator.take(alert(generatorURL="http://another"))
    await operator.run(70)
    [one] = incidents(place)
    assert [(signal.key.split("/")[0], signal.count) for signal in one.status.signals] == [("alert", 2)]
    assert place.deliver.to(MessageKind.PAGE) == ["primary"]
    assert (counted(place, "Opened"), counted(place, "Attached")) == (1, 1)


async def test_c02_two_processes_that_receive_the_first_firing_at_once_make_one_incident(place, operator):
    other = Operator(place)
    place.view.go_stale()
    created = [0]
    real = place.api.create_incident

    async def slow(incident):
        created[0] += 1
        while created[0] < 2:  # both have asked before either is answered
            await asyncio.sleep(0)
        return await real(incident)

    place.api.create_incident = slow
    now = place.clock.now()
    await asyncio.gather(operator.intake.alerts([alert()], now, 0), other.intake.alerts([alert()], now + timedelta(milliseconds=5), 0))
    place.view.catch_up()
    place.view.catch_up()
    assert created[0] == 2, "both tried"
    await operator.run(15)  # what only counts is written within ten seconds, by whoever took it
    await other.run(70)
    [one] = incidents(place)
    assert one.status.signals[0].count == 2
    assert place.deliver.to(MessageKind.PAGE) == ["primary"]
    await other.close()


async def test_c05_a_late_resolve_of_an_older_episode_is_ignored(place, operator):
    place.clock.advance(120)
    await operator.take(alert(starts=100))
    await operator.take(alert(state="resolved", starts=0, ends=50))
    [one] = incidents(place)
    assert one.status.signals[0].state == "Firing"


async def test_c06_a_resolve_for_an_unknown_alert_makes_no_incident(place, operator):
    await operator.take(alert(state="resolved", ends=50))
    assert incidents(place) == []
    assert counted(place, "ResolvedUnknown") == 1


@pytest.mark.parametrize("again", [False, True], ids=["gone", "made anew"])
async def test_a_resolve_ends_its_alert_on_the_incident_of_a_workload_that_is_gone(place, operator, again):
    await operator.take(alert())
    place.cluster.remove(place.cluster.workloads["Deployment", "shop", "checkout"])
    if again:
        place.cluster.create()
        place.clock.advance(60)
        await operator.take(alert())
    await operator.run(10)
    first = incidents(place)[0]
    assert len(incidents(place)) == 1 + again
    assert [signal.state for signal in first.status.signals] == ["Firing"]
    await operator.take(alert(state="resolved", ends=5))
    await operator.run(10)
    first = incidents(place)[0]
    assert (first.status.phase, [signal.state for signal in first.status.signals]) == ("Resolved", ["Resolved"])
    assert counted(place, "Resolved") == 1


async def test_a_resolve_ends_its_alert_where_it_stood_for_itself_before_its_workload_was_known(place, operator):
    await operator.take(alert(labels={"namespace": "shop", "deployment": "late"}))
    place.cluster.create("late")
    place.clock.advance(60)
    await operator.take(alert(labels={"namespace": "shop", "deployment": "late"}))
    assert sorted(one.spec.target_ref.kind for one in incidents(place)) == ["Alert", "Deployment"]
    await operator.take(alert(state="resolved", ends=5, labels={"namespace": "shop", "deployment": "late"}))
    assert {signal.state for one in incidents(place) for signal in one.status.signals} == {"Resolved"}


async def test_c07_a_firing_that_began_before_its_resolve_was_delivered_is_stale(place, operator):
    place.clock.advance(60)
    await operator.take(alert(state="resolved", starts=0, ends=50))
    await operator.take(alert(starts=0))
    assert incidents(place) == []
    assert (counted(place, "Stale"), place.telemetry.counted("alerts_stale_dropped_total")) == (1, 1)
    await operator.take(alert(starts=51))
    assert len(incidents(place)) == 1, "what begins after it is news"


async def test_c07_an_older_resolve_forgets_nothing(place, operator):
    place.clock.advance(60)
    await operator.take(alert(state="resolved", starts=0, ends=50))
    await operator.take(alert(state="resolved", starts=0, ends=20))
    await operator.take(alert(starts=30))
    assert incidents(place) == []


async def test_a_resolve_is_forgotten_after_a_day(place, operator):
    await operator.take(alert(state="resolved", starts=0, ends=50))
    place.clock.advance(86_400 + 60)
    await operator.take(alert("Other", state="resolved", starts=86_400, ends=86_400))
    await operator.take(alert(starts=40))
    assert len(incidents(place)) == 1


async def test_a_restart_remembers_the_resolves_that_stand_on_incidents(place, operator):
    await operator.take(alert(starts=0))
    place.clock.advance(20)
    await operator.take(alert(state="resolved", starts=0, ends=10))
    await operator.run(7200)
    [one] = incidents(place)
    assert one.status.phase == "Resolved"
    again = Operator(place)
    await again.take(alert(starts=5))
    assert len(incidents(place)) == 1
    assert counted(place, "Stale") == 1
    await again.close()


async def test_c38_one_malformed_alert_among_twenty_spoils_nothing(place, operator, caplog):
    body = [alert(f"Rule{index}") for index in range(19)]
    with caplog.at_level(logging.WARNING):
        await operator.take(*body[:7], {"status": "Firing", "labels": "none"}, *body[7:])
    [one] = incidents(place)
    assert len(one.status.signals) == 19
    assert counted(place, "Quarantined") == 1
    assert [record.message for record in caplog.records] == ["Quarantined an alert"]
    assert caplog.records[0].why.startswith("status must be 'firing' or 'resolved'")


async def test_17_a_body_of_malformed_alerts_costs_neither_the_good_one_nor_the_log(place, operator, caplog):
    with caplog.at_level(logging.WARNING):
        await operator.take(*[{"status": "Firing"}] * 30_000, alert())
    assert len(incidents(place)) == 1
    assert counted(place, "Quarantined") == 30_000
    assert [record.message for record in caplog.records] == ["Quarantined an alert"] * 10 + ["Quarantined more alerts of the same body"]
    assert caplog.records[-1].more == 29_990


async def test_r02_every_alert_of_a_body_is_taken(place, operator):
    for index in range(50):
        place.cluster.create(f"w{index}")
    await operator.take(*(alert(labels={"namespace": "shop", "deployment": f"w{index}"}) for index in range(50)))
    assert len(incidents(place)) == 50


async def test_r03_two_alerts_and_a_watch_signal_on_one_deployment_are_one_incident(place, operator):
    place.cluster.bad.add("shop/app:2")
    place.cluster.set_image(place.cluster.workloads["Deployment", "shop", "checkout"], "shop/app:2")
    await operator.run(3)
    await operator.take(alert("A"), alert("B"))
    [one] = incidents(place)
    assert sorted(signal.source for signal in one.status.signals) == [SourceKind.ALERTMANAGER, SourceKind.ALERTMANAGER, SourceKind.WATCH]
    assert one.status.cause == "RolloutCrashLoop"


async def test_an_alert_that_came_first_is_joined_by_the_watch(place, operator):
    await operator.take(alert())
    place.cluster.bad.add("shop/app:2")
    place.cluster.set_image(place.cluster.workloads["Deployment", "shop", "checkout"], "shop/app:2")
    await operator.run(3)
    [one] = incidents(place)
    assert one.source_kind is SourceKind.ALERTMANAGER
    assert {signal.source for signal in one.status.signals} == {SourceKind.ALERTMANAGER, SourceKind.WATCH}


async def test_c36_an_alert_that_names_a_pod_that_is_gone_is_about_its_workload(place, operator):
    place.view.departed["shop", "checkout-h0-x"] = ("Deployment", "checkout")
    await operator.take(alert(labels={"namespace": "shop", "pod": "checkout-h0-x"}))
    [one] = incidents(place)
    assert (one.spec.target_ref.kind, one.spec.target_ref.name, one.spec.target_ref.uid) == ("Deployment", "checkout", "w-1")


@pytest.mark.parametrize(
    ("labels", "namespace"),
    [({}, "prunella-system"), ({"namespace": "nowhere"}, "prunella-system"), ({"namespace": "shop"}, "shop")],
    ids=["no namespace", "a namespace that is not there", "no workload"],
)
async def test_an_alert_that_names_no_workload_stands_for_itself(place, operator, labels, namespace):
    await operator.take(alert(labels=labels))
    [one] = incidents(place)
    assert (one.spec.target_ref.kind, one.metadata.namespace) == ("Alert", namespace)


async def test_a_namespace_that_is_being_deleted_takes_no_incident(place, operator):
    place.view.namespace = lambda name: NamespaceFacts(name=name, deleting=True)
    await operator.take(alert())
    [one] = incidents(place)
    assert one.metadata.namespace == "prunella-system"


@pytest.mark.parametrize(
    ("rules", "active", "started", "lower"),
    [
        ({}, {}, 0, True),
        ({"HighErrors": 120}, {}, -120, False),
        ({"HighErrors": 120}, {"HighErrors": ago(300)}, -300, False),
        ({}, {"HighErrors": later(30)}, 0, False),
    ],
    ids=["nothing known", "the rule's `for`", "Prometheus' activeAt", "an activeAt that is too late"],
)
async def test_the_fault_began_before_its_alert_by_the_best_knowledge(place, operator, rules, active, started, lower):
    place.queries.rules, place.queries.active = rules, active
    await operator.take(alert())
    [one] = incidents(place)
    signal = one.spec.source.signal
    assert (signal.started_time, signal.lower_bound, signal.alert_start_time) == (later(started), lower, NOON)


async def test_an_alert_without_a_start_began_when_it_was_received(place, operator):
    await operator.take(alert(startsAt="0001-01-01T00:00:00Z"))
    [one] = incidents(place)
    assert one.spec.source.signal.alert_start_time == place.clock.now()


async def test_prometheus_is_asked_when_an_incident_opens_and_not_for_each_repeat(place, operator):
    place.queries.rules = {"HighErrors": 120}
    await operator.take(alert())
    place.queries.asked.clear()
    key = operator.incident.spec.target_ref
    one = read(alert())
    placed = await operator.intake._place(one, operator.intake._target(one))
    assert placed == (operator.incident.metadata.namespace, operator.incident.metadata.name)
    assert place.queries.asked == []
    assert key.name == "checkout"


def read(raw, received=NOON):
    from prunella.core.incident.alert_facts import read_alert

    found = read_alert(raw, received)
    assert isinstance(found, AlertFacts)
    return found


def written(place: Place, verb: str) -> int:
    return sum((one.verb, one.kind) == (verb, "Incident") for one in place.api.writes)


async def test_a_body_of_many_alerts_costs_each_target_one_create_and_one_status_although_the_cache_lags(place, operator):
    place.cluster.create(name="cart")
    place.view.go_stale(workloads=False)
    place.api.writes.clear()
    labels = [{"namespace": "shop", "deployment": name} for name in ("checkout", "cart")]
    await operator.take(*(alert(f"Errors{number}", labels=labels[number % 2]) for number in range(120)))
    assert (written(place, "create"), written(place, "update status")) == (2, 2)
    assert [sum(signal.count for signal in one.status.signals) for one in incidents(place)] == [60, 60]
    assert (counted(place, "Opened"), counted(place, "Attached")) == (2, 118)
    place.view.catch_up()


def passes(place: Place) -> int:
    return sum(name == "reconcile_duration_seconds" for name, _ in place.telemetry.seen)


async def test_bodies_that_come_while_an_incident_is_being_written_share_its_next_write(place, operator):
    await operator.take(alert())
    before = passes(place)
    await asyncio.gather(*(operator.take(alert(f"Errors{number}")) for number in range(40)))
    [one] = incidents(place)
    assert sum(signal.count for signal in one.status.signals) == 41
    assert passes(place) - before <= 2


async def test_an_alert_whose_incident_is_deleted_before_it_is_stored_is_not_answered_with_200(place, operator):
    await operator.take(alert())
    place.view.go_stale(workloads=False)
    place.api.delete("Incident", "shop", operator.incident.metadata.name)
    with pytest.raises(Retryable, match="was deleted meanwhile"):
        await operator.take(alert("Other"))
    place.view.catch_up()
    await operator.take(alert("Other"))
    [one] = incidents(place)
    assert [signal.labels["alertname"] for signal in one.status.signals] == ["Other"]


async def test_a_delivery_that_tells_nothing_new_is_not_kept_for_a_write_that_never_comes(place, operator):
    await operator.take(alert())
    await operator.take(alert())
    served = operator.served
    await operator.run(30)
    assert operator.served - served < 5


# what is not stored is not answered with 200


async def test_an_alert_that_could_not_be_stored_is_asked_for_again_and_lost_in_no_way(place, operator):
    def down(when: str, verb: str, what: str) -> None:
        raise Retryable("the API server answered 503")

    place.api.gate = down
    with pytest.raises(Retryable, match="1 of 1 alerts could not be stored"):
        await operator.take(alert())
    assert incidents(place) == []
    place.api.gate = lambda _when, _verb, _what: None
    await operator.take(alert())
    assert len(incidents(place)) == 1


async def test_where_only_the_status_could_not_be_written_nothing_is_lost_either(place, operator):
    await operator.take(alert("A"))

    def down(when: str, verb: str, what: str) -> None:
        if verb == "update status":
            raise Retryable("the API server answered 503")

    place.api.gate = down
    with pytest.raises(Retryable):
        await operator.take(alert("B"))
    place.api.gate = lambda _when, _verb, _what: None
    await operator.run(10)
    await operator.take(alert("B"))
    [one] = incidents(place)
    assert sorted(signal.labels["alertname"] for signal in one.status.signals) == ["A", "B"]


async def test_one_alert_that_nobody_can_store_keeps_none_of_the_others(place, operator):
    """Poison: a namespace that takes no objects. The others are stored, and the answer says that not all were."""
    place.cluster.namespaces["pay"] = {}
    place.cluster.create("ledger", namespace="pay")

    def refuse(when: str, verb: str, what: str) -> None:
        if what.startswith("Incident/ledger"):
            raise Permanent("403: the namespace is being terminated")

    place.api.gate = refuse
    with pytest.raises(Retryable, match="1 of 2 alerts could not be stored"):
        await operator.take(alert(labels={"namespace": "pay", "deployment": "ledger"}), alert())
    [one] = incidents(place)
    assert one.spec.target_ref.name == "checkout"


async def test_a_name_that_is_always_taken_is_given_up_for_now(place, operator):
    """Somebody else's objects bear each of the names; in vain is said, not looped."""

    async def taken(incident):
        from prunella.app.errors import AlreadyExists

        raise AlreadyExists("taken")

    place.api.create_incident = taken
    with pytest.raises(Retryable):
        await operator.take(alert())


async def test_a_closed_incident_that_the_cache_does_not_show_yet_is_chained_on(place, operator):
    await operator.take(alert(starts=0))
    place.clock.advance(20)
    await operator.take(alert(state="resolved", starts=0, ends=10))
    await operator.run(7200)
    [first] = incidents(place)
    place.view.go_stale()
    place.view._objects = {key: one for key, one in place.api.objects.items() if not isinstance(one, Incident)}
    operator.intake._tombstones = Tombstones()
    await operator.take(alert(starts=7000))
    assert len(incidents(place)) == 2
    assert first.metadata.name != incidents(place)[1].metadata.name


# the poll


def listed(name="HighErrors", state="firing", *, starts=0.0, updated=None, labels=DEPLOYMENT):
    facts = read(alert(name, starts=starts, labels=labels))
    return AlertFacts(
        fingerprint=facts.fingerprint,
        state=state,
        labels=facts.labels,
        annotations=facts.annotations,
        starts_time=later(starts),
        updated_time=later(starts if updated is None else updated),
        received_time=NOON + timedelta(hours=3) if updated is not None else later(starts + 1),
    )


async def test_the_poll_takes_in_what_the_webhook_lost(place, operator):
    one = listed()
    await operator.intake.polled({one.fingerprint: one})
    assert len(incidents(place)) == 1


async def test_the_poll_takes_in_the_others_where_one_cannot_be_stored(place, operator):
    place.cluster.create("other")
    refused, taken = listed(), listed(labels={"namespace": "shop", "deployment": "other"})
    real = place.api.create_incident

    async def create(incident):
        if incident.spec.target_ref.name == "checkout":
            raise Permanent("refused for good")
        return await real(incident)

    place.api.create_incident = create
    with pytest.raises(Retryable, match="1 of 2 alerts could not be stored, or the Incidents of some: refused for good"):
        await operator.intake.polled({"first": refused, "second": taken})
    assert [one.spec.target_ref.name for one in incidents(place)] == ["other"]


async def test_what_the_poll_brings_for_one_incident_is_stored_at_once(place, operator):
    real, reads = place.api.incident, []

    async def incident(namespace, name):
        reads.append(name)
        return await real(namespace, name)

    place.api.incident = incident
    known = {f"{number:016x}": listed(f"Rule{number}") for number in range(150)}
    await operator.intake.polled(known)
    [one] = incidents(place)
    assert len(one.status.signals) == 100
    assert len(reads) == 1


@pytest.mark.parametrize("state", ["suppressed"])
async def test_the_poll_opens_nothing_for_what_is_silenced(place, operator, state):
    one = listed(state=state)
    await operator.intake.polled({one.fingerprint: one})
    assert incidents(place) == []


async def test_the_poll_has_what_is_known_decided_again_and_opens_nothing(place, operator):
    await operator.take(alert())
    await operator.run(1)
    one = listed()
    await operator.intake.polled({one.fingerprint: one})
    assert len(incidents(place)) == 1
    assert list(operator.pending) == [(operator.incident.metadata.namespace, operator.incident.metadata.name)]


async def test_the_poll_opens_a_new_incident_where_the_known_one_is_closed(place, operator):
    await operator.take(alert(starts=0))
    place.clock.advance(20)
    await operator.take(alert(state="resolved", starts=0, ends=10))
    await operator.run(7200)
    one = listed(starts=7100)
    await operator.intake.polled({one.fingerprint: one})
    assert len(incidents(place)) == 2


async def test_a_stale_one_that_the_poll_lists_opens_nothing(place, operator):
    await operator.take(alert(state="resolved", starts=0, ends=50))
    one = listed(starts=0)
    await operator.intake.polled({one.fingerprint: one})
    assert incidents(place) == []


@pytest.mark.parametrize(("later_by", "opened"), [(60, 0), (61, 1)], ids=["not later than an evaluation", "later"])
async def test_a_stale_one_that_the_poll_confirms_opens_an_incident(place, operator, later_by, opened):
    place.clock.advance(60)
    await operator.take(alert(state="resolved", starts=0, ends=50))
    place.clock.advance(7200)
    await operator.take(alert(starts=0))
    assert counted(place, "Stale") == 1
    one = listed(starts=0, updated=61 + later_by)
    await operator.intake.polled({one.fingerprint: one})
    assert len(incidents(place)) == opened


async def test_a_restart_knows_since_when_a_poll_must_have_seen_it_again(place, operator):
    await operator.take(alert(starts=0))
    place.clock.advance(20)
    await operator.take(alert(state="resolved", starts=0, ends=10))
    await operator.run(7200)
    again = Operator(place)
    for updated, opened in ((81, 1), (82, 2)):
        one = listed(starts=5, updated=updated)
        await again.intake.polled({one.fingerprint: one})
        assert len(incidents(place)) == opened
    await again.close()


async def test_what_the_watch_finds_again_makes_no_second_incident(place, operator):
    place.cluster.bad.add("shop/app:2")
    place.cluster.set_image(place.cluster.workloads["Deployment", "shop", "checkout"], "shop/app:2")
    await operator.run(2)
    operator.pending.clear()
    sight = next(iter(operator.observer._sights.values()))
    await operator.intake.found(sight.detection.finding)
    assert len(incidents(place)) == 1
    assert operator.pending == {}
    assert timedelta(0) < place.clock.now() - NOON


async def test_truncation_is_said_in_the_log(place, operator, caplog):
    with caplog.at_level(logging.WARNING):
        await operator.take(alert(), truncated=90)
    assert "Alertmanager truncated a group" in caplog.text
    assert operator.condition("Truncated") == ("True", "Truncated")
