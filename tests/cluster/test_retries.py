"""How a step is tried again that the real API server turns away: as the Runbook says, and without one a few times and no faster."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from tests.harness import workloads
from tests.harness.api import Object
from tests.harness.arena import Arena
from tests.harness.fixtures import arena, box_lock, installed, make_arena
from tests.harness.installation import Installation
from tests.harness.interloper import Admission, before_the_effect
from tests.harness.waiting import wait_for

__all__ = ["arena", "box_lock", "make_arena"]
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(240, func_only=True)]


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    for made in installed():
        yield made
        made.forget_policy()


def crashing(arena: Arena, name: str, step: Object) -> Object:
    """A bad rollout in a namespace with a Runbook of that one step."""
    match = {"causes": ["RolloutCrashLoop"], "targets": {"selector": {"matchLabels": {"scenario": arena.namespace}}}, "dwellSeconds": 5}
    checks = [{"name": "healthy", "workloadHealthy": {}}]
    verify = {"stabilizeSeconds": 2, "intervalSeconds": 2, "successes": 2, "timeoutSeconds": 60, "checks": checks}
    arena.runbook(name, match=match, verify=verify, steps=[{"name": "back", "rollBack": {}, **step}])
    made = workloads.deployment(name, arena.namespace, labels={"scenario": arena.namespace})
    arena.start(made)
    arena.roll_out(workloads.changed(made, command=workloads.CRASH))
    return arena.incident(name)


def ended(arena: Arena, incident: Object) -> tuple[Object, list[Object]]:
    """The first attempt at its end, and what its status said of the tries until then."""
    seen: list[Object] = []

    def over() -> list[Object]:
        stands = arena.remediations(incident)
        seen.extend(one["status"]["retrying"] for one in stands if one.get("status", {}).get("retrying"))
        return [one for one in stands if one.get("status", {}).get("outcome")]

    return wait_for(over, 120, "the attempt ends", seen=lambda: [one.get("status") for one in arena.remediations(incident)])[0], seen


def gaps() -> list[float]:
    return [after - one for one, after in itertools.pairwise(Admission.came)]


def test_what_the_api_server_turns_away_is_tried_again_as_the_runbook_says(arena):
    retries = {"max": 3, "initialSeconds": 2, "factor": 2, "jitter": 0, "errors": ["TooManyRequests", "Conflict"]}
    with before_the_effect(arena, lambda: None, busy=(429, 409)):
        attempt, seen = ended(arena, crashing(arena, "patient", {"retries": retries}))
    assert attempt["status"]["outcome"] == "Remediated", attempt["status"]
    assert {(one["step"], one["count"], one["error"]) for one in seen} == {("back", 1, "TooManyRequests"), ("back", 2, "Conflict")}
    assert "retrying" not in attempt["status"]
    assert attempt["status"]["steps"][0]["intent"]["tries"] == 3
    assert [wanted <= gap < wanted + 3 for gap, wanted in zip(gaps(), (2, 4), strict=True)] == [True, True], gaps()


def test_a_429_that_lasts_gets_a_few_requests_within_timeout_seconds_and_then_the_step_fails(arena):
    with before_the_effect(arena, lambda: None, busy=itertools.repeat(429, 1000)):
        attempt, _ = ended(arena, crashing(arena, "busy", {"timeoutSeconds": 20}))
    status = attempt["status"]
    assert status["outcome"] == "Aborted", status
    assert f"step back failed: its deadline passed after {len(Admission.came)} tries" in status["message"]
    assert 3 <= len(Admission.came) <= 6, gaps()
    assert sum(gaps()) <= 20
    assert arena.foreign_writes() == []
