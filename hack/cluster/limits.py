"""The one setting of the host's kernel that boxes need: a box holds 24 inotify instances, and a stock kernel allows a user 128.

The rule it protects: what is raised for the first box is put back by the last one that goes, wherever their folders are. The setting's own file is
the lock, so that a start and a last goodbye can't cross.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from processes import any_box
from progress import say

SETTING = Path("/proc/sys/fs/inotify/max_user_instances")
BEFORE = Path("/run/prunella-box-inotify")
ENOUGH = 8192


@contextmanager
def _locked() -> Iterator[None]:
    with SETTING.open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def raised() -> Iterator[None]:
    """Raise the limit if it is low; the caller starts its box inside, where nobody puts the limit back."""
    with _locked():
        now = int(SETTING.read_text())
        # A container may not be allowed to; then the box comes up or says what it missed.
        with contextlib.suppress(OSError):
            if now < ENOUGH:
                BEFORE.write_text(str(now))
                SETTING.write_text(str(ENOUGH))
                say(f"  fs.inotify.max_user_instances is {ENOUGH} while there are boxes ({now} before)")
        yield


def put_back() -> None:
    """Put the limit back as it was, if no box is left that might need it."""
    with _locked(), contextlib.suppress(OSError):
        if not any_box():
            SETTING.write_text(BEFORE.read_text())
            BEFORE.unlink()
