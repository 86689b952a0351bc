"""Async generators that a cancelled reader leaves behind are closed from the outermost inwards.

At its end asyncio closes what is left in any order. Where one generator reads another, as Kopf's watches do, the outer one then finds the inner one
closed under it and fails: a traceback at every stop that comes while lists are read. The rule this module protects: whoever was begun first is closed
first, for whoever reads another was begun before it.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any
from weakref import WeakKeyDictionary


@asynccontextmanager
async def closed_in_order() -> AsyncIterator[None]:
    """Close what was begun meanwhile and is left at the end. Leave it when every task that reads one has ended."""
    begun: WeakKeyDictionary[AsyncGenerator[Any, Any], None] = WeakKeyDictionary()
    before = sys.get_asyncgen_hooks()

    def note(generator: AsyncGenerator[Any, Any]) -> None:
        begun[generator] = None
        if before.firstiter is not None:
            before.firstiter(generator)

    sys.set_asyncgen_hooks(firstiter=note)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(firstiter=before.firstiter)
        async with AsyncExitStack() as leaving:
            # The stack ends with what was put on it first; one that fails keeps none of the others from being closed.
            for generator in reversed([one for one in begun if inspect.isasyncgen(one) and not one.ag_running]):
                leaving.push_async_callback(generator.aclose)
