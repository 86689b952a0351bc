"""Say what is going on, and never let a person stare at a silent terminal.

Everything that may take longer than a few seconds runs through `run_aloud`, which prints a line now and then with the time that has passed.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TICK_SECONDS = 10.0


class BoxError(Exception):
    """Something a person must know about: the message is all that is printed."""


def say(message: str) -> None:
    """Print one line at once, also into a pipe."""
    print(message, flush=True)


def last_lines(path: Path, count: int = 15) -> str:
    """Return the end of a log, indented, for a message about what failed."""
    if not path.exists():
        return "    (no log)"
    lines = path.read_text(errors="replace").splitlines()[-count:]
    return "\n".join(f"    {line[:400]}" for line in lines) or "    (empty log)"


def run_aloud(title: str, argv: Sequence[str], *, log: Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
    """Run a command into a log; print a line each ten seconds, and the log's end if it fails."""
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            while process.poll() is None:
                try:
                    process.wait(TICK_SECONDS)
                except subprocess.TimeoutExpired:
                    say(f"  {title} … {time.monotonic() - started:.0f} s")
        except BaseException:
            process.kill()
            process.wait()
            raise
    if process.returncode:
        raise BoxError(f"{title} failed (exit {process.returncode}), the end of {log}:\n{last_lines(log)}")
    say(f"  {title}: done in {time.monotonic() - started:.0f} s")


def run(command: str) -> None:
    """Run a short command whose words need no quoting; what it says when it fails is the message."""
    done = subprocess.run(command.split(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BoxError(f"`{command}` failed: {done.stderr.strip()}")
