"""How many connections there may be at once.

The rule this module protects: strangers who open connections and say nothing take neither the files that the operator needs to reach the API server
nor the place of whoever has something to say. Where all places are taken, the connection that has been silent for longest makes room; only where
every one of them is being served is a new one turned away.
"""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web
from aiohttp.typedefs import Handler

MOST: Final = 640
"""More than there may be bodies of alerts, so that probes have a place; and fewer than 1,024, the files that many hosts allow a process."""


class _TurnedAway(asyncio.Protocol):
    """A connection that ends as soon as it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """End it without a word: a word would have to be waited for."""
        if isinstance(transport, asyncio.Transport):
            transport.abort()


class Connections:
    """Lets connections in, and knows which of them are being served."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._served: set[asyncio.BaseProtocol] = set()

    async def serving(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """A middleware's body: while a request is answered, its connection is nobody's to close."""
        self._served.add(request.protocol)
        try:
            return await handler(request)
        finally:
            self._served.discard(request.protocol)

    def admit(self, runner: web.AppRunner) -> asyncio.Protocol:
        """The protocol of a new connection."""
        server = runner.server
        if server is None:
            return _TurnedAway()
        there = [one for one in server.connections if one.transport is not None]
        if len(there) < self._most:
            return server()
        silent = next((one for one in there if one not in self._served), None)  # they are in the order of their coming
        if silent is None:
            return _TurnedAway()
        silent.force_close()
        return server()
