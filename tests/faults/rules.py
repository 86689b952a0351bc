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
from typing import Any, Final

from .exchange import MUTATING, Exchange

Event = dict[str, Any]


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


class End(KillBefore):
    """The process is told to end (SIGTERM) while it sends the request, and the request goes on."""

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


# --- what happens to a watch ---

Wanted = Callable[[Event], bool]


def anything(event: Event) -> bool:
    """Any event that is about an object."""
    return event["type"] in {"ADDED", "MODIFIED", "DELETED"}


class OnEvent(Rule):
    """Acts on events of a watch: on the n-th that is wanted, of all watches that fit."""

    def __init__(self, resource: str, wanted: Wanted = anything, *, namespace: str = "", nth: int | None = 1, times: int = 1_000_000) -> None:
        super().__init__(Match(verbs={"watch"}, resource=resource, namespace=namespace), nth=None)
        self._wanted, self._nth_event, self._limit = wanted, nth, times
        self._events = 0

    def lines(self, exchange: Exchange, line: bytes) -> list[bytes]:
        if self.fired >= self._limit or not self._wanted(json.loads(line)):
            return [line]
        self._events += 1
        if self._nth_event is not None and self._events != self._nth_event:
            return [line]
        self.fire(exchange)
        return self.instead(line)

    def instead(self, line: bytes) -> list[bytes]:
        """What the operator is told instead."""
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{type(self).__name__} of a watch of {self.match.resource}, event {self._nth_event or 'any'}: {self._events} were wanted"


class DropEvent(OnEvent):
    """The operator never hears of it."""

    def instead(self, line: bytes) -> list[bytes]:
        return []


class DuplicateEvent(OnEvent):
    """The operator hears of it twice."""

    def instead(self, line: bytes) -> list[bytes]:
        return [line, line]


class ReplayEvent(OnEvent):
    """The operator hears of it again after the `later`-th event that follows: what is told is old by then."""

    def __init__(self, resource: str, wanted: Wanted = anything, *, namespace: str = "", nth: int = 1, later: int = 3) -> None:
        super().__init__(resource, wanted, namespace=namespace, nth=nth, times=1)
        self._left = later
        self._old: bytes | None = None

    def lines(self, exchange: Exchange, line: bytes) -> list[bytes]:
        if self._old is None:
            return super().lines(exchange, line)
        if self._left == 0 or not anything(json.loads(line)):
            return [line]
        self._left -= 1
        return [line, self._old] if self._left == 0 else [line]

    def instead(self, line: bytes) -> list[bytes]:
        self._old = line
        return [line]

    def close(self) -> None:
        super().close()
        assert self._left == 0, f"{self}: the old event was never told again, {self._left} events were missing"


class ReorderEvents(OnEvent):
    """The operator hears of it after the one that follows it."""

    def __init__(self, resource: str, wanted: Wanted = anything, *, namespace: str = "", nth: int = 1) -> None:
        super().__init__(resource, wanted, namespace=namespace, nth=nth, times=1)
        self._held: bytes | None = None

    def lines(self, exchange: Exchange, line: bytes) -> list[bytes]:
        if self._held is not None:
            held, self._held = self._held, None
            return [line, held]
        return super().lines(exchange, line)

    def instead(self, line: bytes) -> list[bytes]:
        self._held = line
        return []


class CutInEvent(OnEvent):
    """The stream ends in the middle of it."""

    def instead(self, line: bytes) -> list[bytes]:
        return [line[: len(line) // 2]]


class GarbageEvent(OnEvent):
    """A line that is no JSON comes instead of it."""

    def instead(self, line: bytes) -> list[bytes]:
        return [b'{"type":"MODIFIED","object":{"kind":\xff\xfe nonsense\n']


class ErrorEvent(OnEvent):
    """The stream brings an ERROR instead of it."""

    def __init__(self, code: int, resource: str, wanted: Wanted = anything, *, namespace: str = "", nth: int | None = 1, times: int = 1) -> None:
        super().__init__(resource, wanted, namespace=namespace, nth=nth, times=times)
        self._code = code

    def instead(self, line: bytes) -> list[bytes]:
        said = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": "too old", "reason": REASONS[self._code], "code": self._code}
        return [json.dumps({"type": "ERROR", "object": said}).encode() + b"\n"]


class HalfOpen(Rule):
    """From the `after_bytes`-th byte on a watch says nothing more, and its connection stays."""

    def __init__(self, resource: str, *, namespace: str = "", after_bytes: int = 0, times: int = 1_000_000) -> None:
        super().__init__(Match(verbs={"watch"}, resource=resource, namespace=namespace), nth=None, times=times)
        self._after_bytes = after_bytes

    def swallows(self, exchange: Exchange, coming: int) -> bool:
        if exchange.received_bytes + coming < self._after_bytes or self.fired >= self._times:
            return False
        self.fire(exchange)
        return True


class Lag(Rule):
    """A watch says what it says `seconds` later."""

    def __init__(self, seconds: float, resource: str, *, namespace: str = "") -> None:
        super().__init__(Match(verbs={"watch"}, resource=resource, namespace=namespace), nth=None)
        self._seconds = seconds

    def turn(self, exchange: Exchange) -> bool:
        """The stream itself is opened at once."""
        return False

    def late(self, exchange: Exchange) -> float:
        self.fire(exchange)
        return self._seconds
