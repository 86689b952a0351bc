"""After a heal the user's next apply works unchanged: nothing of ours stands in its way, and nothing else was touched."""

from __future__ import annotations

import pytest
from tests.harness import story, workloads
from tests.harness.api import Object
from tests.harness.waiting import wait_for

OURS = {story.REVISION, story.INTENT, story.LAST_APPLIED}


def kept(annotations: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in annotations.items() if key not in OURS}


def managers(live: Object) -> set[str]:
    return {entry["manager"] for entry in live["metadata"]["managedFields"]}


@pytest.mark.parametrize(
    ("first_server_side", "then_server_side"),
    [(False, False), (False, True), (True, True)],
    ids=["client-side, then client-side", "client-side, then server-side", "server-side throughout"],
)
def test_the_fixed_version_goes_out_without_conflict_or_force(arena, first_server_side, then_server_side):
    made = workloads.deployment("fixed", arena.namespace)
    made["metadata"]["annotations"] = {"example.com/owner": "shop", "example.com/note": "keep me"}
    arena.kubectl_apply(made, server_side=first_server_side)
    good = arena.start_applied("Deployment", "fixed")
    bad = workloads.changed(made, command=workloads.CRASH)
    instant = arena.roll_out(bad, server_side=first_server_side)
    story.healed(arena, good, instant, "RolloutCrashLoop", name=f"before an apply {'--server-side' if then_server_side else 'client-side'}")
    live = arena.api.get("Deployment", "fixed", arena.namespace)
    assert kept(live["metadata"]["annotations"]) == kept(good.annotations), "all other annotations are as before"
    assert "prunella" not in managers(live), "field ownership was handed back"
    fixed = workloads.changed(made, image="localhost/box:v2")
    said = arena.kubectl_apply(fixed, server_side=then_server_side)
    assert "deployment.apps/fixed" in said
    live = arena.api.get("Deployment", "fixed", arena.namespace)
    container = live["spec"]["template"]["spec"]["containers"][0]
    assert (container["image"], container["command"]) == ("localhost/box:v2", workloads.SERVE)
    wait_for(lambda: arena.witness.spell("Deployment", "fixed", instant).began, 40, "the fixed version runs")
    assert kept(live["metadata"]["annotations"]) == kept(good.annotations)
