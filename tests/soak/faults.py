"""What is wrong with the way to the API server for an hour: now and then an error instead of an answer, and now and then a watch that breaks."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable

from tests.faults.exchange import MUTATING, Exchange
from tests.faults.rules import EVERY_VERB, Answer, Match, Reply, Rule

CONFLICT, TOO_MANY, INTERNAL = 409, 429, 500
OF_WRITES = (CONFLICT, TOO_MANY, INTERNAL)
OF_READS = (TOO_MANY, INTERNAL)
"""Nothing that is only read is in conflict."""
RETRY_AFTER = 1
ALIVE_SECONDS = 90.0
"""A watch that said nothing for longer may be gone: the API server sends a bookmark about every minute."""


class Sporadic(Rule):
    """A share of all requests, dry runs and the opening of watches among them, is answered with an error, and the API server never hears of them."""

    def __init__(self, share: float, seed: int) -> None:
        super().__init__(Match(verbs=EVERY_VERB), nth=None)
        self._share = share
        self._random = random.Random(seed)
        self.asked = 0
        """Requests that it chose from."""
        self.answered: Counter[int] = Counter()
        """By status."""

    def turn(self, exchange: Exchange) -> bool:
        if exchange.verb not in self.match.verbs:
            return False
        self._seen += 1
        self.asked += 1
        return self._random.random() < self._share

    async def before(self, exchange: Exchange) -> Reply | None:
        status = self._random.choice(OF_WRITES if exchange.verb in MUTATING else OF_READS)
        self.answered[status] += 1
        self.fire(exchange)
        return Answer(status, retry_after=RETRY_AFTER if status == TOO_MANY else None).reply()


class CutNowAndThen(Rule):
    """Every so many seconds one of the open watches is chosen, and cut in the middle of what it says next. Add it before the operator starts.

    The proxy does not tell of watches that end: one of those may be chosen for a while, and then nothing is cut until the next is chosen.
    """

    def __init__(self, every: float, seed: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(Match(verbs={"watch"}), nth=None)
        self._every = every
        self._random = random.Random(seed)
        self._clock = clock
        self._next = clock() + every
        self._heard: dict[int, float] = {}
        """By number of the request: when an open watch said something last."""
        self._chosen: set[int] = set()
        self.cut: Counter[str] = Counter()
        """How often, by what was watched."""

    async def before(self, exchange: Exchange) -> Reply | None:
        self._heard[exchange.number] = self._clock()
        return None

    def lines(self, exchange: Exchange, line: bytes) -> list[bytes]:
        now = self._clock()
        self._heard[exchange.number] = now
        if now >= self._next:
            self._next = now + self._every
            self._choose(now)
        if exchange.number not in self._chosen:
            return [line]
        self._chosen.discard(exchange.number)
        self._heard.pop(exchange.number, None)
        self.cut[exchange.resource] += 1
        self.fire(exchange)
        return [line[: len(line) // 2]]

    def _choose(self, now: float) -> None:
        self._heard = {number: at for number, at in self._heard.items() if now - at <= ALIVE_SECONDS}
        self._chosen &= self._heard.keys()
        left = sorted(self._heard.keys() - self._chosen)
        if left:
            self._chosen.add(self._random.choice(left))
