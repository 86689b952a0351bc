"""What needs the box to itself: shipped storm values, a stopped operator, a stopped Prometheus, a stopped API server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest
from tests.harness import audit, etcd, prometheus, story, table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, outline
from tests.harness.installation import HOST, LIMITS, SYSTEM, WEB_PORT, Installation, escalation_policy, kubectl
from tests.harness.instants import now, parse
from tests.harness.waiting import holds_for, wait_for

pytestmark = [pytest.mark.alone, pytest.mark.timeout(300, func_only=True)]
OLD = timedelta(minutes=45)
"""Older than W."""


@pytest.fixture
def shipped_storm(installation: Installation, box_lock: None) -> Iterator[None]:
    """The storm brake as it is shipped."""
    installation.api.patch("HealingPolicy", "default", {"spec": {"storm": None}})
    shipped = installation.api.get("HealingPolicy", "default")["spec"].get("storm", {})
    assert shipped.get("minWorkloads", 3) == 3
    yield
    installation.set_policy(**LIMITS)
    wait_for(lambda: not installation.api.get("HealingPolicy", "default").get("status", {}).get("stormSinceTime"), 60, "the storm is over")
    # For an hour the next attempt would be a trial, and one that does not heal a storm again: other scenarios begin without that.
    forgotten = json.dumps({"status": {"stormEndedTime": None}})
    writer = (f"--as={audit.OPERATOR}", "--as-group=system:masters")  # who may write a status, and with kubectl reads it first
    kubectl("patch", "healingpolicy", "default", "--subresource=status", "--type=merge", "-p", forgotten, *writer)


def storms(installation: Installation, since: str) -> list[Object]:
    """Events that tell of a storm that began."""
    found = installation.api.list("Event", "default")
    return [one for one in found if one["reason"] == "StormStarted" and (one.get("eventTime") or one.get("firstTimestamp") or "") >= since]


def parents(arena: Arena) -> list[Object]:
    """The Incident of a storm is the operator's."""
    return [one for one in arena.api.list("Incident", SYSTEM) if one["spec"]["targetRef"]["kind"] == "Storm"]


def linked(arena: Arena, children: int) -> Object | None:
    """That of the storm, once so many are linked to it."""
    return next((one for one in parents(arena) if one.get("status", {}).get("childCount") == children), None)


def test_r38_a_registry_that_is_down_is_one_storm_and_no_rollback(arena, shipped_storm):
    since = now().strftime("%Y-%m-%dT%H:%M:%SZ")
    made = {name: workloads.deployment(name, arena.namespace, replicas=1) for name in ("app0", "app1", "app2", "app3", "app4", "victim")}
    arena.kubectl_apply(*made.values())
    for name in made:
        arena.proven("Deployment", name, arena.began)
    # Three workloads make a storm by the shipped values; two more join the same one.
    for names in (["app0", "app1", "app2"], ["app3", "app4"]):
        arena.kubectl_apply(*(workloads.changed(made[name], image="down.local/box:v1") for name in names))
        for name in names:
            story.left_alone(arena, name, "NoRunbookMatches", name=f"R38 registry down, {name}", cause="RegistryUnreachable")
        wait_for(lambda: storms(arena.installation, since), 20, "StormStarted")
    assert arena.installation.api.get("HealingPolicy", "default")["status"]["stormSinceTime"]
    # While it lasts, what would be rolled back otherwise is left alone too.
    arena.roll_out(workloads.changed(made["victim"], command=workloads.CRASH))
    story.left_alone(arena, "victim", "StormActive", name="R38 a crash meanwhile")
    holds_for(lambda: len(storms(arena.installation, since)) == 1, 10, "one storm", interval=1)
    told = {one["status"].get("parentRef", {}).get("name", "") for one in arena.incidents() if one["spec"]["targetRef"]["name"] != "victim"}
    assert {name.rpartition("-")[0] for name in told} == {"down-local"}, "the registry is the parent, and no storm beside it"
    assert arena.foreign_writes() == []


@pytest.mark.nightly
@pytest.mark.timeout(600, func_only=True)
def test_r19_thirty_of_a_hundred_workloads_that_break_at_once_are_one_storm_and_nobody_touches_the_others(arena, shipped_storm):
    """On nodes that exist in the API only: a hundred workloads are too many for real ones."""
    since = now().strftime("%Y-%m-%dT%H:%M:%SZ")
    names = [f"app{number}" for number in range(100)]
    on_kwok = {name: workloads.with_pod_spec(workloads.deployment(name, arena.namespace, replicas=1), nodeName="kwok-1") for name in names}
    made = {name: workloads.changed(one, image="fake/ok:1") for name, one in on_kwok.items()}
    arena.kubectl_apply(*made.values())
    for name in names:
        arena.proven("Deployment", name, arena.began, seconds=120)
    victims = names[:30]
    arena.kubectl_apply(*(workloads.changed(made[name], image="fake/crash:1") for name in victims))
    wait_for(lambda: storms(arena.installation, since), 60, "StormStarted")
    for name in victims:
        story.left_alone(arena, name, "StormActive", name=f"storm of 30 of 100, {name}", cause="RolloutCrashLoop")
    parent = wait_for(lambda: linked(arena, len(victims)), 60, "one parent for all of them", seen=lambda: parents(arena))
    assert (parent["status"]["cause"], parent["status"]["priority"]) == ("MassFailure", "P1")
    holds_for(lambda: len(storms(arena.installation, since)) == 1, 20, "one storm", interval=1)
    assert sorted(one["spec"]["targetRef"]["name"] for one in arena.incidents()) == sorted(victims), "one Incident each, and none of the others"
    assert len(parents(arena)) == 1
    assert arena.foreign_writes() == []


