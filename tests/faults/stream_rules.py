"""What the proxy does to watches: it lets them lie, stutter, break, and fall silent. For the rest see `rules.py`."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from .exchange import Exchange
from .rules import REASONS, Match, Rule

Event = dict[str, Any]

Wanted = Callable[[Event], bool]


def anything(event: Event) -> bool:
    """Any event that is about an object."""
    return event["type"] in {"ADDED", "MODIFIED", "DELETED"}


class OnEvent(Rule, ABC):
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

    @abstractmethod
    def instead(self, line: bytes) -> list[bytes]:
        """What the operator is told instead."""

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


class FirstWordAgain(OnEvent):
    """After each later word about an object the operator hears the first one again."""

    def __init__(self, resource: str, wanted: Wanted = anything, *, namespace: str = "") -> None:
        super().__init__(resource, wanted, namespace=namespace, nth=None)
        self._first: dict[str, bytes] = {}

    def lines(self, exchange: Exchange, line: bytes) -> list[bytes]:
        event = json.loads(line)
        if not self._wanted(event):
            return [line]
        first = self._first.setdefault(event["object"]["metadata"]["uid"], line)
        if first is line:
            return [line]
        self.fire(exchange)
        return [*self.instead(line), first]

    def instead(self, line: bytes) -> list[bytes]:
        return [line]


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
