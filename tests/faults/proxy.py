"""The fault proxy: between one operator and the API server, with an ordered log of what went through, and rules that break it.

It speaks plain HTTP to the operator and TLS to the API server, passes the operator's own token on, and streams: a watch's line is passed on as it
comes. It lives on an event loop of its own thread, so that tests may wait as they like. One proxy serves one operator: whose it is tells its port.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from typing import Any, TypeVar

import aiohttp
from aiohttp import web
from tests.harness.instants import now

from .exchange import Exchange
from .rules import Answer, Cut, Reply, Rule

T = TypeVar("T")
R = TypeVar("R", bound=Rule)
HOST = "127.0.0.1"
HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "host", "te", "upgrade"})


class Loop:
    """An event loop in a thread, for all proxies of a test process."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="fault proxies")
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float = 20) -> T:
        """Do it there and wait for it here."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(seconds)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _never_again(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a request a second time by itself: the proxy must not invent duplicates."""
    try:
        return await send(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise Cut from error


class Proxy:
    """Between one operator and one API server. `tls` is None where the server speaks plainly."""

    def __init__(self, loop: Loop, server: str, tls: ssl.SSLContext | None) -> None:
        self._loop = loop
        self._server = server.rstrip("/")
        self._tls = tls
        self._rules: tuple[Rule, ...] = ()
        self._listeners: tuple[Callable[[Exchange], None], ...] = ()
        self._handling: set[asyncio.Task[Any]] = set()
        self.log: list[Exchange] = []
        """Every request in the order in which it came in."""
        self.port = 0
        loop.run(self._open())

    @property
    def url(self) -> str:
        """Where the operator finds it."""
        return f"http://{HOST}:{self.port}"

    async def _open(self) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=self._tls or True)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        self._upstream = aiohttp.ClientSession(
            connector=connector, timeout=timeout, auto_decompress=False, trust_env=False, middlewares=(_never_again,)
        )
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, 0)
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    def close(self) -> None:
        """End it, with every connection."""
        self._loop.run(self._close())

    async def _close(self) -> None:
        for task in self._handling:
            task.cancel()
        await self._upstream.close()
        await self._runner.cleanup()

    # --- rules ---

    def add(self, rule: R) -> R:
        """Break something from now on, until `remove`."""
        self._rules = (*self._rules, rule)
        return rule

    def remove(self, rule: Rule) -> None:
        self._rules = tuple(one for one in self._rules if one is not rule)

    @contextlib.contextmanager
    def rule(self, rule: R) -> Iterator[R]:
        """Break something for as long as this lasts; at its end the rule must have fired."""
        self.add(rule)
        try:
            yield rule
        finally:
            self.remove(rule)
        rule.close()

    def written(self, since: int = 0) -> list[Exchange]:
        """What was to be stored and belongs to the story, from that number of the log on."""
        return [one for one in list(self.log[since:]) if one.writes]

    # --- one request ---

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        task = asyncio.current_task()
        assert task is not None
        self._handling.add(task)
        body = await request.read()
        exchange = Exchange(
            number=len(self.log), time=now(), method=request.method, path=request.path, query=request.query_string, sent_bytes=len(body)
        )
        self.log.append(exchange)
        rules = [rule for rule in self._rules if rule.turn(exchange)]
        try:
            for rule in rules:
                reply = await rule.before(exchange)
                if reply is not None:
                    if isinstance(rule, Answer) and rule.done_all_the_same:
                        await self._forward_only(request, exchange, body)
                    return _answer(exchange, reply)
            return await self._forward(request, exchange, body, rules)
        except (Cut, aiohttp.ClientError, OSError):
            _reset(request)
            return web.Response()  # nobody is there any more who could read it
        finally:
            self._handling.discard(task)

    def _ask(self, request: web.BaseRequest, exchange: Exchange, body: bytes) -> Any:
        exchange.forwarded = True
        headers = {key: value for key, value in request.headers.items() if key.lower() not in HOP_BY_HOP}
        return self._upstream.request(request.method, self._server + request.raw_path, data=body or None, headers=headers, allow_redirects=False)

    async def _forward_only(self, request: web.BaseRequest, exchange: Exchange, body: bytes) -> None:
        async with self._ask(request, exchange, body) as answer:
            await answer.read()

    async def _forward(self, request: web.BaseRequest, exchange: Exchange, body: bytes, rules: list[Rule]) -> web.StreamResponse:
        async with self._ask(request, exchange, body) as answer:
            headers = {key: value for key, value in answer.headers.items() if key.lower() not in HOP_BY_HOP}
            if exchange.verb == "watch" and answer.status == 200:
                return await self._stream(request, exchange, answer, headers)
            content = await answer.read()
            for rule in rules:
                await rule.after(exchange)
            return _answer(exchange, Reply(answer.status, content, headers))

    async def _stream(
        self, request: web.BaseRequest, exchange: Exchange, answer: aiohttp.ClientResponse, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        """A watch, line by line. Rules hold for streams that are open already as well."""
        response = web.StreamResponse(status=answer.status, headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        exchange.status = answer.status
        rest = b""
        async for chunk in answer.content.iter_any():
            rules = [rule for rule in self._rules if rule.match.fits(exchange)]
            if any(rule.swallows(exchange, len(chunk)) for rule in rules):
                await _silence(request)
            await asyncio.sleep(max((rule.late(exchange) for rule in rules), default=0))
            exchange.received_bytes += len(chunk)
            rest += chunk
            whole, rest = rest[: rest.rfind(b"\n") + 1], rest[rest.rfind(b"\n") + 1 :]
            if rules:
                for line in whole.split(b"\n")[:-1]:
                    await _pass_on(response, exchange, line + b"\n", rules)
            elif whole:
                await response.write(whole)
        return response


async def _pass_on(response: web.StreamResponse, exchange: Exchange, line: bytes, rules: list[Rule]) -> None:
    lines = [line]
    for rule in rules:
        lines = [made for one in lines for made in rule.lines(exchange, one)]
    for one in lines:
        await response.write(one)
        if not one.endswith(b"\n"):
            raise Cut


async def _silence(request: web.BaseRequest) -> None:
    """Say nothing more, and keep the connection until the operator hangs up."""
    while request.transport is not None and not request.transport.is_closing():
        await asyncio.sleep(0.2)
    raise Cut


def _answer(exchange: Exchange, reply: Reply) -> web.Response:
    exchange.status, exchange.received_bytes = reply.status, len(reply.body)
    headers = {key: value for key, value in reply.headers.items() if key.lower() not in HOP_BY_HOP}
    return web.Response(status=reply.status, body=reply.body, headers=headers)


def _reset(request: web.BaseRequest) -> None:
    """Reset the connection: no farewell, as from a network that broke."""
    transport = request.transport
    if transport is None:
        return
    peer: socket.socket | None = transport.get_extra_info("socket")
    if peer is not None:
        with contextlib.suppress(OSError):
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
