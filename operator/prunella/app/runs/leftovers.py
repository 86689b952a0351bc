"""What runs have left on others' objects, and nobody drives any more: temporary measures whose time is over, and claims on fields.

The rule this module protects: both are found by what is stored. Neither a restart nor an outage makes one stay.
"""

from __future__ import annotations

from prunella.app.ports import Clock, Executor, Live, Store, View

from .claims import Claims
from .measures import Measures


class Leftovers:
    """Clears them away."""

    def __init__(self, view: View, store: Store, live: Live, executor: Executor, clock: Clock, operator_namespace: str) -> None:
        self._measures = Measures(view, store, live, executor, clock, operator_namespace)
        self._claims = Claims(view, store, live, executor, clock, operator_namespace)

    async def look(self) -> None:
        """Those that are due."""
        await self._measures.look()
        await self._claims.look()
