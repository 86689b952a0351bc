"""Fixtures of every layer that needs the running operator: the installation of this box, and grounds to play on.

Scenarios share the box. One marked `alone` has it to itself: it waits until the others are through, and they wait for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from . import whole
from .arena import Arena
from .installation import Installation

MakeArena = Callable[..., Arena]
FUNCTION_SECONDS = 300
ARENAS = pytest.StashKey[list[Arena]]()


def collected(items: list[pytest.Item], folder: Path, marker: str) -> None:
    """Mark what a layer's folder holds. What takes minutes comes first, so that it ends with the rest; what needs the box to itself comes last.

    With `--shuffle SEED` each of these three comes in an order that the seed gives: the same for every test process.
    """
    mine = [item for item in items if folder in item.path.parents]
    seed = mine[0].config.getoption("--shuffle", default=None) if mine else None
    if seed is not None:
        items.sort(key=lambda item: item.nodeid)  # whatever order they came in: else the seed would not give the next one
        random.Random(seed).shuffle(items)
    places = dict.fromkeys(items, 1)
    for item in mine:
        item.add_marker(marker)
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FUNCTION_SECONDS, func_only=True))
        elif item.get_closest_marker("alone") is None:
            places[item] = 0
        if item.get_closest_marker("alone") is not None:
            places[item] = 2
    items.sort(key=lambda item: places[item])


def installed(*, operates: bool = True) -> Iterator[Installation]:
    """Prunella running in this box, for as long as the fixture that asks lives; only installed, where it shall not operate."""
    state = os.environ.get("BOX_DIR")
    if not state:
        pytest.skip("needs what only the box has (audit log, users with certificates, its images): `hack/cluster/box run NAME -- python -m pytest …`")
    made = Installation(Path(state), operates)
    made.enter()
    yield made
    made.leave()


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    yield from installed()


@pytest.fixture
def box_lock(installation: Installation, request: pytest.FixtureRequest) -> Iterator[None]:
    """The box with others, or alone. Who was alone may have broken a part of it, and hands it on once it is whole."""
    alone = request.node.get_closest_marker("alone") is not None
    with (installation.folder / "box.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
        if alone:
            whole.every_node_serves(installation.api)


@pytest.fixture
def make_arena(installation: Installation, box_lock: None, request: pytest.FixtureRequest) -> Iterator[MakeArena]:
    """Make a namespace for this scenario; `mode=None` leaves it without the label, `rights=False` without the RoleBinding."""
    made: list[Arena] = []
    seed = request.config.getoption("--shuffle", default=None)
    names = random.Random(f"{seed}/{request.node.nodeid}")

    def make(name: str, **options: Any) -> Arena:
        shuffled = seed is not None and not options.get("exact")
        arena = Arena(installation, f"n{names.getrandbits(48):012x}" if shuffled else name, **options)
        made.append(arena)
        return arena

    request.node.stash[ARENAS] = made
    yield make
    for arena in made:
        arena.close()


@pytest.fixture
def arena(make_arena: MakeArena, request: pytest.FixtureRequest) -> Arena:
    """An opted-in namespace of this scenario's own."""
    name = request.node.name.removeprefix("test_").split("[")[0].replace("_", "-")[:24].strip("-")
    return make_arena(name)


def explain_failure(item: pytest.Item, report: pytest.TestReport) -> None:
    """Put what the cluster showed beside a failure, while it is still there."""
    if report.when == "call" and report.failed:
        report.sections.extend((f"cluster {arena.namespace}", describe(arena)) for arena in item.stash.get(ARENAS, []))


def describe(arena: Arena) -> str:
    """What whoever reads a failure needs: Incidents, attempts, writes, the operator's own words."""
    parts: list[str] = []
    with contextlib.suppress(Exception):
        for one in [*arena.incidents(), *arena.remediations()]:
            one["metadata"].pop("managedFields", None)
            parts.append(yaml.safe_dump(one, sort_keys=False))
    with contextlib.suppress(Exception):
        parts.append("\n".join(one.line for one in arena.writes()))
    log = arena.installation.log
    lines = [line for line in log.read_text(errors="replace").splitlines() if arena.namespace in line] if log.exists() else []
    parts.append("\n".join(lines[-60:]))
    return "\n---\n".join(parts)
