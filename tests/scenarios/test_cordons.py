"""A cordon of ours always ends: on time though no record of it is left, and where the right to end it is gone, people are told.

The nodes exist in the API alone. Whoever cordons is played: the mark is the one that the step `cordon` writes.
"""

from __future__ import annotations

import fcntl
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import pytest
from tests.harness import audit, table, to_people, whole
from tests.harness.arena import Arena
from tests.harness.installation import SYSTEM, kubectl
from tests.harness.instants import now, parse
from tests.harness.waiting import wait_for

from prunella.api.marks import TEMPORARY_ANNOTATION
from prunella.core.healing.effects.effect import guarded_sha256
from prunella.core.healing.runs.measures import Measure

READY = '{"status":{"conditions":[{"type":"Ready","status":"True","reason":"Test","message":"as the scenario says"}]}}'
LASTS = timedelta(seconds=5)
ENDS_SECONDS = 30
"""Until a cordon whose time is over has ended, on a busy machine."""
AGAIN_SECONDS = 90
"""Until one that could not be ended is tried again: a minute, and that."""


@pytest.fixture
def untouched(arena: Arena) -> Iterator[None]:
    """Rights on nodes are of the whole cluster: one scenario at a time gives and takes them."""
    with (arena.installation.folder / "nodes.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def rights_on_nodes() -> Iterator[None]:
    """As an administrator grants them."""
    kubectl("apply", "-k", "manifests/nodes")
    try:
        yield
    finally:
        kubectl("delete", "-k", "manifests/nodes")


def node(arena: Arena) -> str:
    """A Node that is well and takes no pods."""
    name = f"paper-{secrets.token_hex(3)}"
    metadata = {"name": name, "annotations": {whole.FAKE: "paper"}}
    taint = {"key": "example.com/apart", "effect": "NoSchedule"}
    arena.elsewhere({"apiVersion": "v1", "kind": "Node", "metadata": metadata, "spec": {"taints": [taint], "unschedulable": True}})
    kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", READY)
    return name


def ours(name: str, *, until: datetime) -> None:
    """From now on the cordon is one of an attempt of which nothing is left."""
    before, wrote = None, guarded_sha256(True)
    mark = Measure(remediation=f"{SYSTEM}/gone-1", path="/spec/unschedulable", before=before, wrote_sha256=wrote, undo_after_time=until).mark()
    kubectl("annotate", "node", name, f"{TEMPORARY_ANNOTATION}={mark}")


def cordoned(arena: Arena, name: str) -> tuple[bool, bool]:
    """Whether the Node is cordoned, and whether it bears a mark of ours."""
    live = arena.api.get("Node", name)
    return bool(live["spec"].get("unschedulable")), TEMPORARY_ANNOTATION in live["metadata"].get("annotations", {})


def ended(arena: Arena, name: str) -> datetime:
    """When it was, by the Event that tells of it."""
    [event] = wait_for(
        lambda: [one for one in arena.api.list("Event", "default") if (one["reason"], one["involvedObject"]["name"]) == ("MeasureUndone", name)],
        10,
        f"an Event tells that the cordon of {name} has ended",
    )
    return parse(event.get("eventTime") or event["firstTimestamp"])


def test_a_cordon_of_ours_ends_on_time_though_no_record_of_it_is_left_and_a_persons_stays(arena, untouched):
    log = audit.AuditLog(arena.installation.state / "audit.log")
    with rights_on_nodes():
        mine, theirs = node(arena), node(arena)
        until = now() + LASTS
        ours(mine, until=until)
        wait_for(lambda: cordoned(arena, mine) == (False, False), ENDS_SECONDS, "it takes pods again", seen=lambda: cordoned(arena, mine))
        assert ended(arena, mine) >= until.replace(microsecond=0), "not before its time"  # an Event has whole seconds
        assert cordoned(arena, theirs) == (True, False)
    assert to_people.incidents_of_cluster(arena, mine) == [], "what ends on time is told to nobody"
    assert to_people.incidents_of_cluster(arena, theirs) == []
    written = log.of_cluster("nodes", mine)
    assert len(written) == 1, [one.line for one in written]
    writes = f"{len(written)} foreign"
    table.add(arena.installation.folder, table.Row(scenario="a leftover cordon", expected="ended", seen="ended", writes=writes))


@pytest.mark.nightly
def test_a_cordon_of_ours_that_nobody_may_end_is_told_and_ends_once_the_right_is_there(arena, untouched):
    name = node(arena)
    ours(name, until=now() - timedelta(minutes=20))
    incident = to_people.told_of_cluster(arena, name, "LeftoverCordon", name="a cordon that may not be ended", seconds=30)
    assert "still cordoned by a measure of ours whose time is over" in incident["status"]["summary"]
    assert incident["status"]["priority"] == "P4"
    assert cordoned(arena, name) == (True, True)
    with rights_on_nodes():
        wait_for(lambda: cordoned(arena, name) == (False, False), AGAIN_SECONDS, "it takes pods again", seen=lambda: cordoned(arena, name))
        ended(arena, name)
