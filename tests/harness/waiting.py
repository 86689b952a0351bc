"""Waiting for a condition with a deadline: the only way in which tests wait. A miss says what was seen last."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
INTERVAL = 0.25
_pause = threading.Event()


class Missed(AssertionError):
    """The condition did not come true in time."""


def wait_for(probe: Callable[[], T], seconds: float, what: str, *, seen: Callable[[], object] | None = None, interval: float = INTERVAL) -> T:
    """Ask until the answer is true, and return it. `seen` says what stands there instead, for whoever reads the failure."""
    deadline = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > deadline:
            detail = f"; seen: {seen()}" if seen is not None else ""
            raise Missed(f"{what}: not within {seconds:g} s{detail}")
        _pause.wait(interval)


def holds_for(probe: Callable[[], object], seconds: float, what: str, *, interval: float = INTERVAL) -> None:
    """Ask again and again for that long: every answer must be true. For what must *not* happen."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not probe():
            raise Missed(f"{what}: did not hold for {seconds:g} s")
        _pause.wait(interval)
