"""A stand-in API server on this machine: it answers what the test says, and remembers what it was asked."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Object = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """One answer, whole."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Lines:
    """The start of a stream, and how it goes on: 'end', 'hang' until the client leaves, or 'cut' without a farewell."""

    lines: tuple[Any, ...] = ()
    then: str = "hang"


@dataclass(frozen=True)
class Silence:
    """No answer. `cut` ends the connection, else it hangs."""

    cut: bool = False


Answer = Reply | Lines | Silence


@dataclass(frozen=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class StandIn:
    """Answers by method and path, in the order given; the last one is given for ever. A watch is asked for as WATCH."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._answers: dict[tuple[str, str], deque[Answer]] = defaultdict(deque)
        self._leaving = asyncio.Event()

    def answers(self, method: str, path: str, *answers: Answer) -> None:
        self._answers[method, path] = deque(answers)

    def count(self, method: str, path: str = "") -> int:
        return sum(asked.method == method and path in ("", asked.path) for asked in self.asked)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        method = "WATCH" if "watch" in request.query else request.method
        text = await request.text()
        body = json.loads(text) if text else None
        self.asked.append(Asked(method, request.path, dict(request.query), dict(request.headers), body))
        queue = self._answers.get((method, request.path))
        if not queue:
            return web.json_response(status_object(404, "NotFound", f"{request.path} not found"), status=404)
        answer = queue.popleft() if len(queue) > 1 else queue[0]
        match answer:
            case Reply():
                return _whole(answer)
            case Lines():
                return await self._stream(request, answer)
            case Silence():
                return await self._silent(request, cut=answer.cut)

    async def _stream(self, request: web.Request, answer: Lines) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for line in answer.lines:
            await response.write(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n")
        if answer.then == "hang":
            await self._leaving.wait()
        if answer.then == "cut" and request.transport is not None:
            request.transport.abort()
        return response

    async def _silent(self, request: web.Request, *, cut: bool) -> web.StreamResponse:
        if cut and request.transport is not None:
            request.transport.abort()
        else:
            await self._leaving.wait()
        return web.Response()

    def release(self) -> None:
        """End what hangs now; what comes later hangs again."""
        self._leaving.set()
        self._leaving = asyncio.Event()


def _whole(answer: Reply) -> web.Response:
    if isinstance(answer.body, str):
        return web.Response(text=answer.body, status=answer.status, headers=answer.headers)
    return web.json_response(answer.body, status=answer.status, headers=answer.headers)


@asynccontextmanager
async def standing_in() -> AsyncIterator[StandIn]:
    standin = StandIn()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", standin.handle)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    standin.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield standin
    finally:
        standin.release()
        await runner.cleanup()


def status_object(code: int, reason: str, message: str) -> Object:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": message, "reason": reason, "code": code}


def refusal(code: int, reason: str, message: str = "no", **headers: str) -> Reply:
    return Reply(status_object(code, reason, message), code, headers)


def listed(*items: Object, version: str = "100", token: str = "") -> Reply:
    return Reply({"metadata": {"resourceVersion": version, **({"continue": token} if token else {})}, "items": list(items)})


def event(type_: str, made: Object) -> Object:
    return {"type": type_, "object": made}


def bookmark(version: str) -> Object:
    return event("BOOKMARK", {"kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": version, "creationTimestamp": None}, "spec": {}})


def gone() -> Object:
    return event("ERROR", status_object(410, "Expired", "too old resource version: 1 (970)"))


class Numbers:
    """The port Telemetry, in memory."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        self.gauges: dict[tuple[str, ...], list[float]] = defaultdict(list)

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name, tuple(sorted(labels.items()))] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.gauges[name, *labels.values()].append(value)

    def observe(self, name: str, value: float, **labels: str) -> None:
        pass

    def total(self, name: str, **labels: str) -> int:
        return sum(n for (which, found), n in self.counts.items() if which == name and set(labels.items()) <= set(found))


async def eventually(question: Callable[[], Any] | Callable[[], Awaitable[Any]], *, seconds: float = 10) -> Any:
    """The first answer that is true. Fails when the deadline passes."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (answer := question()):
        assert loop.time() < end, f"not within {seconds} s: {answer!r}"
        await asyncio.sleep(0.005)
    return answer
