"""Rush: alerts that open one Incident after the other. First decisions, and those for nothing but alerts, give way until each of them stands there.

The rule this module protects: that an Incident is there waits for no conclusion about another one. Making it is one request, and its first decision
ten; where forty open at once, the last of them would come a second late.
"""

from __future__ import annotations

import asyncio
from typing import Final

CALM: Final = 0.05
"""Seconds without an alert that opens an Incident after which a rush is over."""
LONGEST: Final = 0.5
"""Seconds for which they give way, from the first of those that open."""


class Rush:
    """How long decisions give way."""

    def __init__(self) -> None:
        self._began = self._last = float("-inf")
        self._alone = True

    def opens(self) -> None:
        """An alert is about to open an Incident."""
        now = asyncio.get_running_loop().time()
        self._alone = now - self._last >= CALM
        if self._alone:
            self._began = now
        self._last = now

    def opened(self) -> None:
        """It has, or could not."""
        self._last = asyncio.get_running_loop().time()

    def left(self) -> float:
        """Seconds until they may be made; 0 or less where they may now. One that opens alone holds up nothing."""
        return 0.0 if self._alone else min(self._last + CALM, self._began + LONGEST) - asyncio.get_running_loop().time()
