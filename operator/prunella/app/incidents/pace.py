"""Pace: how often Incidents are decided for nothing but alerts that came in.

An alert of a new fingerprint is a whole decision and a write of everything that its Incident knows. So where alerts come faster than that, those of
one Incident wait for its turn together, and one decision takes them all. The rule this module protects: a storm of alerts is taken without turning
any away, and leaves most of the process to what heals. A decision that is due for any other reason is not asked to wait, and takes along what does.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from prunella.app.errors import Retryable
from prunella.app.keys import IncidentKey

from .rush import Rush

TURN: Final = 0.05
"""Seconds of everybody's time that one decision is given: all Incidents together have twenty a second."""
LONGEST: Final = 2.0
"""Seconds that an Incident waits from its last turn to the next one, however many others there are."""
LATELY: Final = 1.0
"""Seconds for which an Incident that alerts came in for counts as one that shares the turns."""
AT_ONCE: Final = 8
"""Turns under way at once, where many Incidents are new."""


class Pace:
    """Gives each Incident its turn, and none while a rush lasts. `turn` seconds of 0 let nobody wait."""

    def __init__(self, turn: float = TURN, rush: Rush | None = None) -> None:
        self._turn = turn
        self.rush = rush or Rush()
        self._heard: OrderedDict[IncidentKey, float] = OrderedDict()
        self._last: OrderedDict[IncidentKey, float] = OrderedDict()
        self._taken: set[IncidentKey] = set()
        self._news: dict[IncidentKey, asyncio.Event] = {}
        self._places = asyncio.Semaphore(AT_ONCE)
        self._closed = False

    async def decide(self, key: IncidentKey, lock: asyncio.Lock, over: Callable[[], bool], decide: Callable[[], Awaitable[None]]) -> None:
        """Call `decide` under the Incident's lock once its turn has come, unless it is `over` before. Raises Retryable once closed.

        An Incident that had no turn lately has it at once, but for a rush.
        """
        _note(self._heard, key, forget_after=LATELY)
        while not over():
            if key not in self._taken and self._left(key) <= 0:
                await self._take(key, lock, over, decide)
                return
            await self._wait(key)

    def gives_way(self) -> float:
        """Seconds for which decisions give way to Incidents that open; 0 or less where they don't."""
        return self.rush.left() if self._turn else 0.0

    def took(self, key: IncidentKey) -> None:
        """A decision has just taken in what alerts waited: whoever waits looks whether theirs were among them."""
        _note(self._last, key, forget_after=LONGEST)
        self._wake(key)

    def close(self) -> None:
        """Let nobody wait any longer, from now on: each gets a Retryable."""
        self._closed = True
        for key in list(self._news):
            self._wake(key)

    async def _take(self, key: IncidentKey, lock: asyncio.Lock, over: Callable[[], bool], decide: Callable[[], Awaitable[None]]) -> None:
        """Take the turn, for everybody who waits for it: they come along, so that only one of an Incident waits for a place."""
        self._taken.add(key)
        try:
            while not over():
                async with self._places:
                    if over():
                        return
                    if not lock.locked():
                        _note(self._last, key, forget_after=LONGEST)
                        async with lock:
                            if not over():
                                await decide()
                        return
                async with lock:
                    pass  # whoever decides just now may take the alerts along; nobody keeps a place while waiting for that
        finally:
            self._taken.discard(key)
            self._wake(key)  # where nothing was stored, the next one has to try

    async def _wait(self, key: IncidentKey) -> None:
        """Until there is news, or the turn has come and nobody has taken it."""
        if not self._closed:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if key in self._taken else self._left(key)):
                    await self._news.setdefault(key, asyncio.Event()).wait()
        if self._closed:
            raise Retryable("this process is ending: whoever leads next takes the alerts", delay=5.0)

    def _left(self, key: IncidentKey) -> float:
        """Seconds until the Incident's next turn; 0 or less where it has come."""
        last, now = self._last.get(key), asyncio.get_running_loop().time()
        turn = 0.0 if last is None else last + min(self._turn * len(self._heard), LONGEST) - now
        return max(turn, self.gives_way())

    def _wake(self, key: IncidentKey) -> None:
        news = self._news.pop(key, None)
        if news is not None:
            news.set()


def _note(times: OrderedDict[IncidentKey, float], key: IncidentKey, *, forget_after: float) -> None:
    """Put down that something of the Incident is now, and forget what is so long ago."""
    now = asyncio.get_running_loop().time()
    times[key] = now
    times.move_to_end(key)
    while times[next(iter(times))] < now - forget_after:
        times.popitem(last=False)
