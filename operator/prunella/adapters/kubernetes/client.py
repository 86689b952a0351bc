"""The raw JSON layer to the API server: one session, one try, no redirects, no proxy from the environment.

The rule this module protects: whoever sends a write learns whether it was refused, confirmed, or can't be known.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from prunella import __version__
from prunella.app.errors import OutcomeUnknown, Retryable
from prunella.app.ports import Telemetry

from .answers import NOT_FOUND, UNAUTHORIZED, Answer, refuse
from .body import encode
from .credentials import Anonymous, Credentials, KubeCredentials
from .resources import JSON, METHODS, Call

_CONNECT_SECONDS = 5.0
_MAXIMUM_CONNECTIONS = 100
_VERB_OF = {"GET": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long to wait: for everything, and for the next bytes."""

    total: float | None
    silence: float | None = None

    def as_aiohttp(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=self.total, sock_connect=_CONNECT_SECONDS, sock_read=self.silence)


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer that is still coming in: its head, and its bytes as they come."""

    head: Answer
    content: aiohttp.StreamReader


class _Cut(aiohttp.ClientConnectionError):
    """The connection broke before there was an answer."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep aiohttp from sending a GET, PUT or DELETE again when its connection breaks: a deletion that was done would then look refused."""
    try:
        return await send(request)
    except (aiohttp.ConnectionTimeoutError, aiohttp.ClientConnectorError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Cut(str(error)) from error


class Api:
    """A session with one API server. Close it at the end."""

    def __init__(self, credentials: Credentials, telemetry: Telemetry) -> None:
        self.credentials = credentials
        self._telemetry = telemetry
        self._tls: ssl.SSLContext | None = credentials.tls
        self._session: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End every connection, watches included."""
        for session in (*self._retired, *([self._session] if self._session else [])):
            await session.close()
        self._retired, self._session = [], None

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = JSON,
        timeout: float = 10.0,  # noqa: ASYNC109  (seconds of one HTTP exchange, not of a coroutine)
    ) -> tuple[int, Any]:
        """Status and decoded body of one exchange, whatever the status. Raises Retryable or OutcomeUnknown where there was no answer."""
        words = f"{method} {path}"
        call = Call(verb=_VERB_OF[method.upper()], path=path, words=words, query=query or {}, body=body, content_type=content_type, timeout=timeout)
        answer = await self.send(call)
        return answer.status, answer.json()

    async def ask(self, call: Call) -> Answer | None:
        """The good answer; None where a read found nothing. Raises AlreadyExists, Conflict, Permanent, Retryable, OutcomeUnknown."""
        answer = await self.send(call)
        if not answer.good and not (answer.status == NOT_FOUND and call.reads):
            refuse(answer, call)
        return answer if answer.good else None

    async def send(self, call: Call) -> Answer:
        """The answer, good or bad, of one try. Raises Retryable (nothing was sent, or a read) or OutcomeUnknown (a write without an answer)."""
        answer = await self._exchange(call)
        if answer.status == UNAUTHORIZED and await self._renewed():
            # Refused before any work was done: the second sending is still the first try.
            answer = await self._exchange(call)
        return answer

    @asynccontextmanager
    async def stream(self, call: Call, *, silence: float) -> AsyncIterator[Stream]:
        """An open answer. Whoever reads gets a TimeoutError after `silence` seconds without bytes."""
        response = await self._open(call, _Patience(None, silence))
        try:
            if response.status == UNAUTHORIZED:
                await self._renewed()
            raw = b"" if response.ok else await response.read()
            yield Stream(_answer(response, raw), response.content)
        finally:
            # A stream that is cut in the middle can't be reused, and a TLS farewell to a dead server would wait for its answer.
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            response.close()

    async def _exchange(self, call: Call) -> Answer:
        try:
            response = await self._open(call, _Patience(call.timeout))
            try:
                return _answer(response, await response.read())
            finally:
                response.release()
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise self._silence(call, f"could not be reached: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = f"gave no answer ({error})" if str(error) else f"gave no answer within {call.timeout:g} s"
            if call.reads:
                raise self._silence(call, why) from error
            self._count(call, "none")
            raise OutcomeUnknown(f"The API server {why} to {call.words}; whether it was done must be seen on the object") from error

    async def _open(self, call: Call, patience: _Patience) -> aiohttp.ClientResponse:
        headers = {"Accept": JSON, "User-Agent": f"prunella/{__version__}"}
        if authorization := await self.credentials.authorization():
            headers["Authorization"] = authorization
        data = None
        if call.body is not None:
            headers["Content-Type"] = call.content_type
            data = encode(call.body)
        response = await self._connected().request(
            METHODS[call.verb],
            self.credentials.server + call.path,
            params=call.query,
            data=data,
            headers=headers,
            timeout=patience.as_aiohttp(),
            allow_redirects=False,
            server_hostname=self.credentials.tls_server_name,
            proxy=self.credentials.proxy,
        )
        self._count(call, str(response.status))
        return response

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(ssl=self._tls or True, limit=_MAXIMUM_CONNECTIONS)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False, middlewares=(_once,))
        return self._session

    async def _renewed(self) -> bool:
        if not await self.credentials.reload():
            return False
        if self.credentials.tls is not self._tls:
            # The old session may have a write under way: it is closed at the end, not now.
            self._retired += [self._session] if self._session else []
            self._session, self._tls = None, self.credentials.tls
        return True

    def _silence(self, call: Call, why: str) -> Retryable:
        self._count(call, "none")
        return Retryable(f"The API server {why}; so it was not possible to {call.words}", delay=1.0)

    def _count(self, call: Call, code: str) -> None:
        self._telemetry.count("api_requests_total", verb=call.verb, kind=call.kind, code=code)


async def connect(kubeconfig: str | None, context: str | None, telemetry: Telemetry) -> Api:
    """A session as the kubeconfig's user, or as the pod's service account where neither is named. Raises Permanent where no server is known."""
    credentials = KubeCredentials(kubeconfig, context)
    await credentials.load()
    return Api(credentials, telemetry)


def connect_plainly(server: str, telemetry: Telemetry) -> Api:
    """A session over plain HTTP as nobody."""
    return Api(Anonymous(server), telemetry)


def _answer(response: aiohttp.ClientResponse, raw: bytes) -> Answer:
    return Answer(
        status=response.status,
        raw=raw,
        content_type=response.headers.get("Content-Type", ""),
        retry_after=response.headers.get("Retry-After", ""),
    )
