"""The work queue: keys, each served by one worker at a time, level-triggered. The one place that maps errors to what happens next.

Retryable → again after its delay, growing; Conflict → again at once; Permanent → told in the log and left for the next change. Nothing else stops
a worker: whatever a handler raises is logged and tried again later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from datetime import datetime
from typing import Final, Generic, TypeVar

from .errors import Conflict, OutcomeUnknown, Permanent, Retryable
from .ports import Clock, Telemetry

log = logging.getLogger(__name__)

Key = TypeVar("Key", bound=Hashable)
MAX_DELAY: Final = 60.0


class Queue(Generic[Key]):
    """A set of keys that wait to be served, with timers. `handle` gets a key and reads the world anew; set it before `run`."""

    handle: Callable[[Key], Awaitable[None]]

    def __init__(self, name: str, clock: Clock, telemetry: Telemetry) -> None:
        self._name = name
        self._clock = clock
        self._telemetry = telemetry
        self._ready: asyncio.Queue[Key] = asyncio.Queue()
        self._queued: dict[Key, float] = {}
        self._active: set[Key] = set()
        self._again: set[Key] = set()
        self._timers: dict[Key, tuple[float, asyncio.TimerHandle]] = {}
        self._failures: dict[Key, int] = {}

    def add(self, key: Key) -> None:
        """Serve the key soon. Added while it is served, it is served once more afterwards."""
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued[key] = asyncio.get_running_loop().time()
            self._ready.put_nowait(key)
            self._telemetry.gauge("queue_depth", len(self._queued), queue=self._name)

    def add_at(self, key: Key, at: datetime) -> None:
        """Serve the key at that instant; an earlier timer of the key stands."""
        delay = max((at - self._clock.now()).total_seconds(), 0.0)
        self.add_after(key, delay)

    def add_after(self, key: Key, delay: float) -> None:
        """Serve the key after so many seconds; an earlier timer of the key stands."""
        loop = asyncio.get_running_loop()
        due = loop.time() + delay
        old = self._timers.get(key)
        if old is not None:
            if old[0] <= due and not old[1].cancelled():
                return
            old[1].cancel()
        self._timers[key] = (due, loop.call_later(delay, self._fire, key))

    def overdue(self, seconds: float) -> int:
        """How many keys have waited longer than that for a worker, or for their timer to be seen."""
        late = asyncio.get_running_loop().time() - seconds
        return sum(1 for since in self._queued.values() if since < late) + sum(1 for due, _ in self._timers.values() if due < late)

    def _fire(self, key: Key) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def run(self, workers: int, rested: Callable[[], Awaitable[None]] | None = None) -> None:
        """Serve until cancelled. `rested` is awaited before each key: as long as that takes, everything that comes in waits."""
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(self._work(rested))

    async def _work(self, rested: Callable[[], Awaitable[None]] | None) -> None:
        while True:
            key = await self._ready.get()
            if rested is not None:
                await rested()
            self._queued.pop(key, None)
            self._active.add(key)
            try:
                await self._serve(key)
            finally:
                self._active.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)
                self._telemetry.gauge("queue_depth", len(self._queued), queue=self._name)

    async def _serve(self, key: Key) -> None:
        try:
            await self.handle(key)
        except Conflict:
            self._retry(key, "Conflict", 0.05)
        except Retryable as error:
            self._retry(key, "Retryable", error.delay)
        except OutcomeUnknown:
            self._retry(key, "OutcomeUnknown", 1.0)
        except Permanent:
            log.exception("Could not serve a key: a person has to look", extra={"queue": self._name, "key": str(key)})
            self._retry(key, "Permanent", MAX_DELAY)
        except Exception:
            log.exception("A handler failed; the key is served again later", extra={"queue": self._name, "key": str(key)})
            self._retry(key, "Error", 5.0)
        else:
            self._failures.pop(key, None)

    def _retry(self, key: Key, reason: str, delay: float) -> None:
        failures = self._failures.get(key, 0) + 1
        self._failures[key] = failures
        self._telemetry.count("queue_retries_total", reason=reason)
        self.add_after(key, min(delay * 2 ** min(failures - 1, 6), MAX_DELAY))
