"""Processes that outlive the test process that started them, because several test processes share them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from .waiting import wait_for

STOP_SECONDS = 20


def start(argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> int:
    """Start it in a session of its own, its output in a file; return its pid."""
    with log.open("ab") as out:
        made = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env={**os.environ, **(env or {})}
        )
    made.returncode = 0  # it is nobody's child to wait for: the box's process 1 reaps it
    return made.pid


def alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def stop(pid: int, number: signal.Signals = signal.SIGTERM) -> None:
    """End it and wait until it is gone; one that does not listen is killed, and that is an error."""
    if not alive(pid):
        return
    os.kill(pid, number)
    try:
        wait_for(lambda: not alive(pid), STOP_SECONDS, f"process {pid} ends after {number.name}")
    except AssertionError:
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not alive(pid), STOP_SECONDS, f"process {pid} ends after SIGKILL")
        raise


def tail(path: Path, lines: int = 40) -> str:
    """The end of a log."""
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else f"{path} does not exist"
