"""What needs another service: it crashes while that is away, and is helped out of the kubelet's back-off once that is back."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.harness import audit, etcd, outside, story, table, workloads
from tests.harness.api import Object
from tests.harness.approving import serves
from tests.harness.arena import Arena, outline
from tests.harness.installation import kubectl
from tests.harness.instants import now, parse
from tests.harness.outside import Outside
from tests.harness.waiting import holds_for, wait_for

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(900, func_only=True)]

DISK, LEDGER = f"{outside.AT}/disk", f"{outside.AT}/ledger"
HAS_A_DISK = f"test -e {DISK} || exit 3; touch {LEDGER}; httpd -p 8080 -h /www; while test -e {DISK}; do sleep 0.2; done; rm -f {LEDGER}; exit 3"
"""Serves while its disk is there, and whoever needs it sees whether it does."""
NEEDS_IT = f"test -e {LEDGER} || exit 4; httpd -p 8080 -h /www; while test -e {LEDGER}; do sleep 0.2; done; exit 4"
RESTARTS = 4
BACK_OFF = timedelta(seconds=80)
"""How long the kubelet waits after the end that follows so many restarts: twice as long each time, from 10 s on."""
AT_ONCE_SECONDS = 15.0
"""From the instant at which the dependency is Ready to the first effect, on a busy machine."""


def entry(arena: Arena, name: str, **spec: object) -> Object:
    """A service of the catalog."""
    body: Object = {"apiVersion": f"{audit.OURS}/v1alpha1", "kind": "CatalogEntry", "metadata": {"name": name, "namespace": arena.namespace}}
    return {**body, "spec": {"selector": {"matchLabels": {"app": name}}, "team": "shop", "tier": 2, **spec}}


def backing_off(arena: Arena, name: str, restarts: int) -> list[datetime]:
    """When each pod crashed last, where all of them were started again so often and wait for it once more; empty before."""
    found = []
    for pod in arena.pods(name):
        [status] = pod["status"].get("containerStatuses") or [{}]
        last = status.get("lastState", {}).get("terminated")
        if status.get("restartCount", 0) < restarts or status["state"].get("waiting", {}).get("reason") != "CrashLoopBackOff" or last is None:
            return []
        found.append(parse(last["finishedAt"]))
    return found


def ready_since(arena: Arena, name: str) -> datetime | None:
    """Since when the only pod of that name is Ready."""
    conditions = [one for pod in arena.pods(name) for one in pod["status"].get("conditions", []) if one["type"] == "Ready"]
    return parse(conditions[0]["lastTransitionTime"]) if len(conditions) == 1 and conditions[0]["status"] == "True" else None


def test_what_crashed_while_its_dependency_was_away_is_weeded_as_soon_as_that_is_back(arena: Arena, world: Outside):
    for one in (entry(arena, "ledger"), entry(arena, "checkout", dependsOn=[{"name": "ledger"}])):
        arena.api.apply(one)
    world.has("disk")
    made = {"ledger": (HAS_A_DISK, 1), "checkout": (NEEDS_IT, 2)}
    good = {}
    for name, (command, replicas) in made.items():
        original = workloads.deployment(name, arena.namespace, replicas=replicas)
        good[name] = arena.start(world.seen_by(workloads.changed(original, command=["sh", "-c", command])))
        etcd.rolled_out_long_ago(arena.api, name, arena.namespace)
    world.lacks("disk")
    fault = now()
    child = arena.incident("checkout", seconds=120)
    crashed = wait_for(lambda: backing_off(arena, "checkout", RESTARTS), 240, "checkout waits for long", seen=lambda: arena.pods_in_words("checkout"))
    assert arena.foreign_writes(fault) == [], "while its dependency is away, nothing would help"
    old = {pod["metadata"]["name"] for pod in arena.pods("checkout")}
    world.has("disk")
    kubectl("delete", "pod", arena.pods("ledger")[0]["metadata"]["name"], "-n", arena.namespace, "--wait=false", "--grace-period=1")
    back = wait_for(lambda: ready_since(arena, "ledger"), 30, "ledger is back", seen=lambda: arena.pods_in_words("ledger"))
    child = arena.when(child, lambda one: one["status"]["phase"] == "Resolved", "is resolved", seconds=240)
    deleted = [one for one in arena.foreign_writes(fault) if not one.hand_back]
    assert {(one.resource, one.verb, one.name) for one in deleted} == {("pods", "delete", name) for name in old}, (
        "those that waited, and nothing else"
    )
    assert len(deleted) == len(old), "each once"
    act = (deleted[0].time - back).total_seconds()
    [attempt] = [one for one in arena.remediations(child) if one["status"].get("effectTime")]
    assert attempt["spec"]["runbookRef"]["name"] == "weed-dependents"
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Succeeded", "Remediated"), outline(child)
    assert min(crashed) + BACK_OFF > deleted[-1].time, "the kubelet would have waited for longer"
    holds_for(lambda: serves(arena, good["checkout"], 2), story.STEADY_SECONDS, "checkout stays ready", interval=0.5)
    told = [one["what"] for one in child["status"]["timeline"]]
    assert [one for one in told if one in {"CommonCauseFound", "CommonCauseOver", "CauseRefined"}][-2:] == ["CommonCauseOver", "CauseRefined"], told
    assert "PagesSent" not in told, "whoever has the dependency was told, and nobody else"
    story.conventions(child)
    seen = f"{child['status']['phase']} DependencyRecovered"
    row = table.Row(
        scenario="dependency is back, dependents weeded",
        expected="Resolved DependencyRecovered",
        seen=seen,
        act=act,
        writes=f"{len(deleted)} foreign",
    )
    table.add(arena.installation.folder, row)
    assert act <= AT_ONCE_SECONDS, f"the first pod was weeded {act:.1f} s after the dependency was Ready"
