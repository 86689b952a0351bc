"""Automation stops at its limits: what can't be proved counts as failed, what did not help is not repeated or undone, and a person is called."""

from __future__ import annotations

import pytest
from tests.harness import story, table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, condition, outline
from tests.harness.installation import escalation_policy
from tests.harness.waiting import holds_for, wait_for

SHORT: Object = {"stabilizeSeconds": 2, "intervalSeconds": 2, "successes": 2, "timeoutSeconds": 60}


def pages_soon(arena: Arena) -> None:
    """A policy whose first page comes as soon as automation has given up."""
    steps = [{"name": "primary", "afterSeconds": 1, "waitWhileRemediatingSeconds": 600, "notify": [{"contactRef": {"name": "primary"}}]}]
    arena.team(escalation_policy("sre", arena.namespace, steps=steps))


def broken_with_query(arena: Arena, query: str, *, wait: int = 600) -> Object:
    """A heal whose proof asks Prometheus; returns the Incident."""
    pages_soon(arena)
    check = {"name": "errors", "promql": {"query": query, "success": "value < 0.01", "failure": "value > 0.05"}}
    match = {
        "causes": ["RolloutCrashLoop"],
        "targets": {"selector": {"matchLabels": {"scenario": arena.namespace}}},
        "dwellSeconds": 5,
        "minRestarts": 1,
    }
    verify = SHORT | {"checks": [{"name": "healthy", "workloadHealthy": {}}, check]}
    arena.runbook("asks", match=match, verify=verify, limits={"maxAttempts": 1, "cooldownSeconds": 600})
    made = workloads.deployment("proved", arena.namespace, labels={"scenario": arena.namespace})
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    return arena.incident("proved")


def paged(arena: Arena, receiver: str = "primary", *, seconds: float = 40) -> Object:
    """The first page, which names the Incident."""
    found = wait_for(
        lambda: [one for one in arena.inbox.posts(receiver) if one.body["data"]["customData"]["kind"] == "Page"],
        seconds,
        f"{receiver} is paged",
        seen=lambda: [(one.receiver, one.raw[:300]) for one in arena.inbox.posts()],
    )
    data: Object = found[0].body["data"]["customData"]
    return data


QUERIES = {
    "NaN": "vector(0) / vector(0)",
    "empty": 'no_such_metric{namespace="${target.namespace}"}',
    "several series": "up",
    "neither success nor failure": "vector(0.03)",
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_r14_what_prometheus_cannot_tell_is_inconclusive_and_counts_as_an_attempt(arena, query, request):
    incident = broken_with_query(arena, query)
    attempt = wait_for(lambda: [one for one in arena.remediations(incident) if one.get("status", {}).get("outcome")], 90, "the attempt ends")[0]
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Failed", "Inconclusive"), attempt["status"]["message"]
    incident = arena.when(incident, lambda one: "RemediationFailed" in [entry["what"] for entry in one["status"]["timeline"]], "says so", seconds=20)
    assert condition(incident, "Mitigated")["status"] == "False", outline(incident)
    page = paged(arena)
    assert incident["metadata"]["name"] in page["key"] or incident["metadata"]["name"] == page["incident"]["name"]
    assert [one for one in attempt["status"]["measurements"] if one["check"] == "errors" and one["result"] == "Success"] == []
    table.add(
        arena.installation.folder,
        table.Row(scenario=f"R14 verification: {request.node.callspec.id}", expected="Inconclusive, a page", seen=attempt["status"]["outcome"]),
    )


def test_a_promql_check_that_shows_the_fault_ends_the_attempt_as_ineffective(arena):
    incident = broken_with_query(arena, "vector(0.5)")
    attempt = wait_for(lambda: [one for one in arena.remediations(incident) if one.get("status", {}).get("outcome")], 90, "the attempt ends")[0]
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Failed", "Ineffective"), attempt["status"]["message"]
    arena.when(incident, lambda one: "BreakerOpened" in [entry["what"] for entry in one["status"]["timeline"]], "opens the breaker", seconds=20)
    paged(arena)


def no_better(arena: Arena) -> Object:
    """A version that crashes, a known-good one that can't start any more, and an older one that could: only the breaker keeps automation from it."""
    pages_soon(arena)
    arena.api.apply(workloads.config_map("settings", arena.namespace, here="1"))
    oldest = workloads.deployment("doomed", arena.namespace, strategy={"type": "Recreate"})
    arena.start(oldest)
    made = workloads.from_config(oldest, "settings", "here")
    instant = arena.roll_out(made)
    arena.proven("Deployment", "doomed", instant)
    arena.api.patch("ConfigMap", "settings", {"data": {"here": None, "other": "1"}}, arena.namespace)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH, env=None))
    return arena.incident("doomed")


def test_no_better_after_the_rollback_stops_opens_the_breaker_pages_and_never_rolls_the_rollback_back(arena):
    incident = no_better(arena)
    attempt = wait_for(lambda: [one for one in arena.remediations(incident) if one.get("status", {}).get("outcome")], 100, "the attempt ends")[0]
    # Recreate: no pod was ready before the rollback, so none can be lost by it.
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Failed", "Ineffective"), attempt["status"]["message"]
    incident = arena.when(
        incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "BreakerOpen", "the breaker is open", seconds=60
    )
    page = paged(arena)
    assert page["incident"]["name"] == incident["metadata"]["name"]
    live = arena.api.get("Deployment", "doomed", arena.namespace)

    def untouched() -> bool:
        return bool(arena.api.get("Deployment", "doomed", arena.namespace)["metadata"]["generation"] == live["metadata"]["generation"])

    holds_for(untouched, 20, "no rollback of the rollback", interval=1)
    assert "env" in live["spec"]["template"]["spec"]["containers"][0], "it still has the template that was gone back to"
    assert len([one for one in arena.foreign_writes() if not one.hand_back]) == 1
    assert len(arena.remediations(incident)) == 1
    table.add(
        arena.installation.folder,
        table.Row(scenario="no better after the rollback", expected="Ineffective, BreakerOpen", seen=f"{attempt['status']['outcome']}, BreakerOpen"),
    )
    story.conventions(incident)


def test_r04_a_persons_retry_resets_the_breaker_and_never_goes_to_the_bad_revision(arena):
    incident = no_better(arena)
    arena.when(incident, lambda one: condition(one, "RemediationAllowed").get("reason") == "BreakerOpen", "the breaker is open", seconds=160)
    bad = arena.remediations(incident)[0]["spec"]["accusedRevision"]
    arena.api.patch("Incident", incident["metadata"]["name"], {"metadata": {"annotations": {"prunella.dev/retry": "once"}}}, arena.namespace)
    arena.when(incident, lambda one: one["status"].get("lastHandledRetry") == "once", "has heard of the retry", seconds=20)

    def never_bad() -> bool:
        sets = arena.api.list("ReplicaSet", arena.namespace)
        return all(one["spec"]["replicas"] == 0 for one in sets if one["metadata"]["labels"]["pod-template-hash"] == bad)

    holds_for(never_bad, 25, "the bad revision never runs again", interval=1)
