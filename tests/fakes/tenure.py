"""Leading without an election: a process that is the only one, until the test takes it away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Sole:
    """Implements the ports `Tenure` and `Election`."""

    def __init__(self, *, leads: bool = True, epoch: int = 1) -> None:
        self.leads = leads
        self.epoch = epoch
        self.elected = asyncio.Event()
        self.lost: Exception | None = None
        self.ended = asyncio.Event()
        self.released = self.resting = 0
        self._regained: Callable[[], None] = lambda: None
        if leads:
            self.elected.set()

    def covers(self, seconds: float) -> bool:
        return self.leads

    async def campaign(self) -> None:
        await self.elected.wait()
        self.leads = True

    def pause(self) -> None:
        """It could not renew in time."""
        self.leads = False
        self.elected.clear()

    def resume(self) -> None:
        """It could, and the lease was still its own."""
        self.leads = True
        self.elected.set()
        self._regained()

    async def keep(self, regained: Callable[[], None]) -> None:
        self._regained = regained
        await self.ended.wait()
        if self.lost is not None:
            raise self.lost

    async def until_leading(self) -> None:
        self.resting += not self.leads
        await self.elected.wait()

    async def release(self) -> None:
        self.leads = False
        self.released += 1

    def overdue(self) -> str | None:
        return None
