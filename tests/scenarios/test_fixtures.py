"""The broken workloads break as they say, on real nodes: a scenario that breaks otherwise proves nothing."""

from __future__ import annotations

import pytest
from tests.harness.arena import Arena
from tests.harness.faults import FAULTS, NAME, Fault
from tests.harness.waiting import wait_for


def reasons(arena: Arena) -> set[str]:
    found = set()
    for pod in arena.pods(NAME):
        status = pod["status"]
        for one in [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]:
            for state in [*one.get("state", {}).values(), *one.get("lastState", {}).values()]:
                found.add(state.get("reason", "Running" if one["ready"] else "not ready"))
    return found


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_broken_version_shows_what_it_is_named_for(make_arena, fault: Fault):
    arena = make_arena("fixture", mode=None, rights=False)
    arena.api.patch("Namespace", arena.namespace, {"metadata": {"labels": {"prunella.dev/mode": "Observe"}}})
    for one in fault.before(arena.namespace):
        arena.api.apply(one)
    good = fault.good(arena.namespace)
    arena.kubectl_apply(good)
    wait_for(
        lambda: arena.witness.spell("Deployment", NAME, arena.began).first, 40, "the good version is healthy", seen=lambda: arena.pods_in_words(NAME)
    )
    arena.kubectl_apply(fault.bad(good))
    wanted = fault.shows or "not ready"
    wait_for(lambda: wanted in reasons(arena), 30, f"a container is {wanted}", seen=lambda: arena.pods_in_words(NAME))
