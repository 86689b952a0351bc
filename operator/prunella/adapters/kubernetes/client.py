"""The raw JSON layer to the API server: one session, one try, no redirects, no proxy from the environment.

The rule this module protects: whoever sends a write learns whether it was refused, confirmed, or can't be known.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp

from prunella import __version__
from prunella.api.step_failure import Transient
from prunella.app.errors import NotLeading, OutcomeUnknown, Permanent, Retryable
from prunella.app.ports import Telemetry, Tenure

from .answers import NOT_FOUND, TOO_MANY, UNAUTHORIZED, Answer, refuse
from .body import encode
from .credentials import Anonymous, Credentials, KubeCredentials
from .resources import JSON, METHODS, Call

_CONNECT_SECONDS = 5.0
_MAXIMUM_CONNECTIONS = 100
"""Of requests at once."""
_NO_MAXIMUM = 0
"""Of streams: each is of one kind and namespace and keeps its connection, and must keep it from nobody."""
_SHORT_PAUSE_SECONDS = 2.0
"""A pause that a request waits out: Kubernetes asks for one second."""
_IDLE_SECONDS = 45.0
"""How long an unused connection is kept: a new one costs a TLS handshake in the midst of a heal. The API server keeps its end for ninety."""
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

    def __init__(self, credentials: Credentials, telemetry: Telemetry, tenure: Tenure | None = None) -> None:
        self.credentials = credentials
        self._telemetry = telemetry
        self._tenure = tenure
        self._tls: ssl.SSLContext | None = credentials.tls
        self._sessions: dict[int, aiohttp.ClientSession] = {}
        """By how many connections each may have."""
        self._retired: list[aiohttp.ClientSession] = []
        self._until: dict[tuple[str, str], float] = {}
        """Until when the API server asked to be spared by a verb of a kind (of a path, where there is no kind), by the event loop's clock."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def for_leader(self, tenure: Tenure) -> Api:
        """A session of its own for what only the leader does: a write that could outlast the lease is not sent."""
        return Api(self.credentials, self._telemetry, tenure)

    def apart(self) -> Api:
        """A session of its own, for requests that must wait for nobody else's connection."""
        return Api(self.credentials, self._telemetry)

    async def session_of_its_own(self) -> tuple[str, aiohttp.ClientSession]:
        """Server and session for another library, with our credentials. They are loaded anew each time: it asks when the old ones were refused."""
        await self.credentials.reload()
        header = await self.credentials.authorization()
        connector = aiohttp.TCPConnector(limit=0, ssl=self.credentials.tls or True)
        return self.credentials.server, aiohttp.ClientSession(
            connector=connector, headers={"Authorization": header} if header else {}, trust_env=False
        )

    async def close(self) -> None:
        """End every connection, watches included."""
        for session in (*self._retired, *self._sessions.values()):
            await session.close()
        self._retired, self._sessions = [], {}

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
        await self._spare(call)
        answer = await self._exchange(call)
        if answer.status == UNAUTHORIZED and await self._renewed():
            # Refused before any work was done: the second sending is still the first try.
            answer = await self._exchange(call)
        if answer.status == TOO_MANY and answer.retry_after:
            self._until[call.verb, call.kind or call.path] = self._now() + answer.delay
        return answer

    async def _spare(self, call: Call) -> None:
        """Wait out a short pause that the API server asked for. Raises Retryable where the pause is a long one.

        Nothing was sent yet, so whoever waits loses nothing; were they all turned away, as many would come back together when it is over. Of a long
        one they must hear: each change would wake somebody who asks at once again.
        """
        left = self._until.get((call.verb, call.kind or call.path), 0.0) - self._now()
        if left > _SHORT_PAUSE_SECONDS:
            message = f"The API server is overloaded and asked for a pause: it is not asked to {call.words} for {left:.0f} s"
            raise Retryable(message, delay=left, transient=Transient.TOO_MANY_REQUESTS)
        if left > 0:
            await asyncio.sleep(left)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    @asynccontextmanager
    async def stream(self, call: Call, *, silence: float) -> AsyncIterator[Stream]:
        """An open answer. Whoever reads gets a TimeoutError after `silence` seconds without bytes."""
        response = await self._open(call, _Patience(None, silence), _NO_MAXIMUM)
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
        if self._tenure is not None and not call.reads and not self._tenure.covers(call.timeout):
            raise NotLeading(f"It is not sure that this process is the leader for long enough: {call.words} was not sent", delay=1.0)
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

    async def _open(self, call: Call, patience: _Patience, connections: int = _MAXIMUM_CONNECTIONS) -> aiohttp.ClientResponse:
        headers = {"Accept": call.accept, "User-Agent": f"prunella/{__version__}"}
        if authorization := await self.credentials.authorization():
            headers["Authorization"] = authorization
        if call.as_user is not None:
            headers["Impersonate-User"] = _somebody(call)
        data = None
        if call.body is not None:
            headers["Content-Type"] = call.content_type
            data = encode(call.body)
        response = await self._connected(connections).request(
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

    def _connected(self, connections: int) -> aiohttp.ClientSession:
        if connections not in self._sessions:
            connector = aiohttp.TCPConnector(ssl=self._tls or True, limit=connections, keepalive_timeout=_IDLE_SECONDS)
            self._sessions[connections] = aiohttp.ClientSession(connector=connector, trust_env=False, middlewares=(_once,))
        return self._sessions[connections]

    async def _renewed(self) -> bool:
        if not await self.credentials.reload():
            return False
        if self.credentials.tls is not self._tls:
            # The old session may have a write under way: it is closed at the end, not now.
            self._retired += self._sessions.values()
            self._sessions, self._tls = {}, self.credentials.tls
        return True

    def _silence(self, call: Call, why: str) -> Retryable:
        self._count(call, "none")
        return Retryable(f"The API server {why}; so it was not possible to {call.words}", delay=1.0, transient=Transient.TIMEOUT)

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


def _somebody(call: Call) -> str:
    """Whom to name in the header. With an empty name it would be our own request. Raises Permanent."""
    if not call.as_user:
        raise Permanent(f"It is not said as whom to {call.words}: it is not sent as Prunella instead")
    return call.as_user


def _answer(response: aiohttp.ClientResponse, raw: bytes) -> Answer:
    return Answer(
        status=response.status,
        raw=raw,
        content_type=response.headers.get("Content-Type", ""),
        retry_after=response.headers.get("Retry-After", ""),
    )
