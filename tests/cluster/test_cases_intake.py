"""The intake's acceptance cases by their ids, on the running operator and a real API server: what Alertmanager may send, and what comes of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests.harness import processes, prometheus, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, outline
from tests.harness.fixtures import arena, box_lock, installed, make_arena
from tests.harness.installation import HOST, WEB_PORT, Installation, escalation_policy
from tests.harness.instants import now, parse
from tests.harness.waiting import holds_for, wait_for

__all__ = ["arena", "box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120, func_only=True)]
SECOND_PORT = 8081
BURST_TARGETS, BURST_EACH = 25, 10
HELD, MIB = 8, 1024 * 1024
"""So many bodies of 8 MiB are all the bytes that the webhook has room for."""


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    for made in installed():
        yield made
        made.forget_policy()


@pytest.fixture
def shop(arena: Arena) -> Arena:
    """A namespace with a healthy Deployment `shop`, of which alerts tell; the first page is due at once."""
    steps = [{"name": "primary", "afterSeconds": 0, "waitWhileRemediatingSeconds": 0, "notify": [{"contactRef": {"name": "primary"}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps))
    arena.kubectl_apply(workloads.deployment("shop", arena.namespace, replicas=1))
    wait_for(lambda: arena.witness.spell("Deployment", "shop", arena.began).first, 40, "shop is healthy", seen=lambda: arena.pods_in_words("shop"))
    return arena


def labels(arena: Arena, name: str = "Errors", **more: str) -> dict[str, str]:
    return {"alertname": name, "severity": "critical", "namespace": arena.namespace, "deployment": "shop", **more}


def send(arena: Arena, *alerts: Any, **options: Any) -> None:
    """What Alertmanager delivers, and counts as delivered."""
    assert prometheus.webhook(prometheus.body(*alerts, **options), arena.installation.token) == 200


def fires(arena: Arena, starts: datetime, **more: Any) -> None:
    send(arena, prometheus.alert(labels(arena), starts=starts), **more)


def resolves(arena: Arena, starts: datetime, ends: datetime) -> None:
    send(arena, prometheus.alert(labels(arena), status="resolved", starts=starts, ends=ends))


def alert_signal(incident: Object) -> Object:
    return next((one for one in incident["status"]["signals"] if one["source"] == "Alertmanager"), {})


def counter(name: str, labels: str = "") -> float:
    return sum(value for key, value in prometheus.metrics(f"prunella_{name}").items() if labels in key)


def pages(arena: Arena) -> list[str]:
    posts = [one for one in arena.inbox.posts("primary") if one.body["data"]["customData"]["kind"] == "Page"]
    return [one.headers["Idempotency-Key"] for one in posts]


def test_c01_one_alert_delivered_by_two_peers_is_one_incident_one_page_and_counted_twice(shop):
    began = now()
    for peer in ("http://alertmanager-0:9093", "http://alertmanager-1:9093"):
        fires(shop, began, peer=peer)
    incident = shop.incident("shop")
    incident = shop.when(incident, lambda one: alert_signal(one).get("count") == 2, "counts both", seconds=15)
    wait_for(lambda: pages(shop), 20, "a page")
    holds_for(lambda: len(pages(shop)) == 1, 5, "one page")
    assert len(shop.incidents()) == 1
    assert incident["spec"]["source"]["kind"] == "Alertmanager"


def test_c02_two_intake_processes_that_hear_the_same_first_firing_make_one_incident_and_one_page(shop):
    second = shop.installation.start_process(SECOND_PORT, leads=False)
    try:
        body = prometheus.body(prometheus.alert(labels(shop), starts=now()))
        with ThreadPoolExecutor(2) as pool:
            calls = [pool.submit(prometheus.webhook, body, shop.installation.token, port=port) for port in (WEB_PORT, SECOND_PORT)]
            statuses = [call.result() for call in calls]
        assert statuses == [200, 200]
        incident = shop.incident("shop")
        shop.when(incident, lambda one: alert_signal(one).get("count") == 2, "both stand on it", seconds=20)
        wait_for(lambda: pages(shop), 20, "a page")
        holds_for(lambda: len(set(pages(shop))) == 1, 5, "one page, recognisable by its key")
        creates = [one for one in shop.writes() if one.resource == "incidents" and one.verb == "create"]
        assert len(creates) == 1
        assert len(shop.incidents()) == 1
    finally:
        processes.stop(second)


def test_c04_a_recovery_that_nobody_saw_stays_one_incident_and_is_noted(shop):
    first = now() - timedelta(minutes=20)
    fires(shop, first)
    incident = shop.incident("shop")
    began = incident["status"]["times"]["startedTime"]
    fires(shop, now() - timedelta(minutes=5))
    incident = shop.when(incident, lambda one: "UnseenRecovery" in [entry["what"] for entry in one["status"]["timeline"]], "notes it", seconds=15)
    assert incident["status"]["times"]["startedTime"] == began
    assert incident["status"]["reopenCount"] == 0
    assert len(shop.incidents()) == 1


def test_c05_a_late_resolve_of_an_older_episode_is_ignored(shop):
    starts = now() - timedelta(minutes=1)
    fires(shop, starts)
    incident = shop.incident("shop")
    resolves(shop, starts - timedelta(minutes=10), starts - timedelta(minutes=5))
    holds_for(lambda: alert_signal(shop.again(incident)).get("state") == "Firing", 5, "it goes on firing")


def test_c06_a_resolve_of_an_unknown_alert_opens_nothing(shop):
    before = counter("alerts_received_total", 'result="ResolvedUnknown"')
    resolves(shop, now() - timedelta(minutes=9), now() - timedelta(minutes=4))
    shop.nothing_happens(5)
    assert counter("alerts_received_total", 'result="ResolvedUnknown"') == before + 1


def test_c07_a_firing_that_comes_after_its_resolve_is_stale(shop):
    dropped = counter("alerts_stale_dropped_total")
    starts, ends = now() - timedelta(minutes=9), now() - timedelta(minutes=4)
    resolves(shop, starts, ends)
    fires(shop, starts)
    shop.nothing_happens(5)
    assert counter("alerts_stale_dropped_total") == dropped + 1
    # A firing that began after that end is a new one.
    fires(shop, ends + timedelta(minutes=2))
    assert shop.incident("shop")["status"]["phase"] == "Triggered"


def test_c36_an_alert_that_names_a_deleted_pod_finds_its_owner(shop):
    gone = shop.pods("shop")[0]["metadata"]["name"]
    shop.api.delete("Pod", gone, shop.namespace, grace=0)
    wait_for(lambda: gone not in [one["metadata"]["name"] for one in shop.pods("shop")], 20, "the pod is gone")
    named = {"alertname": "KubePodCrashLooping", "severity": "warning", "namespace": shop.namespace, "pod": gone}
    send(shop, prometheus.alert(named))
    incident = shop.incident("shop")
    assert incident["spec"]["targetRef"]["kind"] == "Deployment"
    alive = wait_for(lambda: shop.pods("shop"), 20, "a new pod")[0]["metadata"]["name"]
    send(shop, prometheus.alert({**named, "pod": alive}))
    shop.when(incident, lambda one: len(one["status"]["signals"]) == 2, "the new pod's alert joins", seconds=15)
    assert len(shop.incidents()) == 1


def test_c37_the_exporters_own_labels_never_make_it_the_target(shop):
    exporter = {
        "pod": "kube-state-metrics-6d4cf56db6-x2x7p",
        "container": "kube-state-metrics",
        "service": "kube-state-metrics",
        "job": "kube-state-metrics",
    }
    send(shop, prometheus.alert(labels(shop, "KubeDeploymentReplicasMismatch", **exporter)))
    assert shop.incident("shop")["spec"]["targetRef"]["kind"] == "Deployment"
    itself = {"alertname": "QuotaAlmostFull", "severity": "warning", "namespace": shop.namespace, **exporter}
    send(shop, prometheus.alert(itself))
    other = wait_for(lambda: [one for one in shop.incidents() if one["spec"]["targetRef"]["kind"] == "Alert"], 20, "an Incident of the alert itself")[
        0
    ]
    other = shop.when(other, lambda one: one["status"].get("timeline"), "tells its story", seconds=10)
    story = " ".join(one["message"] for one in other["status"]["timeline"]) + " ".join(one["message"] for one in other["status"]["conditions"])
    assert "stands for itself" in story, outline(other)


def test_c38_one_malformed_alert_among_twenty_harms_no_other(shop):
    quarantined = counter("alerts_received_total", 'result="Quarantined"')
    good = [prometheus.alert(labels(shop, pod=f"shop-{number}")) for number in range(19)]
    send(shop, *good[:7], {"status": "firing", "labels": "none"}, *good[7:])
    incident = shop.incident("shop")
    shop.when(incident, lambda one: sum(signal["count"] for signal in one["status"]["signals"]) == 19, "19 are there", seconds=15)
    assert counter("alerts_received_total", 'result="Quarantined"') == quarantined + 1


@pytest.mark.parametrize("severity", ["sev-weird", None], ids=["unknown", "none"])
def test_c39_an_unknown_severity_is_high_and_flagged(shop, severity):
    named = labels(shop)
    if severity is None:
        del named["severity"]
    else:
        named["severity"] = severity
    send(shop, prometheus.alert(named))
    incident = shop.incident("shop")
    assert incident["status"]["urgency"] == "High"
    assert "severity" in incident["status"]["priorityReason"], incident["status"]["priorityReason"]


@pytest.mark.parametrize("starts", ["ahead", "0001-01-01T00:00:00Z"], ids=["ten minutes ahead", "year 1"])
def test_c41_a_start_that_cannot_be_true_counts_from_its_receipt(shop, starts):
    sent = now()
    send(shop, prometheus.alert(labels(shop), starts=now() + timedelta(minutes=10) if starts == "ahead" else starts))
    incident = shop.incident("shop")
    began = parse(incident["status"]["times"]["startedTime"])
    assert abs(began - sent) < timedelta(seconds=5), began
    shop.when(incident, lambda one: condition(one, "ClockSkew").get("status") == "True", "it says so", seconds=20)


@pytest.mark.parametrize("token", [None, "", "wrong"], ids=["no token", "empty", "wrong"])
def test_r40_who_does_not_prove_himself_is_answered_401(shop, token):
    assert prometheus.webhook(prometheus.body(prometheus.alert(labels(shop))), token) == 401
    shop.nothing_happens(3)


def test_r40_what_is_not_json_is_400_and_an_unknown_path_404(shop):
    assert prometheus.webhook(b"{", shop.installation.token) == 400
    assert prometheus.webhook({}, shop.installation.token, path="/api/v1/alertmanager/configs") == 404


def test_r01_r40_overload_is_answered_503_and_never_429(shop):
    head = f"POST /api/v1/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {shop.installation.token}\r\nContent-Length: {8 * MIB}\r\n\r\n"
    held = [socket.create_connection((HOST, WEB_PORT), timeout=5) for _ in range(HELD)]
    try:
        for one in held:
            one.sendall(head.encode() + b"{")
        body = prometheus.body(prometheus.alert(labels(shop)))
        wait_for(lambda: prometheus.webhook(body, shop.installation.token) == 503, 5, "the next is turned away", interval=0.2)
    finally:
        for one in held:
            one.close()
    wait_for(lambda: prometheus.webhook(body, shop.installation.token) == 200, 20, "the retry is taken", interval=1)
    assert shop.incident("shop")


def test_c03_the_same_start_again_after_its_end_is_held_and_does_not_reopen(shop):
    starts = now() - timedelta(minutes=3)
    ends = now() - timedelta(minutes=1)
    fires(shop, starts)
    incident = shop.incident("shop")
    resolves(shop, starts, ends)
    shop.when(incident, lambda one: alert_signal(one).get("state") == "Resolved", "is cleared", seconds=15)
    fires(shop, starts)
    shop.when(incident, lambda one: alert_signal(one).get("state") == "Stale", "the copy is held", seconds=15)
    resolves(shop, starts, ends)
    incident = shop.when(incident, lambda one: alert_signal(one).get("state") == "Resolved", "and dropped", seconds=15)
    assert (incident["status"]["episode"], incident["status"]["reopenCount"]) == (1, 0)
    assert len(pages(shop)) <= 1


def test_c10_a_truncated_body_ends_only_what_it_names(shop):
    starts = now() - timedelta(minutes=2)
    every = [labels(shop, pod=f"shop-{number}") for number in range(30)]
    send(shop, *(prometheus.alert(one, starts=starts) for one in every))
    incident = shop.incident("shop")
    shop.when(incident, lambda one: len(one["status"]["signals"]) == 30, "thirty fire", seconds=15)
    ended = [prometheus.alert(one, status="resolved", starts=starts, ends=now()) for one in every[:10]]
    send(shop, *ended, status="resolved", truncated=20)

    def states(one: Object) -> list[str]:
        return sorted(signal["state"] for signal in one["status"]["signals"])

    incident = shop.when(incident, lambda one: states(one) == ["Firing"] * 20 + ["Resolved"] * 10, "ten ended", seconds=15)
    assert condition(incident, "Truncated")["status"] == "True"
    holds_for(lambda: shop.again(incident)["status"]["phase"] == "Triggered", 5, "it stays open")


def test_r02_a_batch_of_fifty_alerts_is_fifty_signals(shop):
    send(shop, *(prometheus.alert(labels(shop, pod=f"shop-{number}")) for number in range(50)))
    incident = shop.incident("shop")
    shop.when(incident, lambda one: sum(signal["count"] for signal in one["status"]["signals"]) == 50, "fifty", seconds=15)


def test_a_burst_that_three_senders_tell_is_one_incident_a_target_and_every_alert_is_counted_three_times(shop):
    """Fault 30, a tenth of it: what ten thousand cost is measured by the bench."""
    targets = [f"burst-{number}" for number in range(BURST_TARGETS)]
    shop.kubectl_apply(*(workloads.deployment(name, shop.namespace, replicas=0) for name in targets))
    wait_for(lambda: {*targets} <= {one["metadata"]["name"] for one in shop.witness.current("Deployment")}, 30, "they are seen")
    began = now()
    alerts = {name: [prometheus.alert(labels(shop, f"Burst{one}", deployment=name), starts=began) for one in range(BURST_EACH)] for name in targets}

    def sends(peer: int) -> list[int]:
        bodies = (prometheus.body(*alerts[name], peer=f"http://alertmanager-{peer}:9093") for name in targets)
        return [prometheus.webhook(body, shop.installation.token) for body in bodies]

    with ThreadPoolExecutor(3) as pool:
        answers = [answer for answered in pool.map(sends, range(3)) for answer in answered]
    assert set(answers) == {200}, "all of it was taken"

    def counts() -> list[int]:
        return [signal["count"] for one in shop.incidents() for signal in one["status"].get("signals", [])]

    wait_for(lambda: len(counts()) == BURST_TARGETS * BURST_EACH, 30, "none is lost", seen=lambda: len(counts()))
    wait_for(lambda: set(counts()) == {3}, 30, "each is counted three times", seen=lambda: sorted(set(counts())))
    assert sorted(one["spec"]["targetRef"]["name"] for one in shop.incidents()) == sorted(targets), "one Incident each"
    assert shop.foreign_writes() == []


def test_a_person_may_report_a_fault_and_it_takes_the_same_road(shop):
    report = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "slow-checkout", "namespace": shop.namespace}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    spec = {"title": "The checkout is slow", "targetRef": target, "impact": "Significant", "urgency": "Medium", "reporters": [{"name": "Zoe"}]}
    shop.kubectl_apply({**report, "spec": spec})
    incident = shop.incident("shop")
    assert incident["metadata"]["name"] == "slow-checkout"
    assert (incident["status"]["cause"], incident["status"]["impact"], incident["status"]["urgency"]) == ("Reported", "Significant", "Medium")
    wait_for(lambda: pages(shop), 20, "the owner is paged")
    # An alert on the same target joins the person's.
    fires(shop, now())
    shop.when(incident, alert_signal, "the alert joins", seconds=15)
    assert len(shop.incidents()) == 1


def test_a_persons_report_of_what_is_open_already_becomes_its_duplicate(shop):
    fires(shop, now())
    first = shop.incident("shop")
    report = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", "metadata": {"name": "me-too", "namespace": shop.namespace}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "shop"}
    shop.kubectl_apply({**report, "spec": {"title": "It is broken", "targetRef": target, "reporters": [{"name": "Zoe"}]}})
    mine = wait_for(lambda: [one for one in shop.incidents() if one["metadata"]["name"] == "me-too"], 10, "the report")[0]
    mine = shop.when(mine, lambda one: one.get("status", {}).get("phase") == "Cancelled", "is a duplicate", seconds=20)
    assert mine["status"]["mergedInto"]["name"] == first["metadata"]["name"]
    shop.when(first, lambda one: [who["name"] for who in one["status"].get("reporters", [])] == ["Zoe"], "names the reporter", seconds=20)
    holds_for(lambda: len(set(pages(shop))) <= 1, 4, "nobody is called twice")


def test_many_threads_that_tell_the_same_make_one_incident(shop):
    body = prometheus.body(prometheus.alert(labels(shop), starts=now()))
    barrier = threading.Barrier(6)

    def post() -> int:
        barrier.wait(5)
        return prometheus.webhook(body, shop.installation.token)

    with ThreadPoolExecutor(6) as pool:
        assert {call.result() for call in [pool.submit(post) for _ in range(6)]} == {200}
    incident = shop.incident("shop")
    shop.when(incident, lambda one: alert_signal(one).get("count") == 6, "all six are counted", seconds=15)
