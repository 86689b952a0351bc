"""The one place that reads the clocks. Everything else is given `now`."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final


class SystemClock:
    """The machine's clock, in UTC."""

    def now(self) -> datetime:
        """The present instant, with its time zone."""
        return datetime.now(UTC)


class SystemTicks:
    """Seconds since the machine started, its sleep included where the system can tell: a lease runs out while a laptop is shut."""

    _CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def seconds(self) -> float:
        """Seconds that only go forward."""
        return time.clock_gettime(self._CLOCK)
