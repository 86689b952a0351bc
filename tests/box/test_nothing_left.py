"""A box goes without a trace: after `down`, after an interrupted start, after its own death."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
from tests.box.cluster import BOX, Cluster, eventually

pytestmark = pytest.mark.box

UP_SECONDS = 15.0


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("box")


def _host(name: str) -> dict[str, object]:
    """Return everything of the host that a box of this name could leave something in."""
    hierarchies = [folder for folder in Path("/sys/fs/cgroup").iterdir() if folder.is_dir()]
    folders = (Path(f"/{folder}") for folder in ("run/netns", "var/lib/cni", "var/lib/kubelet", "var/log/pods", "var/log/containers"))
    return {
        "links": subprocess.run(["ip", "-o", "-br", "link"], capture_output=True, text=True, check=True).stdout,
        "mounts": Path("/proc/mounts").read_text(),
        "cgroups": sorted(str(group) for hierarchy in hierarchies for group in hierarchy.glob(f"prunella-{name}-*")),
        "folders": {str(folder): sorted(entry.name for entry in folder.iterdir()) if folder.exists() else None for folder in folders},
        "rules": subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout.count("KUBE"),
    }


def _family(name: str) -> set[tuple[int, str]]:
    """Return pid and start time of every process of a box: orphans go to its init, so all of them descend from it."""
    parents, starts, roots = {}, {}, set()
    for entry in Path("/proc").iterdir():
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            command = (entry / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if entry.name.isdigit():
            parents[int(entry.name)], starts[int(entry.name)] = int(fields[1]), fields[19]
            if f"/prunella-box/{name}\0".encode() in command:
                roots.add(int(entry.name))
    family, grown = roots, set[int]()
    while family != grown:
        grown, family = family, family | {pid for pid, parent in parents.items() if parent in family}
    return {(pid, starts[pid]) for pid in family}


def test_a_box_is_up_in_time_and_leaves_nothing(temporary: Path) -> None:
    box = Cluster(f"t{os.getpid()}c", temporary)
    before = _host(box.name)
    # The promise is for a machine that does nothing else; where others work too, a start gets its share of the time.
    busy = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    began = time.monotonic()
    box.box("up", "--expose")
    took = time.monotonic() - began
    box.start_pod("web", "localhost/box:v1")
    box.wait_running("web")
    family = _family(box.name)
    assert len(family) > 20
    assert _host(box.name)["cgroups"]
    assert {**_host(box.name), "cgroups": []} == before  # while it is up there is nothing but cgroups either
    box.box("down")
    eventually(lambda: not family & _family(box.name))
    assert _host(box.name) == before
    assert not box.state.exists()
    alive = {pid for pid, start in family if _started(pid) == start}
    assert not alive
    assert took < UP_SECONDS * busy


def _started(pid: int) -> str:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in {"Z", "X"} else fields[19]


def test_a_start_that_is_interrupted_leaves_nothing(temporary: Path) -> None:
    box = Cluster(f"t{os.getpid()}d", temporary)
    before = _host(box.name)
    start = box.start("up")
    eventually((box.state / "pids" / "etcd").exists)
    start.send_signal(signal.SIGTERM)
    start.communicate(timeout=30)
    assert start.returncode == 130
    assert not box.state.exists()
    assert _host(box.name) == before
    assert not _family(box.name)


def test_a_box_is_known_and_ended_by_every_clone(temporary: Path, tmp_path: Path) -> None:
    box = Cluster(f"t{os.getpid()}f", temporary)
    before = _host(box.name)
    box.box("up", "--no-monitoring")
    another = tmp_path / "clone" / "hack"
    shutil.copytree(BOX.parents[1], another)
    argv = [another / "cluster" / BOX.name]
    listed = subprocess.run([*argv, "list"], env=box.env, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [line.split()[1] != "-" for line in listed if line.startswith(box.name)] == [True], listed
    within = [*argv, "run", box.name, "--", *argv, "status", box.name]
    assert "etcd" in subprocess.run(within, env=box.env, capture_output=True, text=True, check=True).stdout, "from inside too"
    subprocess.run([*argv, "down", box.name], env=box.env, capture_output=True, text=True, check=True)
    assert not _family(box.name)
    assert _host(box.name) == before
    assert not box.state.exists()


def test_a_box_that_died_is_cleared_by_down(temporary: Path) -> None:
    box = Cluster(f"t{os.getpid()}e", temporary)
    before = _host(box.name)
    box.box("up", "--no-monitoring")
    for pid, _ in _family(box.name):
        if Path(f"/proc/{pid}/comm").read_text() == "unshare\n":
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not _family(box.name))
    assert "is not up" in box.attempt("run", "--", "true").stderr
    box.box("down")
    assert _host(box.name) == before
    assert not box.state.exists()
