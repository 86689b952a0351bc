"""What no watch sees Prometheus sees: through the box's real Prometheus and Alertmanager an alert opens, joins, floods, comes late, and proves."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.harness import prometheus, story, table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, outline
from tests.harness.instants import now, parse
from tests.harness.waiting import holds_for, wait_for

RATIO = 'avg(shop_error_ratio{{namespace="{namespace}"}})'


def alertname(arena: Arena, word: str) -> str:
    """A name of this scenario's own: Alertmanager is everybody's."""
    return f"{word}{arena.namespace.replace('-', '')}"


def signal(incident: Object, name: str) -> Object:
    """What an alert of that name says on the Incident."""
    return next((one for one in incident["status"]["signals"] if one.get("labels", {}).get("alertname") == name), {})


@pytest.mark.timeout(420, func_only=True)
def test_an_error_ratio_opens_an_incident_that_no_watch_sees_and_a_runbook_for_the_alert_heals_it(arena):
    ratio, name = RATIO.format(namespace=arena.namespace), alertname(arena, "ErrorsAfterRollout")
    question = RATIO.format(namespace="${target.namespace}")
    check = {"name": "errors", "promql": {"query": question, "success": "value < 0.01", "failure": "value > 0.4"}}
    verify = {"stabilizeSeconds": 5, "intervalSeconds": 3, "successes": 3, "timeoutSeconds": 120, "failureLimit": 10}
    checks = [{"name": "healthy", "workloadHealthy": {}}, check, {"name": "cleared", "alertCleared": {}}]
    match = {"alerts": [f'{{alertname="{name}"}}'], "targets": {"kinds": ["Deployment"]}, "dwellSeconds": 5}
    arena.runbook("errors", match=match, verify=verify | {"checks": checks})
    good_version = workloads.shop(arena.namespace, ratio=0)
    good = arena.start(good_version)
    prometheus.add_rule(arena.installation.state, arena.namespace, name, f"{ratio} > 0.1", "2m", {"severity": "critical", **target("shop", arena)})
    instant = arena.roll_out(workloads.shop(arena.namespace, ratio=0.5))
    wait_for(lambda: arena.witness.spell("Deployment", "shop", instant).first, 40, "for Kubernetes the bad version is healthy")
    incident = arena.incident("shop", seconds=200)
    assert incident["spec"]["source"]["kind"] == "Alertmanager"
    incident = arena.when(incident, lambda one: one["status"].get("phase") == "Resolved", "is resolved", seconds=120)
    live = arena.api.get("Deployment", "shop", arena.namespace)
    assert live["spec"]["template"] == good.template, "the revision before is back"
    attempt = arena.remediations(incident)[0]
    assert attempt["status"]["outcome"] == "Remediated"
    proofs = [one for one in attempt["status"]["measurements"] if one["check"] == "errors" and one["result"] == "Success"]
    assert len(proofs) >= 3, attempt["status"]["measurements"]
    assert {float(one["value"]) for one in proofs} == {0.0}
    status = incident["status"]
    assert status["cause"] == "Alert", outline(incident)
    assert [one["key"].split("/")[0] for one in status["signals"]] == ["alert"], "no watch saw it"
    began = parse(status["times"]["startedTime"])
    assert instant <= began <= instant + timedelta(seconds=30), "it began when the condition did, not two minutes later when the alert fired"
    heal = (parse(status["times"]["resolvedTime"]) - began).total_seconds()
    row = table.Row(scenario="error ratio, for: 2m", expected="Resolved Alert", seen=f"{status['phase']} {status['cause']}", heal=heal)
    table.add(arena.installation.folder, row)
    story.conventions(incident)


def target(name: str, arena: Arena) -> dict[str, str]:
    """The labels by which an alert names a Deployment."""
    return {"namespace": arena.namespace, "deployment": name}


def broken(arena: Arena, name: str) -> tuple[Object, Object]:
    """A rollout that a watch sees: its Incident, and the good version."""
    made = workloads.deployment(name, arena.namespace)
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    return arena.incident(name), made


def test_r03_two_alerts_beside_a_watch_signal_join_its_incident_and_gate_its_end(arena):
    incident, _ = broken(arena, "joined")
    names = [alertname(arena, word) for word in ("Errors", "Latency")]
    for name in names:
        prometheus.alertmanager_fire({"alertname": name, "severity": "warning", **target("joined", arena)})
    incident = arena.when(incident, lambda one: all(signal(one, name) for name in names), "both alerts joined", seconds=30)
    assert len(arena.incidents()) == 1
    assert {one["source"] for one in incident["status"]["signals"]} == {"Watch", "Alertmanager"}
    told = [one["message"] for one in incident["status"]["timeline"] if one["what"] == "Joined"]
    assert len(told) == 2, told
    arena.when(incident, lambda one: condition(one, "Mitigated").get("status") == "True", "is mitigated by the rollback", seconds=90)
    holds_for(lambda: arena.again(incident)["status"]["phase"] == "Mitigated", 8, "while an alert fires it is mitigated, not resolved", interval=1)
    for name in names:
        prometheus.alertmanager_fire({"alertname": name, "severity": "warning", **target("joined", arena)}, ends=now())
    resolved = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "is resolved once both cleared", seconds=60)
    assert {signal(resolved, name)["state"] for name in names} == {"Resolved"}
    table.add(arena.installation.folder, table.Row(scenario="R03 alerts beside a watch signal", expected="1 Incident", seen="1 Incident"))
    story.conventions(resolved)


def test_an_alert_that_fires_after_the_heal_for_the_time_before_it_reopens_nothing(arena):
    incident, _ = broken(arena, "behind")
    began = parse(arena.again(incident)["status"]["times"]["startedTime"])
    resolved = arena.when(incident, lambda one: one["status"].get("phase") == "Resolved", "is resolved", seconds=90)
    name = alertname(arena, "Behind")
    prometheus.alertmanager_fire({"alertname": name, "severity": "critical", **target("behind", arena)}, starts=began)
    after = arena.when(resolved, lambda one: signal(one, name), "the alert attaches", seconds=30)
    assert after["status"]["phase"] == "Resolved", outline(after)
    holds_for(lambda: arena.again(incident)["status"]["phase"] == "Resolved", 15, "it reopens nothing", interval=1)
    assert arena.again(incident)["status"]["reopenCount"] == 0
    assert len(arena.incidents()) == 1
    prometheus.alertmanager_fire({"alertname": name, "severity": "critical", **target("behind", arena)}, ends=now())


def test_a_flood_of_one_alert_stays_one_incident(arena):
    made = workloads.deployment("flooded", arena.namespace)
    arena.start(made)
    name, began = alertname(arena, "Flood"), now()
    labels = {"alertname": name, "severity": "warning", **target("flooded", arena)}
    for number in range(40):
        body = prometheus.body(*(prometheus.alert({**labels, "pod": f"flooded-{number}-{member}"}, starts=began) for member in range(25)))
        assert prometheus.webhook(body, arena.installation.token) == 200
    incident = arena.incident("flooded")
    incident = arena.when(incident, lambda one: sum(entry["count"] for entry in one["status"]["signals"]) >= 1000, "all are counted", seconds=30)
    assert len(arena.incidents()) == 1
    assert len(incident["status"]["signals"]) <= 100
    assert condition(incident, "Truncated")["status"] == "True"
    writes = [one for one in arena.writes() if one.resource == "incidents"]
    assert len(writes) <= 50, f"{len(writes)} writes for 1000 alerts"
    assert [one["what"] for one in incident["status"]["timeline"]].count("Joined") <= 2, "a flood does not push the story out of the timeline"
    table.add(
        arena.installation.folder, table.Row(scenario="a flood of 1000 alerts", expected="1 Incident", seen="1 Incident", writes=str(len(writes)))
    )


def test_c03_a_firing_that_began_before_its_end_is_held_until_the_poll_says_that_it_is_over(arena):
    made = workloads.deployment("stale", arena.namespace, replicas=1)
    arena.start(made)
    labels = {"alertname": alertname(arena, "Stale"), "severity": "warning", **target("stale", arena)}
    starts, ends = now() - timedelta(minutes=3), now() - timedelta(minutes=1)
    dropped = sum(prometheus.metrics("prunella_alerts_stale_dropped_total").values())

    def deliver(status: str) -> None:
        one = prometheus.alert(labels, status=status, starts=starts, ends=ends if status == "resolved" else None)
        assert prometheus.webhook(prometheus.body(one), arena.installation.token) == 200

    deliver("firing")
    incident = arena.incident("stale")
    deliver("resolved")
    arena.when(incident, lambda one: signal(one, labels["alertname"])["state"] == "Resolved", "is cleared", seconds=15)
    deliver("firing")
    # Alertmanager, asked at once, does not have it: the copy came late.
    wait_for(lambda: sum(prometheus.metrics("prunella_alerts_stale_dropped_total").values()) >= dropped + 1, 60, "the copy is dropped")
    deliver("resolved")
    incident = arena.when(incident, lambda one: signal(one, labels["alertname"])["state"] == "Resolved", "stays cleared", seconds=30)
    assert (incident["status"]["episode"], incident["status"]["reopenCount"]) == (1, 0)
    assert len(arena.incidents()) == 1


def test_c10_of_a_truncated_message_the_poll_brings_the_rest(arena):
    made = workloads.deployment("cut", arena.namespace, replicas=1)
    arena.start(made)
    name = alertname(arena, "Cut")
    every = [{"alertname": name, "severity": "warning", "pod": f"cut-{number}", **target("cut", arena)} for number in range(30)]
    for labels in every:
        prometheus.alertmanager_fire(labels)
    incident = arena.incident("cut")
    arena.when(incident, lambda one: len(one["status"]["signals"]) == 30, "thirty fire", seconds=30)
    for labels in every[:10]:
        prometheus.alertmanager_fire(labels, ends=now())
    ended = [prometheus.alert(labels, status="resolved", starts=now() - timedelta(minutes=2), ends=now()) for labels in every[:10]]
    assert prometheus.webhook(prometheus.body(*ended, status="resolved", truncated=20), arena.installation.token) == 200

    def states(one: Object) -> list[str]:
        return sorted(entry["state"] for entry in one["status"]["signals"])

    cut = ["Firing"] * 20 + ["Resolved"] * 10
    arena.when(incident, lambda one: states(one) == cut, "ten ended", seconds=30)
    holds_for(lambda: states(arena.again(incident)) == cut, 20, "the poll finds twenty firing", interval=1)
    assert arena.again(incident)["status"]["phase"] == "Triggered"
    for labels in every[10:]:
        prometheus.alertmanager_fire(labels, ends=now())
