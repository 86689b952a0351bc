"""Layers that want nothing but processors, while others mostly wait for a cluster: another run of `hack/test.py`, at the lowest priority."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import venue
from outcome import Result

LOWEST = 19
PATIENCE_SECONDS = 60
"""How long one that was told to end may take: it ends what it began."""


class Beside:
    """A run of some layers that has begun. What it prints is printed when it is over."""

    def __init__(self, names: list[str], *, nightly: bool) -> None:
        self._names = names
        self._output = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed by `close`
        self._folder = tempfile.TemporaryDirectory()
        self._results = Path(self._folder.name) / "results.json"
        command = [sys.executable, str(venue.ROOT / "hack" / "test.py"), *names, f"--results={self._results}", *(["--nightly"] if nightly else [])]
        self._process = subprocess.Popen(command, stdout=self._output, stderr=self._output, start_new_session=True)
        give_way(self._process.pid)

    def results(self) -> dict[str, Result]:
        """Wait until it is over. A layer of which it left no word has failed."""
        self._process.wait()
        self._output.seek(0)
        print(self._output.read(), flush=True)
        found = read(self._results)
        return {name: found.get(name, Result(failed=1)) for name in self._names}

    def close(self) -> None:
        """Also before it is over."""
        self._process.terminate()
        try:
            self._process.wait(PATIENCE_SECONDS)
        finally:
            self._process.kill()
            self._output.close()
            self._folder.cleanup()


def give_way(leader: int) -> None:
    """Let a session, and all that it begins, have what others leave.

    Where the kernel groups processes by session (sched(7), autogroup) a nice value counts within its session, and the session has one itself.
    """
    os.setpriority(os.PRIO_PROCESS, leader, LOWEST)
    with suppress(OSError):  # a kernel without it
        Path(f"/proc/{leader}/autogroup").write_text(str(LOWEST))


def write(results: dict[str, Result], file: Path) -> None:
    """For the run that began this one."""
    file.write_text(json.dumps({name: asdict(result) for name, result in results.items()}))


def read(file: Path) -> dict[str, Result]:
    """What was written; nothing where it never came to that."""
    if not file.exists():
        return {}
    return {name: Result(**{**one, "notes": tuple(one["notes"])}) for name, one in json.loads(file.read_text()).items()}
