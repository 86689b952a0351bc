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
        self.released = 0
        if leads:
            self.elected.set()

    def covers(self, seconds: float) -> bool:
        return self.leads

    async def campaign(self) -> None:
        await self.elected.wait()
        self.leads = True

    async def keep(self, regained: Callable[[], None]) -> None:
        await self.ended.wait()
        if self.lost is not None:
            raise self.lost

    async def release(self) -> None:
        self.leads = False
        self.released += 1

    def overdue(self) -> str | None:
        return None
