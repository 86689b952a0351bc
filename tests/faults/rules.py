"""What the proxy does to whom. A rule that never fired has shown nothing: whoever closes one is told by an AssertionError.

A rule is opened by `with proxy.rule(Kill(...)):` or `proxy.add(rule)` and `rule.close()`. It counts the requests that fit it from then on, and acts
on the n-th of them; `nth=None` means on each, `times` of them at most.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

from .exchange import MUTATING, Exchange


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which requests are meant; what is empty restricts nothing. Without verbs all that change something are meant, but no dry runs."""

    verbs: Collection[str] = MUTATING
    resource: str = ""
    """With the subresource: `incidents/status`."""
    namespace: str = ""
    name: str = ""
    dry: bool = False

    def fits(self, exchange: Exchange) -> bool:
        wanted = ((self.resource, exchange.resource), (self.namespace, exchange.namespace), (self.name, exchange.name))
        return exchange.verb in self.verbs and exchange.dry == self.dry and all(not want or want == got for want, got in wanted)


ANY_WRITE: Final = Match()
EVERY_VERB: Final = MUTATING | {"get", "list", "watch"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that the API server never gave."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Cut(Exception):
    """The connection to the operator is reset here."""


class Rule:
    """Passes everything on. Each kind of fault overrides one of the three places where it can act."""

    def __init__(self, match: Match = ANY_WRITE, *, nth: int | None = 1, times: int = 1_000_000) -> None:
        self.match = match
        self._nth = nth
        self._times = times
        self._seen = 0
        self.fired = 0
        self.done = threading.Event()
        """Set once it has fired."""

    def close(self) -> None:
        """Raises AssertionError where it never fired."""
        assert self.fired, f"{self} never fired: {self._seen} requests fitted it"

    def turn(self, exchange: Exchange) -> bool:
        """Whether it acts on this request. Counts."""
        if not self.match.fits(exchange) or self.fired >= self._times:
            return False
        self._seen += 1
        return self._nth is None or self._seen == self._nth

    def fire(self, exchange: Exchange) -> None:
        """It has acted."""
        self.fired += 1
        exchange.fate.append(type(self).__name__)
        self.done.set()

    async def before(self, exchange: Exchange) -> Reply | None:
        """Ahead of the API server; what it returns is answered instead. Raises Cut."""

    async def after(self, exchange: Exchange) -> None:
        """The API server has answered, and the operator does not know yet. Raises Cut."""

    def lines(self, exchange: Exchange, line: bytes) -> list[bytes]:
        """What of a watch's line is passed on; each with its newline, or the stream ends there in the middle of it."""
        return [line]

    def late(self, exchange: Exchange) -> float:
        """Seconds by which what a watch says comes late."""
        return 0.0

    def swallows(self, exchange: Exchange, coming: int) -> bool:
        """Whether the `coming` bytes and all that follow are not passed on, although the connection stays."""
        return False

    def __str__(self) -> str:
        return f"{type(self).__name__} of {'/'.join(sorted(self.match.verbs))} {self.match.resource or 'anything'} number {self._nth or 'any'}"


class KillBefore(Rule):
    """The process dies before the API server hears of the request."""

    def __init__(self, kill: Callable[[], None], match: Match = ANY_WRITE, *, nth: int = 1) -> None:
        super().__init__(match, nth=nth, times=1)
        self._kill = kill

    async def before(self, exchange: Exchange) -> Reply | None:
        await asyncio.to_thread(self._kill)
        self.fire(exchange)
        raise Cut


class KillAfter(KillBefore):
    """The request is done, and the process dies before it hears of it."""

    async def before(self, exchange: Exchange) -> Reply | None:
        return None

    async def after(self, exchange: Exchange) -> None:
        await asyncio.to_thread(self._kill)
        self.fire(exchange)
        raise Cut


class Meanwhile(KillBefore):
    """Somebody does something while the request is on its way, such as tell the process to end (SIGTERM); the request goes on."""

    async def before(self, exchange: Exchange) -> Reply | None:
        await asyncio.to_thread(self._kill)
        self.fire(exchange)
        return None


class LoseReply(Rule):
    """The request is done, and the connection is reset instead of an answer."""

    async def after(self, exchange: Exchange) -> None:
        self.fire(exchange)
        raise Cut


class LoseRequest(Rule):
    """The connection is reset, and the API server never hears of it."""

    async def before(self, exchange: Exchange) -> Reply | None:
        self.fire(exchange)
        raise Cut


class Outage(LoseRequest):
    """Nobody answers, and what is open is cut, until it is removed."""

    def __init__(self) -> None:
        super().__init__(Match(verbs=EVERY_VERB), nth=None)

    def lines(self, exchange: Exchange, line: bytes) -> list[bytes]:
        raise Cut


class Delay(Rule):
    """The API server hears of it late."""

    def __init__(self, seconds: float, match: Match = ANY_WRITE, *, nth: int | None = 1, times: int = 1_000_000) -> None:
        super().__init__(match, nth=nth, times=times)
        self._seconds = seconds

    async def before(self, exchange: Exchange) -> Reply | None:
        self.fire(exchange)
        await asyncio.sleep(self._seconds)
        return None


REASONS: Final = {
    409: "Conflict",
    410: "Expired",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Answer(Rule):
    """An error instead of the API server's answer. `done` lets the API server do it all the same."""

    def __init__(
        self,
        status: int,
        match: Match = ANY_WRITE,
        *,
        nth: int | None = 1,
        times: int = 1_000_000,
        retry_after: int | None = None,
        done: bool = False,
    ) -> None:
        super().__init__(match, nth=nth, times=times)
        self._headers = {"Content-Type": "application/json"} | ({} if retry_after is None else {"Retry-After": str(retry_after)})
        self._status = status
        self.done_all_the_same = done

    def reply(self) -> Reply:
        reason = REASONS[self._status]
        said = {
            "kind": "Status",
            "apiVersion": "v1",
            "status": "Failure",
            "message": "the fault proxy says no",
            "reason": reason,
            "code": self._status,
        }
        return Reply(self._status, json.dumps(said).encode(), self._headers)

    async def before(self, exchange: Exchange) -> Reply | None:
        self.fire(exchange)
        return self.reply()
