"""Poll: Alertmanager is asked for what its webhook could not tell. The leader asks every half minute, a standby only where it was told too little.

The rule this module protects: a body that was cut or was too long costs nothing but seconds, whichever replica it was sent to.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import Final

from prunella.core.facts import UnknownT

from .errors import PrunellaError
from .gather import Gatherer
from .intake import Intake
from .ports import Tenure

log = logging.getLogger(__name__)
EVERY_SECONDS: Final = 30.0


class Polling:
    """Asks, and has the answers taken in."""

    def __init__(self, gatherer: Gatherer, intake: Intake, tenure: Tenure) -> None:
        self._gatherer = gatherer
        self._intake = intake
        self._tenure = tenure
        self._hurry = asyncio.Event()

    def now(self) -> None:
        """Ask at once."""
        self._hurry.set()

    async def run(self) -> None:
        """Until cancelled. A failure is logged and does not end it."""
        while True:
            if self._tenure.leads or self._hurry.is_set():
                self._hurry.clear()
                await self._poll()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), EVERY_SECONDS)

    async def _poll(self) -> None:
        try:
            active = await self._gatherer.poll()
            if not isinstance(active, UnknownT):
                await self._intake.polled(active)
        except PrunellaError as error:
            log.warning("The poll's alerts could not be taken in", extra={"error": str(error)})
