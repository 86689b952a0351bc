"""/healthz, /readyz and /metrics: what the kubelet and Prometheus ask.

A probe answers 200, or 503 with one sentence per problem, so that `kubectl get --raw` tells what is wrong. None of them is authenticated and none
does any work beyond asking what is known already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

Problems = Callable[[], Sequence[str]]
"""What is wrong, in sentences; nothing where all is well."""

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


class Probes:
    """The three routes."""

    def __init__(self, *, alive: Problems, ready: Problems, expose: Callable[[], bytes]) -> None:
        self._alive = alive
        self._ready = ready
        self._expose = expose

    def routes(self) -> list[web.RouteDef]:
        """GET and HEAD, matched exactly."""
        return [web.get("/healthz", self.healthz), web.get("/readyz", self.readyz), web.get("/metrics", self.metrics)]

    async def healthz(self, _: web.Request) -> web.Response:
        """503 where only a restart helps."""
        return _told(self._alive())

    async def readyz(self, _: web.Request) -> web.Response:
        """503 where an alert could not be kept now."""
        return _told(self._ready())

    async def metrics(self, _: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=self._expose(), headers={"Content-Type": METRICS_TYPE})


def _told(problems: Sequence[str]) -> web.Response:
    if not problems:
        return web.Response(text="ok\n")
    return web.Response(status=503, text="".join(f"{problem}\n" for problem in problems))
