"""The watchdog: a thread that ends the process where its loop can't do so itself, because it stands still or does not let go.

The rule this module protects: whoever may not act any more is gone before somebody else begins, whatever it hangs in, its own log included.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from typing import Final, Self

log = logging.getLogger(__name__)
LOOK_SECONDS: Final = 0.25
LAST_WORDS_SECONDS: Final = 1.0


class Watchdog:
    """Asks `overdue` again and again; a sentence as its answer ends the process with code 1. Use as a context."""

    def __init__(self, overdue: Callable[[], str | None], *, leave: Callable[[int], object] = os._exit, look_seconds: float = LOOK_SECONDS) -> None:
        self._overdue = overdue
        self._leave = leave
        self._look_seconds = look_seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        before = None
        while not self._ended.wait(self._look_seconds):
            why = self._overdue()
            if why is not None and before is not None:  # twice: a machine that slept wakes its loop and this thread at the same time
                self._end(why)
                return
            before = why

    def _end(self, why: str) -> None:
        # A full pipe behind the log may be the very thing that everything hangs in.
        last = threading.Timer(LAST_WORDS_SECONDS, self._leave, (1,))
        last.daemon = True
        last.start()
        self._say(why)
        last.cancel()
        self._leave(1)

    def _say(self, why: str) -> None:
        log.critical("The process is ended from outside of its loop", extra={"why": why})
