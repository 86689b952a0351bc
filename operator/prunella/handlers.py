"""Kopf's part: what people apply. A key goes in a queue; no body, no decision, no return value, nothing raised.

Handlers are `on.event` alone: no timers, daemons, indices, finalizers or change tracking, whose costs the reliability page of the docs lists.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import aiohttp
import kopf

from prunella.api.base import GROUP, VERSION
from prunella.app.readiness import PolicyKey

PEOPLE_APPLY = {"runbooks": "Runbook", "escalationpolicies": "EscalationPolicy", "catalogentries": "CatalogEntry", "healingpolicies": "HealingPolicy"}


def register(registry: kopf.OperatorRegistry, policy: Callable[[PolicyKey], None]) -> None:
    """Register one handler per kind."""
    for plural, kind in PEOPLE_APPLY.items():
        kopf.on.event(GROUP, VERSION, plural, id=f"applied-{plural}", registry=registry)(_applied(kind, policy))


def _applied(kind: str, policy: Callable[[PolicyKey], None]) -> Callable[..., Any]:
    async def on_applied(namespace: str | None, name: str | None, **_: Any) -> None:
        policy(PolicyKey(kind, namespace or "", name or ""))

    return on_applied


def login(registry: kopf.OperatorRegistry, session: Callable[[], Awaitable[tuple[str, aiohttp.ClientSession]]]) -> None:
    """Kopf speaks to the API server with the credentials that everything else uses; asked again when they are refused."""

    async def log_in(**_: Any) -> kopf.AiohttpSession:
        server, made = await session()
        return kopf.AiohttpSession(server=server, aiohttp_session=made)

    kopf.on.login(id="credentials", registry=registry)(log_in)


def settings() -> kopf.OperatorSettings:
    """Hardened: Kopf is plumbing here. It posts nothing, stores nothing on objects, and survives an outage of the API server in the process."""
    hardened = kopf.OperatorSettings()
    hardened.peering.standalone = True
    hardened.watching.inactivity_timeout = 70
    hardened.watching.server_timeout = 300
    hardened.watching.client_timeout = 330
    hardened.watching.connect_timeout = 10
    hardened.watching.chunk_size = 500
    hardened.networking.request_timeout = 30
    hardened.networking.connect_timeout = 5
    hardened.networking.error_backoffs = Backoffs()
    hardened.networking.enforce_retry_after = True
    hardened.queueing.error_delays = (1, 2, 5, 10, 30, 60, 120, 300)
    hardened.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix="kopf.prunella.dev")
    hardened.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix="kopf.prunella.dev")
    hardened.scanning.disabled = True
    hardened.posting.enabled = False
    return hardened


class Backoffs:
    """Seconds between tries: capped and without an end, so that an outage of the API server is outlived in the process."""

    def __iter__(self) -> Iterator[float]:
        delay = 0.5
        while True:
            yield delay
            delay = min(delay * 2, 15)
