"""Takes a box down, whatever state it is in, and leaves nothing: no process, mount, link, cgroup or folder.

Killing the init makes the kernel drop everything that lives in its namespaces. What is left on the host is the cgroups and the folder.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal

import cgroups
import limits
from layout import Box
from processes import all_of, init_of
from progress import BoxError
from wait import until

GONE_SECONDS = 10.0


def _kill(box: Box) -> bool:
    """Kill what is there and tell whether nothing is; the init alone first, so that `unshare` can still collect it."""
    pids = all_of(box)
    init = init_of(box)
    for pid in [init] if init else pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return not pids


def down(box: Box) -> None:
    """Kill the box and remove what it had; nothing happens where there is nothing."""
    until(f"the processes of box '{box.name}' are gone", lambda: _kill(box), GONE_SECONDS)
    until(f"the cgroups of box '{box.name}' are empty", lambda: cgroups.remove(box), GONE_SECONDS)
    limits.put_back()
    shutil.rmtree(box.state, ignore_errors=True)
    if box.state.exists():
        raise BoxError(f"{box.state} could not be removed")
    with contextlib.suppress(OSError):
        box.state.parent.rmdir()  # only the last box takes the common folder with it
