"""The web server: which routes there are, where it listens, and TLS where a certificate is mounted.

Routes match exactly; an unknown path is 404 and a wrong method 405, both without work. A connection that sends no whole head within
`KEEP_ALIVE_SECONDS` is closed. The rule this module protects: nothing that is served acts on the cluster, and nothing that fails tells a stranger
why.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

from prunella.app.errors import Permanent

from . import strangers
from .connections import MOST, Connections

KEEP_ALIVE_SECONDS: Final = 30.0
HANDSHAKE_SECONDS: Final = 10.0
LINGER_SECONDS: Final = 1.0
"""How long the rest of a body that was refused is thrown away, so that the sender reads the answer and not a reset."""
SHUTDOWN_SECONDS: Final = 5.0
"""How long requests under way may take to end when the operator stops."""


_CONNECTIONS: Final = web.AppKey("connections", Connections)


def application(routes: Iterable[web.RouteDef], *, most_connections: int = MOST) -> web.Application:
    """The application with these routes and nothing else."""
    connections = Connections(most_connections)

    @web.middleware
    async def serving(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await connections.serving(request, handler)

    app = web.Application(middlewares=[serving])
    app[_CONNECTIONS] = connections
    app.on_response_prepare.append(_nameless)
    app.add_routes(routes)
    return app


async def serve(app: web.Application, listen: str, tls_folder: Path | None = None) -> Server:
    """Start to listen. Raises Permanent where the address is taken or none, or the certificate can't be used."""
    host, port = address(listen)
    context = _tls(tls_folder) if tls_folder is not None else None
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=strangers.logger(),
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        lingering_time=LINGER_SECONDS,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    await runner.setup()
    admit = partial(app[_CONNECTIONS].admit, runner)
    patience = HANDSHAKE_SECONDS if context is not None else None
    try:
        listening = await asyncio.get_running_loop().create_server(admit, host, port, ssl=context, ssl_handshake_timeout=patience)
    except OSError as error:
        await runner.cleanup()
        why = error.strerror or str(error)
        raise Permanent(f"{listen} can't be listened on: {why}; end what listens there, or choose another address with `--listen`") from error
    return Server(runner, listening)


class Server:
    """A server that listens."""

    def __init__(self, runner: web.AppRunner, listening: asyncio.Server) -> None:
        self._runner = runner
        self._listening = listening

    @property
    def port(self) -> int:
        """The port that it listens on, also where 0 was asked for."""
        return int(self._listening.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Take no more requests, and let those under way end."""
        self._listening.close()
        await self._runner.cleanup()


def address(listen: str) -> tuple[str | None, int]:
    """Host and port of ':8080', '127.0.0.1:8080' or '[::1]:8080'; without a host, every address of the machine. Raises Permanent."""
    host, separator, port = listen.rpartition(":")
    if not separator or not port.isascii() or not port.isdecimal() or int(port) > 65_535:  # noqa: PLR2004 -- the last port there is
        raise Permanent(f"'{listen}' is no address to listen on; write for example ':8080' or '127.0.0.1:8080'")
    return host.removeprefix("[").removesuffix("]") or None, int(port)


def _tls(folder: Path) -> ssl.SSLContext:
    """tls.crt and tls.key as a mounted Secret has them; with a ca.crt beside them a client certificate is demanded."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority = folder / "ca.crt"
    try:
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
        if authority.exists():
            context.load_verify_locations(authority)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        why = error.strerror or str(error)
        raise Permanent(f"The certificate in {folder} can't be used: {why}; `--tls-dir` needs tls.crt and its tls.key, both readable") from error
    return context


async def _nameless(_: web.Request, response: web.StreamResponse) -> None:
    response.headers["Server"] = "prunella"
