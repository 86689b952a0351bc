"""A clock that is set by hand."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.core.builders import NOON


class ManualClock:
    """Implements the port `Clock`. It stands still until it is advanced."""

    def __init__(self, start: datetime = NOON) -> None:
        self.time = start

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def set(self, time: datetime) -> None:
        """Go there, never back."""
        self.time = max(self.time, time)
