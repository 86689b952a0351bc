"""The operator's web server on loopback with fakes behind it, and raw HTTP towards it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.adapters.local import FixedClock, RecordedTelemetry

from prunella.adapters.alertmanager.webhook_body import decode_webhook
from prunella.app.errors import PrunellaError
from prunella.web.alertmanager import PATH, AlertmanagerWebhook
from prunella.web.server import application, serve
from prunella.web.tokens import Tokens

TOKEN = "a-token"


@dataclass
class Intake:
    """Keeps what it is given, or refuses."""

    error: Exception | None = None
    taken: list[tuple[Sequence[dict[str, Any]], datetime, int]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    inside: int = 0

    async def __call__(self, alerts: Sequence[dict[str, Any]], received: datetime, truncated: int) -> None:
        if self.gate is not None:
            self.inside += 1
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        self.taken.append((alerts, received, truncated))


@dataclass
class Site:
    """A running server and what stands behind it."""

    port: int
    intake: Intake
    telemetry: RecordedTelemetry
    polls: list[str]

    async def ask(self, *pieces: bytes, pause: float = 0.0) -> bytes:
        """Send bytes as they are; the first answer, or nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        answer = asyncio.create_task(_answer(reader, with_body=not pieces[0].startswith(b"HEAD ")))
        try:
            with suppress(ConnectionError):
                await _send(writer, pieces, pause, answer)
            return await asyncio.wait_for(answer, 20)
        except (ConnectionError, asyncio.IncompleteReadError):
            return b""
        finally:
            writer.close()

    async def post(self, body: bytes = b"{}", *headers: str, path: str = PATH, token: str | None = TOKEN, method: str = "POST") -> bytes:
        """One request with a complete body."""
        return await self.ask(request(len(body), *headers, path=path, token=token, method=method) + body)


def request(length: int | None, *headers: str, path: str = PATH, token: str | None = TOKEN, method: str = "POST", connection: str = "close") -> bytes:
    """The head of a request."""
    lines = [f"{method} {path} HTTP/1.1", "Host: prunella", f"Connection: {connection}", *headers]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "surrogateescape")


async def _send(writer: asyncio.StreamWriter, pieces: Sequence[bytes], pause: float, answer: asyncio.Task[bytes]) -> None:
    """Piece by piece until there is an answer: what is sent to a server that has closed makes the kernel throw its answer away."""
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        if (await asyncio.wait({answer}, timeout=pause))[0]:
            return


async def _answer(reader: asyncio.StreamReader, *, with_body: bool) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    return head + (await reader.readexactly(int(length[1])) if length and with_body else b"")


def status(answer: bytes) -> int:
    """The status of an answer, 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0


@asynccontextmanager
async def site(folder: Path | None, *, error: PrunellaError | Exception | None = None, **options: Any) -> AsyncIterator[Site]:
    """The webhook with the tokens of a folder."""
    intake, telemetry, polls = Intake(error), RecordedTelemetry(), []
    webhook = AlertmanagerWebhook(
        tokens=Tokens(folder),
        decode=decode_webhook,
        intake=intake,
        poll_now=lambda: polls.append("poll"),
        clock=FixedClock(),
        telemetry=telemetry,
        **options,
    )
    server = await serve(application(webhook.routes()), "127.0.0.1:0")
    try:
        yield Site(server.port, intake, telemetry, polls)
    finally:
        await server.stop()
