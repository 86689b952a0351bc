"""The one place that reads the clock. Everything else is given `now`."""

from __future__ import annotations

from datetime import UTC, datetime


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The present instant, with its time zone."""
        return datetime.now(UTC)
