"""Runs Python with the locked packages: `python3 hack/python.py -m pytest`, `… script.py`.

The venv lives outside the clone, keyed by the lock file and the Python that made it, so that clones share it and a changed lock makes a new one.
The clone itself is never installed: it is on PYTHONPATH, so that two clones never run each other's code. A cut installation is never used: the mark
is written last, and a lock makes a second caller wait for the first.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements-dev.lock"
OLDEST = (3, 11)
TICK_SECONDS = 5.0
MARK = ".complete"


def cache() -> Path:
    """Where everything is kept that is made once: PRUNELLA_CACHE, or the user's cache folder."""
    if given := os.environ.get("PRUNELLA_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "prunella"


def folder() -> Path:
    """The venv of this lock file and this Python."""
    parts = (LOCK.read_bytes(), sys.version.encode(), sys.base_prefix.encode(), platform.machine().encode())
    return cache() / f"venv-{hashlib.sha256(b'/'.join(parts)).hexdigest()[:16]}"


def ensure() -> Path:
    """The venv's Python, installed first if it is not there yet."""
    venv = folder()
    python = venv / "bin" / "python"
    if (venv / MARK).exists():
        return python
    venv.parent.mkdir(parents=True, exist_ok=True)
    with venv.with_suffix(".lock").open("w") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        if not (venv / MARK).exists():
            _make(venv, python)
    return python


def _make(venv: Path, python: Path) -> None:
    say(f"installing the locked packages, once, into {venv}")
    shutil.rmtree(venv, ignore_errors=True)
    log = venv.with_suffix(".log")
    log.unlink(missing_ok=True)
    missing = "; on Debian and Ubuntu: `apt-get install python3-venv`"
    _aloud("making a venv", [sys.executable, "-m", "venv", str(venv)], log, missing)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-input"]
    _aloud("installing packages", [*pip, "--require-hashes", "-r", str(LOCK)], log)
    (venv / MARK).touch()


def _aloud(title: str, argv: list[str], log: Path, hint: str = "") -> None:
    """Run into a log; print a line each few seconds, and the log's end if it fails."""
    started = time.monotonic()
    with log.open("ab") as output:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
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
        tail = "\n".join(f"    {line}" for line in log.read_text(errors="replace").splitlines()[-15:])
        sys.exit(f"error: {title} failed{hint}. The end of {log}:\n{tail}")
    say(f"  {title}: done in {time.monotonic() - started:.0f} s")


def say(message: str) -> None:
    """One line on stderr: stdout belongs to the command."""
    print(message, file=sys.stderr, flush=True)


def environment() -> dict[str, str]:
    """The caller's, with this clone's code before any other."""
    return os.environ | {"PYTHONPATH": os.pathsep.join((str(ROOT / "operator"), str(ROOT / "hack")))}


def main() -> NoReturn:
    """Become the venv's Python with the given arguments."""
    if sys.version_info < OLDEST:
        sys.exit(f"error: Python {platform.python_version()} is too old, {OLDEST[0]}.{OLDEST[1]} is needed: `make PYTHON=python3.11 …` names another")
    try:
        python = ensure()
    except KeyboardInterrupt:
        sys.exit(130)
    os.execve(python, [str(python), *sys.argv[1:]], environment())


if __name__ == "__main__":
    main()
