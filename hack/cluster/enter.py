"""Runs a command inside a box as if it had been started there: terminal, folder, signals and exit code are the caller's.

`nsenter` would do but for signals: it does not pass them on, and a killed test run would leave its tests running.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from build import programs_of
from layout import Box
from processes import INIT, init_of, mark
from progress import BoxError

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWPID, CLONE_NEWNET = 0x20000, 0x4000000, 0x8000000, 0x20000000, 0x40000000
ALL_OF_A_BOX = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
PR_SET_PDEATHSIG = 1
PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
NOT_FOUND = 127
SIGNALLED = 128

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: int) -> None:
    if getattr(_libc, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def join(pid: int, namespaces: int) -> None:
    """Move this thread into namespaces of a process (Python itself can since 3.12 only)."""
    process = os.pidfd_open(pid)
    try:
        _call("setns", process, namespaces)
    finally:
        os.close(process)


def is_inside(box: Box) -> bool:
    """Tell whether this process is in the box already: process 1 is the box's init then."""
    return mark(INIT, box) in Path("/proc/1/cmdline").read_bytes()


def require_up(box: Box) -> int:
    """Return the init's pid on the host, or say that there is no such box."""
    init = init_of(box)
    if not init or not box.ready.exists():
        raise BoxError(f"box '{box.name}' is not up; `box list` shows those that are, `box up {box.name}` starts it")
    return init


def run(box: Box, command: Sequence[str]) -> NoReturn:
    """Run a command inside the box and exit as it does."""
    init = 0 if is_inside(box) else require_up(box)
    environment, folder = os.environ | box.environment(programs_of(box).path), Path.cwd()
    if not init:
        _become(command, environment)
    # Held back from here on, so that none is lost between the fork and the wait.
    signal.pthread_sigmask(signal.SIG_BLOCK, {*PASSED_ON, signal.SIGCHLD})
    join(init, ALL_OF_A_BOX)
    child = os.fork()
    if not child:
        _call("prctl", PR_SET_PDEATHSIG, signal.SIGKILL)
        os.chdir(folder)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {*PASSED_ON, signal.SIGCHLD})
        _become(command, environment)
    os._exit(_attend(child))


def _become(command: Sequence[str], environment: dict[str, str]) -> NoReturn:
    sys.stdout.flush()
    try:
        os.execvpe(command[0], list(command), environment)
    except OSError as error:
        sys.stderr.write(f"error: {command[0]}: {error.strerror}\n")
        os._exit(NOT_FOUND)


def _attend(child: int) -> int:
    """Pass signals on until the child ends; return its exit code, as a shell would."""
    while True:
        signalled = signal.sigwaitinfo({*PASSED_ON, signal.SIGCHLD})
        if signalled.si_signo != signal.SIGCHLD:
            # One that the kernel sent came from the terminal, and the terminal has told the child as well.
            if signalled.si_code <= 0:
                os.kill(child, signalled.si_signo)
            continue
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else SIGNALLED - code
