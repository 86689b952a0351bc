"""The cgroups of a box: one root per node in every hierarchy, the only thing besides the folder that a box has on the host.

Tests run on cgroup v1; what stands here for v2 follows the kernel's documentation and was not run.
"""

from __future__ import annotations

import os
from pathlib import Path

from layout import NODES, Box, Node

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids")


def _unified() -> bool:
    return (MOUNT / "cgroup.controllers").exists()


def _hierarchies() -> list[Path]:
    """Return the folders where cgroups are: one per controller on v1 (names that link to another are left out), one alone on v2."""
    if _unified():
        return [MOUNT]
    return [folder for folder in MOUNT.iterdir() if folder.is_dir() and not folder.is_symlink() and (folder / "cgroup.procs").exists()]


def make(box: Box, node: Node) -> None:
    """Make the kubelet's root in every hierarchy, able to hold pods."""
    for hierarchy in _hierarchies():
        group = hierarchy / box.cgroup(node)
        group.mkdir(exist_ok=True)
        if _unified():
            there = (hierarchy / "cgroup.controllers").read_text().split()
            (hierarchy / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in CONTROLLERS if name in there))
            continue
        for file in ("cpuset.cpus", "cpuset.mems"):  # a cpuset takes nobody in before it is told its CPUs
            if (group / file).exists():
                (group / file).write_text((hierarchy / file).read_text())


def remove(box: Box) -> bool:
    """Remove all of them, deepest first; False while something in one has not died yet."""
    return all(_remove(hierarchy / box.cgroup(node)) for hierarchy in _hierarchies() for node in NODES)


def _remove(top: Path) -> bool:
    try:
        for folder, _, _ in os.walk(top, topdown=False):
            Path(folder).rmdir()
    except OSError:
        return False
    return True
