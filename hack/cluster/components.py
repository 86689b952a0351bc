"""The processes of a box, one record each: how it is started (`cmd/<name>.json`) and which process it is (`pids/<name>`).

The rule it protects: a component is started again exactly as it was started first. All functions run inside the box, whose pids these are; whatever
they start outlives the caller, because the box's init inherits it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from layout import Box, Node
from progress import BoxError, last_lines
from wait import until

STOP_SECONDS = 10.0


def record(box: Box, name: str, argv: Sequence[str], *, node: Node | None = None, env: Mapping[str, str] | None = None) -> None:
    """Write down how a component is started; on a node, in the node's network."""
    entered = ["nsenter", f"--net=/run/netns/{node.netns}", *argv] if node else list(argv)
    folder = box.state / "cmd"
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"argv": entered, "env": dict(env or {})}, indent=2) + "\n")


def known(box: Box) -> list[str]:
    """Name every component of the box."""
    return sorted(path.stem for path in (box.state / "cmd").glob("*.json"))


def _known(box: Box, name: str) -> Path:
    """Return the record of a component, or say which there are."""
    source = box.state / "cmd" / f"{name}.json"
    if not source.exists():
        raise BoxError(f"there is no component '{name}'; there are: {', '.join(known(box))}")
    return source


def log_of(box: Box, name: str) -> Path:
    """Return the file that takes what a component prints."""
    return box.logs / f"{name}.log"


def start(box: Box, name: str) -> None:
    """Start a component from its record; nothing happens if it runs."""
    source = _known(box, name)
    if alive(box, name):
        return
    command = json.loads(source.read_text())
    with log_of(box, name).open("ab") as log:
        process = subprocess.Popen(
            command["argv"],
            env=os.environ | command["env"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=box.state,
        )
    _pid_file(box, name).parent.mkdir(exist_ok=True)
    _pid_file(box, name).write_text(f"{process.pid}\n")


def _pid_file(box: Box, name: str) -> Path:
    return box.state / "pids" / name


def pid(box: Box, name: str) -> int:
    """Return the pid of a component inside the box, or 0 if it was never started."""
    file = _pid_file(box, name)
    return int(file.read_text()) if file.exists() else 0


def alive(box: Box, name: str) -> bool:
    """Tell whether its process runs; a zombie that nobody has reaped yet does not."""
    number = pid(box, name)
    try:
        status = Path(f"/proc/{number}/stat").read_text() if number else ""
    except OSError:
        return False
    return bool(status) and status.rpartition(")")[2].split()[0] not in {"Z", "X"}


def send(box: Box, name: str, number: signal.Signals) -> None:
    """Send a signal to a component that must be running."""
    _known(box, name)
    if not alive(box, name):
        raise BoxError(f"{name} is not running")
    os.kill(pid(box, name), number)


def stop(box: Box, name: str) -> None:
    """Kill a component and wait until it is gone: SIGKILL, because the API server takes a minute over SIGTERM."""
    _known(box, name)
    if alive(box, name):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid(box, name), signal.SIGKILL)
    # A zombie is not enough: its other threads may still hold the port that the next one needs. The init reaps when all are gone.
    until(f"{name} stopped", lambda: not Path(f"/proc/{pid(box, name)}").exists(), STOP_SECONDS)


def ensure_alive(box: Box, *names: str) -> None:
    """Raise with the end of its log if a component that was started has died: one of these, or any."""
    for name in names or known(box):
        if pid(box, name) and not alive(box, name):
            raise BoxError(f"{name} died, the end of its log:\n{last_lines(log_of(box, name))}")
