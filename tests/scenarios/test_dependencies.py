"""What needs another service: it crashes while that is away, and is helped out of the kubelet's back-off once that is back.

The dependency is real. What needs it runs on nodes that exist in the API only, because a box's kubelets wait for three seconds at most, and this is
about what is done where they would wait for minutes: such a pod is never started again by anybody but its controller.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import pytest
from tests.harness import audit, etcd, outside, story, table, workloads
from tests.harness.api import Object
from tests.harness.approving import serves
from tests.harness.arena import Arena, Good, condition, outline
from tests.harness.installation import kubectl
from tests.harness.instants import now, parse, text
from tests.harness.outside import Outside
from tests.harness.waiting import holds_for, wait_for

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600, func_only=True)]

DISK: Final = "disk"
HAS_A_DISK: Final = f"test -e {outside.AT}/{DISK} || exit 3; httpd -p 8080 -h /www; while test -e {outside.AT}/{DISK}; do sleep 0.2; done; exit 3"
AT_ONCE_SECONDS: Final = 10.0
"""From the instant at which the dependency is Ready to the first effect, on a busy machine."""
SETTLES_SECONDS: Final = 10.0
"""What crashes so soon after its dependency is Ready may not have reached it yet."""
CALM_SECONDS: Final = 60.0
"""How long a container that crashed must be Ready until that is over."""


def entry(arena: Arena, name: str, **spec: object) -> Object:
    """A service of the catalog."""
    body: Object = {"apiVersion": f"{audit.OURS}/v1alpha1", "kind": "CatalogEntry", "metadata": {"name": name, "namespace": arena.namespace}}
    return {**body, "spec": {"selector": {"matchLabels": {"app": name}}, "team": "shop", "tier": 2, **spec}}


def crashes(arena: Arena, pod: Object) -> None:
    """Say, as a kubelet would, that its container has ended now, for the fifth time, and will be started again in some minutes."""
    instant = now()
    state = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "lastTransitionTime": text(instant)}
    container = {
        "name": pod["spec"]["containers"][0]["name"],
        "image": pod["spec"]["containers"][0]["image"],
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 5,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 2m40s restarting failed container"}},
        "lastState": {
            "terminated": {"exitCode": 4, "reason": "Error", "startedAt": text(instant - timedelta(seconds=2)), "finishedAt": text(instant)}
        },
    }
    status = {"conditions": [state, {**state, "type": "ContainersReady"}], "containerStatuses": [container]}
    arena.api.patch("Pod", pod["metadata"]["name"], {"status": status}, arena.namespace, how="strategic", subresource="status")


def ready_since(arena: Arena, name: str) -> datetime | None:
    """Since when the only pod of that name is Ready."""
    conditions = [one for pod in arena.pods(name) for one in pod["status"].get("conditions", []) if one["type"] == "Ready"]
    return parse(conditions[0]["lastTransitionTime"]) if len(conditions) == 1 and conditions[0]["status"] == "True" else None


def outage(arena: Arena, world: Outside) -> tuple[Object, Good]:
    """ledger crashes for want of its disk, and checkout, which needs it, after it; the Incident of the second, which is held back, and how it was."""
    for one in (entry(arena, "ledger"), entry(arena, "checkout", dependsOn=[{"name": "ledger"}])):
        arena.api.apply(one)
    world.has(DISK)
    ledger = workloads.changed(workloads.deployment("ledger", arena.namespace, replicas=1), command=["sh", "-c", HAS_A_DISK])
    checkout = workloads.with_pod_spec(workloads.deployment("checkout", arena.namespace, replicas=2), nodeName="kwok-1")
    arena.start(world.seen_by(ledger))
    good = arena.start(workloads.changed(checkout, image="fake/ok:1"))
    for name in ("ledger", "checkout"):
        etcd.rolled_out_long_ago(arena.api, name, arena.namespace)
    world.lacks(DISK)
    parent = arena.incident("ledger", seconds=60)
    for pod in arena.pods("checkout"):
        crashes(arena, pod)
    child = arena.when(arena.incident("checkout", seconds=60), lambda one: one["status"].get("parentRef"), "is held back", seconds=20)
    assert child["status"]["parentRef"]["name"] == parent["metadata"]["name"]
    return child, good


def test_what_crashed_while_its_dependency_was_away_is_weeded_as_soon_as_that_is_back(arena: Arena, world: Outside):
    instant = now()
    child, good = outage(arena, world)
    assert arena.foreign_writes(instant) == [], "while its dependency is away, nothing would help"
    old = {pod["metadata"]["name"] for pod in arena.pods("checkout")}
    world.has(DISK)
    kubectl("delete", "pod", arena.pods("ledger")[0]["metadata"]["name"], "-n", arena.namespace, "--wait=false", "--grace-period=1")
    back = wait_for(lambda: ready_since(arena, "ledger"), 30, "ledger is back", seen=lambda: arena.pods_in_words("ledger"))
    child = arena.when(child, lambda one: one["status"]["phase"] == "Resolved", "is resolved", seconds=240)
    done = [one for one in arena.foreign_writes(instant) if not one.hand_back]
    assert sorted((one.verb, one.resource, one.name) for one in done) == sorted(("delete", "pods", name) for name in old), (
        "those that waited, each once"
    )
    act = (done[0].time - back).total_seconds()
    [attempt] = [one for one in arena.remediations(child) if one["status"].get("effectTime")]
    assert attempt["spec"]["runbookRef"]["name"] == "weed-dependents"
    assert (attempt["status"]["phase"], attempt["status"]["outcome"]) == ("Succeeded", "Remediated"), outline(child)
    holds_for(lambda: serves(arena, good, 2), story.STEADY_SECONDS, "checkout stays ready", interval=0.5)
    told = [one["what"] for one in child["status"]["timeline"]]
    first, *then = [one for one in told if one in {"CommonCauseFound", "CommonCauseOver", "CauseRefined"}]
    assert (first, sorted(then)) == ("CommonCauseFound", ["CauseRefined", "CommonCauseOver"]), "let go, and told why: by one decision or by two"
    assert child["status"]["cause"] == "DependencyRecovered"
    pages = [one.raw for one in arena.inbox.posts() if one.body["data"]["customData"]["kind"] == "Page"]
    assert [one for one in pages if child["metadata"]["name"] in one] == [], "whoever has the dependency was told, and nobody else"
    story.conventions(child)
    row = table.Row(
        scenario="dependency is back, dependents weeded",
        expected="Resolved DependencyRecovered",
        seen=f"{child['status']['phase']} {child['status']['cause']}",
        heal=(parse(child["status"]["times"]["resolvedTime"]) - back).total_seconds(),
        writes=f"{len(done)} foreign",
    )
    table.add(arena.installation.folder, row)
    assert act <= AT_ONCE_SECONDS, f"the first pod was weeded {act:.1f} s after the dependency was Ready"


def test_what_crashes_although_its_dependency_is_back_is_left_to_people(arena: Arena, world: Outside):
    instant = now()
    child, _ = outage(arena, world)
    world.has(DISK)
    back = wait_for(lambda: ready_since(arena, "ledger"), 30, "the kubelet has started ledger again", seen=lambda: arena.pods_in_words("ledger"))
    wait_for(lambda: (now() - back).total_seconds() > SETTLES_SECONDS + 1, SETTLES_SECONDS + 5, "whoever needs it can reach it")
    for pod in arena.pods("checkout"):
        crashes(arena, pod)
    child = arena.when(child, lambda one: not one["status"].get("parentRef"), "is let go", seconds=CALM_SECONDS + 30)
    child = arena.when(child, lambda one: condition(one, "RemediationAllowed").get("reason") == "ModeSuggest", "suggests", seconds=90)
    holds_for(lambda: not arena.foreign_writes(instant), 20, "nothing is deleted", interval=1)
    assert child["status"]["cause"] == "CrashLoop", outline(child)
    row = table.Row(
        scenario="dependency is back, and it crashes all the same", expected="ModeSuggest", seen=condition(child, "RemediationAllowed")["reason"]
    )
    table.add(arena.installation.folder, row)
