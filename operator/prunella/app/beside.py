"""Beside: a read is begun before it is known whether it is wanted, so that a decision waits for the slower of two answers and not for both in turn.

The rule this module protects: nothing that was begun outlives whoever began it. What is not wanted in the end is dropped, and its error with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

T = TypeVar("T")


@asynccontextmanager
async def beside(read: Coroutine[Any, Any, T]) -> AsyncIterator[asyncio.Task[T]]:
    """Begin it now; whoever wants its answer awaits the task, and gets its error. It has ended when the block is left, in whatever way."""
    task = asyncio.create_task(read)
    task.add_done_callback(_heard)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


def _heard(task: asyncio.Task[Any]) -> None:
    """Take note of an error that nobody may have waited for."""
    if not task.cancelled():
        task.exception()
