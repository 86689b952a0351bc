"""Waiting is for a condition and has a deadline; when it passes, the message says what was waited for.

The rule it protects: nothing here sleeps and hopes. `PAUSE` only bounds how often a condition is asked.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from progress import BoxError

PAUSE_SECONDS = 0.05


class DeadlineError(BoxError):
    """The condition did not come true in time."""


def until(what: str, condition: Callable[[], object], seconds: float) -> None:
    """Ask until the condition is true; raise DeadlineError with `what` after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() >= end:
            raise DeadlineError(f"{what}: not within {seconds:g} s")
        time.sleep(PAUSE_SECONDS)
