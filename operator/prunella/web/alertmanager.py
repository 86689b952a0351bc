"""POST /api/v1/alertmanager: Alertmanager's webhook.

Alertmanager repeats after 5xx and network errors only; whatever else is answered counts as delivered. So the rules this module protects: 200 only
once every alert is durably kept; 503 and no work done where it can't be now; 400 only for what no repetition mends (not JSON, or beyond 32 MiB,
which is followed by an immediate poll); never 413, 429 or 207. Who asks is settled from the headers alone, before a byte of the body is read.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol, runtime_checkable

from aiohttp import web

from prunella.app.errors import PrunellaError
from prunella.app.ports import Clock, Telemetry

from .room import FullError, Place, Room
from .tokens import Entry, Tokens

PATH: Final = "/api/v1/alertmanager"
LONGEST_BODY: Final = 32 * 1024 * 1024
"""Bytes of a body, as sent and again as unpacked."""
READ_SECONDS: Final = 10.0
RETRY_AFTER: Final = "5"

_log = logging.getLogger(__name__)


class Body(Protocol):
    """A decoded body."""

    @property
    def alerts(self) -> Sequence[dict[str, Any]]:
        """The alerts, not looked into."""

    @property
    def truncated(self) -> int:
        """How many alerts were left out."""

    @property
    def oddities(self) -> Sequence[str]:
        """What is unusual, in sentences for the log."""


@runtime_checkable
class Refused(Protocol):
    """A body that is not JSON."""

    @property
    def why(self) -> str:
        """The reason, in words that hold nothing of the body."""


Decode = Callable[[bytes], Body | Refused]
Intake = Callable[[Sequence[dict[str, Any]], datetime, int], Awaitable[None]]
"""Keeps the alerts, received at an instant, with so many left out. Raises PrunellaError where they could not be kept."""


class _AnswerError(Exception):
    """Ends a request early."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class AlertmanagerWebhook:
    """The handler, and what it counts."""

    def __init__(
        self,
        *,
        tokens: Tokens,
        decode: Decode,
        intake: Intake,
        poll_now: Callable[[], None],
        clock: Clock,
        telemetry: Telemetry,
        read_seconds: float = READ_SECONDS,
        room: Room | None = None,
        longest_body: int = LONGEST_BODY,
    ) -> None:
        self._tokens = tokens
        self._decode = decode
        self._intake = intake
        self._poll_now = poll_now
        self._clock = clock
        self._telemetry = telemetry
        self._read_seconds = read_seconds
        self._room = room or Room()
        self._longest_body = longest_body

    def routes(self) -> list[web.RouteDef]:
        """The one route, matched exactly."""
        return [web.post(PATH, self.handle)]

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one request; the answer is counted whatever it is."""
        status = 500
        try:
            response = await self._respond(request)
            status = response.status
            return response
        finally:
            self._telemetry.count("webhook_requests_total", code=str(status))

    async def _respond(self, request: web.Request) -> web.Response:
        try:
            self._authenticate(request)
            await self._take(request)
        except _AnswerError as answer:
            if answer.status != web.HTTPUnauthorized.status_code:
                _log.warning("A webhook request was not taken", extra={"code": answer.status, "why": answer.text})
            return _answer(answer.status, answer.text)
        return web.Response(text="kept\n")

    def _authenticate(self, request: web.Request) -> None:
        match self._tokens.judge(request.headers.getall("Authorization", [])):
            case Entry.CLOSED:
                raise _AnswerError(503, "no token is configured: give the operator --token-dir with at least one file in it")
            case Entry.REFUSED:
                raise _AnswerError(401, "a valid bearer token is needed")
            case Entry.ALLOWED:
                return

    async def _take(self, request: web.Request) -> None:
        announced = request.content_length or 0
        if announced > self._longest_body:
            raise self._oversize()
        try:
            with self._room.place(announced) as place:
                received = self._clock.now()
                decoded = self._decode(await self._read(request, place))
                if isinstance(decoded, Refused):
                    raise _AnswerError(400, f"the body is not JSON: {decoded.why}")
                for oddity in decoded.oddities:
                    _log.warning("An alert webhook was unusual", extra={"why": oddity})
                await self._keep(decoded, received)
        except FullError as error:
            raise _AnswerError(503, "too many requests at once; send it again") from error

    async def _keep(self, body: Body, received: datetime) -> None:
        try:
            await self._intake(body.alerts, received, body.truncated)
        except PrunellaError as error:
            # Permanent or not: only a repetition keeps the alert alive until a person has mended what is wrong.
            raise _AnswerError(503, f"the alerts could not be kept now; send them again: {error}") from error

    async def _read(self, request: web.Request, place: Place) -> bytes:
        body = bytearray()
        try:
            async with asyncio.timeout(self._read_seconds):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > self._longest_body:
                        raise self._oversize()
                    place.hold(len(body))
        except TimeoutError as error:
            raise _AnswerError(503, f"the body did not arrive within {self._read_seconds:g} s; send it again") from error
        except web.RequestPayloadError as error:
            # What follows on this connection can't be told apart any more; without the end, aiohttp would read on, fail and log a traceback.
            request.content.feed_eof()
            request.protocol.close()
            raise _AnswerError(400, "the body could not be unpacked") from error
        except ConnectionError as error:
            raise _AnswerError(503, "the sender hung up before the body was complete") from error
        return bytes(body)

    def _oversize(self) -> _AnswerError:
        """No repetition makes it shorter: count it, and let the poll find what it would have told."""
        self._telemetry.count("webhook_oversize_total")
        self._poll_now()
        return _AnswerError(400, f"the body is longer than {self._longest_body} bytes; group alerts more finely, or set max_alerts")


def _answer(status: int, text: str) -> web.Response:
    headers = {"Retry-After": RETRY_AFTER} if status == web.HTTPServiceUnavailable.status_code else {}
    if status == web.HTTPUnauthorized.status_code:
        headers["WWW-Authenticate"] = "Bearer"
    return web.Response(status=status, text=f"{text}\n", headers=headers)
