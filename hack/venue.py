"""Where the tests of the real cluster run: in a box of their own, on the cluster of the user's KUBECONFIG, or in kind.

The rule it protects: a cluster that is somebody's is touched only where CLUSTER=kubeconfig asks for it and a person at the terminal says yes to its
name. An exported KUBECONFIG alone is never touched. Whatever was started here is ended here, also after Ctrl-C.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BOX = ROOT / "hack" / "cluster" / "box"
KINDS = ("box", "kubeconfig", "kind")
OWN_BOX = re.compile(r"test-(\d+)-\w+")


class CannotRun(Exception):
    """There is no cluster for the tests; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Venue:
    """A cluster that is up: what a command is prefixed with, and its environment."""

    prefix: tuple[str, ...]
    environment: dict[str, str]


def wanted() -> str:
    """The kind of cluster that CLUSTER asks for."""
    kind = os.environ.get("CLUSTER") or "box"
    if kind not in KINDS:
        sys.exit(f"error: CLUSTER={kind} is not known; it may be {', '.join(KINDS)}")
    return kind


def bare_environment() -> dict[str, str]:
    """The caller's, without a way to a cluster that nobody asked for, and without this clone's code for what is installed elsewhere."""
    return {name: value for name, value in os.environ.items() if name not in {"KUBECONFIG", "CLUSTER", "PYTHONPATH"}}


@contextmanager
def opened(layer: str, *, monitoring: bool, kwok: bool = False) -> Iterator[Venue]:
    """A cluster for one layer; a box may have nodes besides that exist in the API only."""
    kind = wanted()
    if kind == "kubeconfig":
        yield Venue((), bare_environment() | {"CLUSTER": kind, "KUBECONFIG": os.environ["KUBECONFIG"]})
    elif kind == "kind":
        with _kind() as venue:
            yield venue
    else:
        with _box(layer, monitoring=monitoring, kwok=kwok) as venue:
            yield venue


@contextmanager
def _box(layer: str, *, monitoring: bool, kwok: bool) -> Iterator[Venue]:
    require_box()
    name = f"test-{os.getpid()}-{layer}"[:20].rstrip("-")
    try:
        options = [*([] if monitoring else ["--no-monitoring"]), *(["--kwok"] if kwok else [])]
        if subprocess.run([BOX, "up", name, *options], env=bare_environment(), check=False).returncode:
            raise CannotRun("the box did not start, see above")
        yield Venue((str(BOX), "run", name, "--"), bare_environment())
    finally:
        _finish([str(BOX), "down", name])


def require_box() -> None:
    """Say why a box can't run here, if it can't."""
    if sys.platform != "linux":
        raise CannotRun("a cluster in a box needs Linux; CLUSTER=kind or CLUSTER=kubeconfig take another cluster")
    if os.geteuid():
        raise CannotRun("a cluster in a box needs root (namespaces, mounts, cgroups); CLUSTER=kind or CLUSTER=kubeconfig take another cluster")


def build_box() -> None:
    """Get and build what a box needs, where missing. It takes minutes, and no test that is given a time should spend it on that."""
    if wanted() != "box":
        return
    try:
        require_box()
    except CannotRun:
        return  # each layer that wants one says why
    subprocess.run([BOX, "build"], env=bare_environment(), check=False)


def remove_leftovers() -> None:
    """End the boxes of earlier runs that were killed before they could."""
    if sys.platform != "linux" or os.geteuid():
        return
    boxes = subprocess.run([BOX, "list"], capture_output=True, text=True, env=bare_environment(), check=False).stdout
    for line in boxes.splitlines():
        found = OWN_BOX.fullmatch(line.partition(" ")[0])
        if found and not Path("/proc", found[1]).exists():
            print(f"ending a box that an earlier run left behind: {found[0]}", flush=True)
            _finish([str(BOX), "down", found[0]])


@contextmanager
def _kind() -> Iterator[Venue]:
    require_kind()
    name = f"prunella-test-{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "kubeconfig"
        try:
            make_kind(name, config)
            yield Venue((), bare_environment() | {"CLUSTER": "kind", "KUBECONFIG": str(config)})
        finally:
            end_kind(name)


def require_kind() -> None:
    """Say why kind can't run here, if it can't."""
    for program in ("docker", "kind"):
        if not shutil.which(program):
            raise CannotRun(f"CLUSTER=kind needs {program}, which is not installed")
    if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
        raise CannotRun("CLUSTER=kind needs a Docker daemon, and none answers")


def make_kind(name: str, kubeconfig: Path) -> None:
    """Make a cluster in Docker."""
    config = str(ROOT / "hack" / "kind.yaml")
    command = ["kind", "create", "cluster", "--name", name, "--config", config, "--kubeconfig", str(kubeconfig), "--wait", "120s"]
    if subprocess.run(command, env=bare_environment(), check=False).returncode:
        raise CannotRun("kind could not make a cluster, see above")


def end_kind(name: str) -> None:
    """End a cluster in Docker."""
    _finish(["kind", "delete", "cluster", "--name", name])


def _finish(command: list[str]) -> None:
    """In a session of its own, so that an impatient second Ctrl-C does not cut it."""
    subprocess.run(command, env=bare_environment(), check=False, start_new_session=True, stdin=subprocess.DEVNULL)
