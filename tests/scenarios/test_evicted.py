"""Pods that the kubelet evicts for what they write, and the litter that they leave: it is taken away without a person, but for the newest."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.harness import etcd, outside, story, table, workloads
from tests.harness.api import Object
from tests.harness.arena import Arena, Good, condition, outline
from tests.harness.instants import now, parse
from tests.harness.outside import Outside
from tests.harness.waiting import wait_for

pytestmark = [pytest.mark.nightly]

PILE, KEPT = 5, 3
"""From how many on they are litter, and how many stay as evidence."""
TWO_HOURS = timedelta(hours=2)
FILLS = [
    "sh",
    "-c",
    f"httpd -p 8080 -h /www; while :; do if test -e {outside.AT}/much; then dd if=/dev/zero of=/log bs=1M count=60; fi; sleep 1; done",
]
"""Writes more than it may while there is much to write. As process 1 it hears no SIGTERM: a pod whose containers end in time with 0 has succeeded
for the kubelet, also where it was evicted."""


def failed(arena: Arena, name: str) -> list[Object]:
    """The pods that ended for good, the oldest first."""
    ended = [one for one in arena.pods(name) if one["status"].get("phase") == "Failed"]
    return sorted(ended, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"]))


def calm(arena: Arena, name: str, good: Good) -> bool:
    """Whether the workload runs in full, and has done so for longer than the kubelet takes to count what is on its disk."""
    running = [one for one in arena.pods(name) if one["status"].get("phase") == "Running"]
    started = [parse(one["status"]["startTime"]) for one in running]
    return len(started) == good.replicas and now() - max(started) > timedelta(seconds=25)


@pytest.mark.timeout(480, func_only=True)
def test_evicted_pods_that_pile_up_are_deleted_but_for_the_newest_three(arena: Arena, world: Outside):
    """The kubelet evicts what fills its disk; so long as somebody writes so much, what comes instead is evicted as well."""
    limits = {"limits": {"ephemeral-storage": "20Mi"}}
    made = world.seen_by(workloads.changed(workloads.deployment("littered", arena.namespace, replicas=3, command=FILLS), resources=limits))
    good = arena.start(made)
    etcd.rolled_out_long_ago(arena.api, "littered", arena.namespace)
    world.has("much")
    wait_for(lambda: len(failed(arena, "littered")) >= PILE, 150, "pods are evicted", seen=lambda: arena.pods_in_words("littered"))
    world.lacks("much")
    wait_for(lambda: calm(arena, "littered", good), 90, "no more are evicted", seen=lambda: arena.pods_in_words("littered"))
    assert {one["status"]["reason"] for one in failed(arena, "littered")} == {"Evicted"}
    arena.nothing_happens(5)
    instant = now()
    litter = [one["metadata"]["name"] for one in failed(arena, "littered")]
    for number, name in enumerate(litter):
        etcd.age(arena.api, "Pod", name, arena.namespace, TWO_HOURS - timedelta(minutes=number))
    incident = arena.incident("littered", seconds=60)
    incident = arena.when(incident, lambda one: one["status"]["phase"] == "Resolved", "is resolved", seconds=180)
    assert incident["status"]["cause"] == "FailedPodsPiledUp", outline(incident)
    assert condition(incident, "Resolved")["reason"] == "Verified", outline(incident)
    written = arena.foreign_writes(instant)
    assert sorted((one.verb, one.resource, one.name) for one in written) == sorted(("delete", "pods", name) for name in litter[:-KEPT])
    assert [one["metadata"]["name"] for one in failed(arena, "littered")] == litter[-KEPT:], "the newest stay as evidence"
    live = arena.api.get("Deployment", "littered", arena.namespace)
    assert (live["spec"]["replicas"], live["status"]["readyReplicas"]) == (good.replicas, good.replicas)
    assert live["spec"]["template"] == good.template
    row = table.Row(
        scenario="failed pods pile up",
        expected="Resolved FailedPodsPiledUp",
        seen=f"{incident['status']['phase']} {incident['status']['cause']}",
        writes=f"{len(written)} foreign",
    )
    table.add(arena.installation.folder, row)
    story.conventions(incident)
