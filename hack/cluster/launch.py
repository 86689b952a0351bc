"""Brings a box up from the host.

The rule it protects: a box outlives the command that made it and holds none of its files open, and a start that fails or is interrupted leaves
nothing.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import keys
import limits
import teardown
from build import Programs
from layout import Box
from processes import INIT, all_of
from progress import BoxError, say
from wait import PAUSE_SECONDS

UP_SECONDS = 120.0
NAMESPACES = ("--net", "--mount", "--pid", "--ipc", "--uts")


def up(box: Box, programs: Programs, options: Sequence[str]) -> None:
    """Start a box and return when everything in it answers."""
    signal.signal(signal.SIGTERM, _interrupted)
    with _claimed(box):
        try:
            began = time.monotonic()
            box.logs.mkdir()
            box.programs.write_text(str(programs.folder))
            keys.make_all(box)
            say(f"  {time.monotonic() - began:4.1f} s  keys are made")
            _start(box, programs, options)
        except BaseException:
            teardown.down(box)
            raise


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


@contextmanager
def _claimed(box: Box) -> Iterator[None]:
    """Hold the name: making its folder decides between two who want it, and a lock on the folder tells a start from a ruin."""
    if box.state.exists():
        with _locked(box):
            if all_of(box):
                raise BoxError(f"box '{box.name}' is up or being started; `box down {box.name}` ends it")
            say(f"clearing what is left of a box '{box.name}' that died")
            teardown.down(box)
    box.state.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        box.state.mkdir(mode=0o700)
    except FileExistsError:
        raise BoxError(f"box '{box.name}' is being started by somebody else") from None
    with _locked(box):
        yield


@contextmanager
def _locked(box: Box) -> Iterator[None]:
    folder = os.open(box.state, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BoxError(f"box '{box.name}' is being started by somebody else") from None
    finally:
        os.close(folder)


def _start(box: Box, programs: Programs, options: Sequence[str]) -> None:
    argv = ["unshare", *NAMESPACES, "--fork", "--kill-child", "--mount-proc", "--propagation", "private"]
    argv += [sys.executable, str(INIT), str(box.state), str(programs.folder), *options]
    log = box.logs / "init.log"
    with limits.raised(), log.open("ab") as output:
        # In a session of its own: a Ctrl-C meant for us must not tear the box apart while we are cleaning up.
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, cwd=box.state)
    with log.open() as lines:
        end = time.monotonic() + UP_SECONDS
        while not box.ready.exists():
            died = process.poll() is not None
            _pass_on(lines.read())
            if died:
                raise BoxError(f"box '{box.name}' did not come up and was taken down again")
            if time.monotonic() > end:
                raise BoxError(f"box '{box.name}' was not up within {UP_SECONDS:g} s and was taken down again")
            time.sleep(PAUSE_SECONDS)
        _pass_on(lines.read())


def _pass_on(text: str) -> None:
    if text:
        sys.stdout.write(text)
        sys.stdout.flush()