def test_a_rollout_that_was_stuck_before_we_came_is_not_reverted(arena):
    installation: Installation = arena.installation
    installation.stop_operator()
    try:
        made = workloads.deployment("ancient", arena.namespace)
        arena.start(made)
        fault = arena.roll_out(workloads.changed(made, command=workloads.CRASH))
        wait_for(lambda: arena.witness.restarts_reached(2, fault, lambda _pod: True), 40, "it crash-loops")
        for kind in ("Pod", "ReplicaSet", "Deployment"):
            for one in arena.api.list(kind, arena.namespace):
                etcd.age(arena.api, kind, one["metadata"]["name"], arena.namespace, OLD)
        born = parse(arena.api.get("Deployment", "ancient", arena.namespace)["metadata"]["creationTimestamp"])
        assert now() - born > OLD
    finally:
        installation.start_operator()
    incident = story.left_alone(arena, "ancient", "ChangeTooOld", name="stuck since before we came")
    assert "30 min" in condition(incident, "RemediationAllowed")["message"]
    holds_for(lambda: not arena.foreign_writes(), 20, "it is left alone", interval=1)


def broken_with_query(arena: Arena, query: str) -> Object:
    """A heal whose proof asks Prometheus; returns the Incident."""
    steps = [{"name": "primary", "afterSeconds": 1, "waitWhileRemediatingSeconds": 600, "notify": [{"contactRef": {"name": "primary"}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps))
    check = {"name": "errors", "promql": {"query": query, "success": "value < 0.01", "failure": "value > 0.05"}}
    match = {
        "causes": ["RolloutCrashLoop"],
        "targets": {"selector": {"matchLabels": {"scenario": arena.namespace}}},
        "dwellSeconds": 5,
        "minRestarts": 1,
    }
    verify: Object = {"stabilizeSeconds": 2, "intervalSeconds": 2, "successes": 2, "timeoutSeconds": 60, "errorLimit": 1, "inconclusiveLimit": 1}
    verify |= {"checks": [check]}
    arena.runbook("asks", match=match, verify=verify, limits={"maxAttempts": 1, "cooldownSeconds": 600})
    made = workloads.deployment("proved", arena.namespace, labels={"scenario": arena.namespace})
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    return arena.incident("proved")


def ends_inconclusive(arena: Arena, incident: Object, name: str) -> Object:
    """The attempt could not be proved: it counts, and a person is called."""
    attempt = wait_for(lambda: [one for one in arena.remediations(incident) if one.get("status", {}).get("outcome")], 120, "the attempt ends")[0]
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Failed", "Inconclusive"), attempt["status"]["message"]
    after = arena.again(incident)
    assert condition(after, "Mitigated")["status"] == "False", outline(after)

    def paged() -> bool:
        return any(one.body["data"]["customData"]["kind"] == "Page" for one in arena.inbox.posts("primary"))

    wait_for(paged, 40, "a person is called")
    table.add(arena.installation.folder, table.Row(scenario=name, expected="Inconclusive, a page", seen="Inconclusive, a page"))
    status: Object = attempt["status"]
    return status


def test_r14_prometheus_that_is_down_while_verifying_is_inconclusive(arena):
    incident = broken_with_query(arena, "vector(0)")
    arena.installation.box("stop", "prometheus")
    try:
        status = ends_inconclusive(arena, incident, "R14 Prometheus down")
        assert {one["result"] for one in status["measurements"] if one["check"] == "errors"} == {"Error"}
    finally:
        arena.installation.box("start", "prometheus")


def test_r14_an_answer_with_warnings_is_no_answer(arena):
    file = arena.installation.state / "prometheus" / "prometheus.yml"
    before = file.read_text()
    config = json.loads(before)
    # A second storage that can't be reached: Prometheus answers from its own and warns that this may not be all.
    config["remote_read"] = [{"url": "http://192.0.2.1:5999/read", "read_recent": True}]
    file.write_text(json.dumps(config))
    prometheus.reload()
    try:
        incident = broken_with_query(arena, 'min(up{job="prometheus"}) - 1')
        status = ends_inconclusive(arena, incident, "R14 an answer with warnings")
        assert any("warn" in one["value"].lower() for one in status["measurements"] if one["check"] == "errors"), status["measurements"]
    finally:
        file.write_text(before)
        prometheus.reload()


class Overloaded(BaseHTTPRequestHandler):
    """In the operator's place: always 503, as an operator that can keep nothing."""

    asked: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.asked.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
        self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
        self.send_header("Retry-After", "5")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the class above gives it
        """Nothing: the test says what it saw."""


@contextmanager
def overloaded(installation: Installation) -> Iterator[list[str]]:
    """While this lasts Alertmanager hears nothing but 503; what it sent is told."""
    installation.stop_operator()
    Overloaded.asked.clear()
    server = ThreadingHTTPServer((HOST, WEB_PORT), Overloaded)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Overloaded.asked
    finally:
        server.shutdown()
        thread.join(10)
        server.server_close()
        installation.start_operator()


@pytest.mark.parametrize("seconds", [20, pytest.param(600, marks=[pytest.mark.nightly, pytest.mark.once])])
@pytest.mark.timeout(900, func_only=True)
def test_an_alert_that_alertmanager_was_answered_503_for_is_lost_in_no_way(arena, seconds):
    """The real Alertmanager, and ten minutes of it by night: it sends again until it is taken."""
    arena.kubectl_apply(workloads.deployment("told", arena.namespace, replicas=0))
    name = f"Told{arena.namespace.replace('-', '')}"
    labels = {"alertname": name, "severity": "critical", "namespace": arena.namespace, "deployment": "told"}
    with overloaded(arena.installation) as asked:
        prometheus.alertmanager_fire(labels)
        wait_for(lambda: any(name in body for body in asked), 30, "it is sent")
        holds_for(lambda: True, seconds, "it is turned away", interval=1)
        sent = sum(name in body for body in asked)
        assert not arena.incidents()
    print(f"sent {sent} times in {seconds} s, and turned away each time")
    assert sent >= 3, "it is sent again and again"
    wait_for(lambda: any('code="200"' in key for key in prometheus.metrics("prunella_webhook_requests_total")), 30, "it is taken")
    incident = arena.incident("told", seconds=30)
    assert incident["spec"]["source"]["kind"] == "Alertmanager"
    assert [one["labels"]["alertname"] for one in incident["status"]["signals"]] == [name]
    holds_for(lambda: len(arena.incidents()) == 1, 5, "one Incident", interval=1)
    prometheus.alertmanager_fire(labels, ends=now())
    table.add(arena.installation.folder, table.Row(scenario=f"503 to Alertmanager for {seconds} s", expected="one Incident", seen="one Incident"))


def test_r32_r40_without_an_api_server_nothing_counts_as_healthy_and_an_alert_is_answered_503(arena):
    made = workloads.deployment("unread", arena.namespace)
    other = workloads.deployment("lost", arena.namespace, replicas=1)
    arena.kubectl_apply(made, other)
    for name in ("unread", "lost"):
        arena.proven("Deployment", name, arena.began)
    labels = {"alertname": f"Lost{arena.namespace.replace('-', '')}", "severity": "critical", "namespace": arena.namespace, "deployment": "lost"}
    body = prometheus.body(prometheus.alert(labels))
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    incident = arena.incident("unread")
    wait_for(lambda: [one for one in arena.remediations(incident) if one.get("status", {}).get("phase") == "Verifying"], 60, "it verifies")
    with arena.installation.without_api_server():
        stopped = now()
        assert prometheus.webhook(body, arena.installation.token) == 503
        holds_for(prometheus.answers, 12, "the operator lives on", interval=1)
        assert prometheus.webhook(body, arena.installation.token) == 503
        back = now()
    wait_for(lambda: prometheus.webhook(body, arena.installation.token) == 200, 60, "the retry is taken", interval=1)
    assert arena.incident("lost")["spec"]["source"]["kind"] == "Alertmanager"

    def outcome() -> str:
        attempt = arena.api.list("Remediation", arena.namespace)[0]
        return str(attempt["status"].get("outcome", ""))

    wait_for(outcome, 90, "the attempt ends once there is data again")
    attempt = arena.api.list("Remediation", arena.namespace)[0]["status"]
    assert attempt["outcome"] == "Remediated", attempt["message"]
    successes = [parse(one["startedTime"]) for one in attempt["measurements"] if one["result"] == "Success"]
    unread = [one for one in successes if stopped + timedelta(seconds=1) < one < back]
    assert unread == [], "nothing counts as healthy because it could not be read"
    assert len([one for one in successes if one >= back]) >= 3
    table.add(arena.installation.folder, table.Row(scenario="R32, R40 API server down", expected="503; no success", seen="503; no success"))
