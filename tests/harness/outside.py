"""What stands outside of pods and outlives them: a dependency or a load that a scenario switches while they run, whoever of them was made anew.

It is a folder of the machine that pods mount: on every node of a box it is the same one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import pytest

from . import workloads
from .api import Object
from .arena import Arena

AT = "/outside"
"""Where pods see it."""


class Outside:
    """One scenario's own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True)

    def has(self, name: str) -> None:
        """From now on there is a file of that name."""
        (self._folder / name).touch()

    def lacks(self, name: str) -> None:
        """From now on there is none."""
        (self._folder / name).unlink()

    def seen_by(self, original: Object) -> Object:
        """The same workload, whose containers all see it."""
        spec = original["spec"]["template"]["spec"]
        made = workloads.with_pod_spec(original, volumes=[*spec.get("volumes", []), {"name": "outside", "hostPath": {"path": str(self._folder)}}])
        spec = made["spec"]["template"]["spec"]
        for one in (*spec.get("initContainers", []), *spec["containers"]):
            one["volumeMounts"] = [*one.get("volumeMounts", []), {"name": "outside", "mountPath": AT}]
        return made


@pytest.fixture
def world(arena: Arena) -> Iterator[Outside]:
    """What stands outside of this scenario's pods."""
    folder = arena.installation.folder / "outside" / arena.namespace
    yield Outside(folder)
    rmtree(folder, ignore_errors=True)
