"""The operator with one protection taken out, for twins: tests that must fail then, or they show nothing.

Only a process that the nursery has just forked is changed, never the test process; and no flag of the product switches a protection off.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from prunella.adapters import clock
from prunella.adapters.kubernetes import cache, client, executor, heartbeat, shelf, watch
from prunella.adapters.notify import webhook
from prunella.app import leadership
from prunella.app.errors import PrunellaError
from prunella.app.incidents import mailbox
from prunella.app.runs import once
from prunella.core.healing.effects.effect import Settled
from prunella.core.healing.guards import guards
from prunella.core.healing.runbooks import plan


def _nothing() -> None:
    """All protections stand."""


def _intent() -> None:
    """An effect is not written down before it is done."""
    real = once.Once.intend

    async def unwritten(self: once.Once, *arguments: Any) -> Any:
        store = self._store
        self._store = _Forgetful(store)  # type: ignore[assignment] # it takes a status and keeps nothing
        try:
            return await real(self, *arguments)
        finally:
            self._store = store

    once.Once.intend = unwritten  # type: ignore[method-assign] # that is the point


class _Forgetful:
    def __init__(self, store: Any) -> None:
        self._store = store

    async def put_remediation_status(self, remediation: Any) -> Any:
        return remediation


def _looking() -> None:
    """An intent without an outcome is done again, whatever the target shows, and the request insists on nothing."""

    async def blind(*_: Any) -> Settled:
        return Settled.NOT_APPLIED

    real = executor.patch_call

    def careless(resource: Any, patch: Any, intent_id: str, *, dry: bool = False) -> Any:
        kept = tuple(one for one in patch.operations if one["op"] != "test")
        return real(resource, replace(patch, operations=kept), intent_id, dry=dry)

    executor.Effects.settle = blind  # type: ignore[method-assign,assignment] # that is the point
    executor.patch_call = careless


def _one_try() -> None:
    """The HTTP client sends a request again by itself when its connection breaks."""

    async def again(request: Any, send: Any) -> Any:
        return await send(request)

    client._once = again


def _key() -> None:
    """Each try of a message has a key of its own."""
    real = webhook._header
    webhook._header = lambda text: f"{real(text)}-{secrets.token_hex(4)}"


def _relist() -> None:
    """After the first list everything is only watched."""
    real = watch.Reflector._list

    async def first_only(self: Any) -> None:
        if not self.listed.is_set():
            await real(self)

    watch.Reflector._list = first_only  # type: ignore[method-assign] # that is the point


def _again() -> None:
    """A watch that broke is not opened again."""

    async def for_good(_: Any) -> None:
        await asyncio.Event().wait()

    watch.Reflector._pause = for_good  # type: ignore[method-assign] # that is the point


def _newest_word() -> None:
    """What a watch tells is believed, however old it is."""
    shelf._older = lambda version, than: False


def _silence() -> None:
    """A stream that says nothing is waited for as long as it stays open."""

    def patient(**_: Any) -> watch.Tempo:
        return watch.Tempo(quiet_seconds=3600.0, silence_seconds=3600.0, watch_seconds=3600.0)

    cache.Tempo = patient  # type: ignore[assignment,misc] # that is the point


def _lag() -> None:
    """Nobody asks whether what is seen is old."""
    heartbeat.Heartbeat.lagging = lambda _: False  # type: ignore[method-assign] # that is the point


def _term() -> None:
    """Who was elected once goes on for good, whatever it hears of its lease."""

    async def kept(self: Any, _: Any) -> None:
        while True:
            with contextlib.suppress(PrunellaError, TimeoutError):
                await self._leases.read()
            await asyncio.sleep(2)

    elected = property(lambda self: self.epoch > 0)
    leadership.Elector.leads = elected  # type: ignore[method-assign,assignment] # that is the point
    leadership.Elector.covers = lambda self, _: self.leads  # type: ignore[method-assign] # likewise
    leadership.Elector.keep = kept  # type: ignore[method-assign] # likewise
    leadership.Elector.overdue = lambda _: None  # type: ignore[method-assign] # likewise


def _switch() -> None:
    """Neither a pause nor a lowered mode forbids anything."""
    guards.GUARDS = tuple((name, guard) for name, guard in guards.GUARDS if name != "Pause")  # type: ignore[misc] # that is the point
    guards.pause = lambda *_: None  # type: ignore[assignment] # likewise
    plan.effective_mode = lambda runbook, _: runbook.spec.mode  # likewise


def _patience() -> None:
    """Whoever is turned away asks again at the next change."""

    async def ask_at_once(*_: Any) -> None:
        pass

    client.Api._spare = ask_at_once  # type: ignore[method-assign] # that is the point


def _clock(hours: Callable[[], int]) -> Callable[[], None]:
    """The machine's clock is wrong by that many hours."""

    def wrong() -> None:
        clock.SystemClock.now = lambda _: datetime.now(UTC) + timedelta(hours=hours())  # type: ignore[method-assign] # that is the point

    return wrong


def _now_and_then() -> int:
    """An hour behind in every other five seconds: a clock that is set back and forth."""
    return -1 if int(time.monotonic() / 5) % 2 else 0


def _zone() -> None:
    """The machine lives by New York's clock, which is four or five hours behind."""
    os.environ["TZ"] = "America/New_York"
    time.tzset()


def _zone_ignored() -> None:
    """It does, and what its clock on the wall says is taken for UTC."""
    _zone()
    clock.SystemClock.now = lambda _: datetime.now().replace(tzinfo=UTC)  # type: ignore[method-assign] # that is the point


def _recognising() -> None:
    """A status that was sent and not answered is never found to be stored."""
    mailbox.Unanswered.stands_on = lambda *_: False  # type: ignore[method-assign] # that is the point


PROTECTIONS: Final[dict[str, Callable[[], None]]] = {
    "": _nothing,
    "intent": _intent,
    "looking": _looking,
    "one try": _one_try,
    "key": _key,
    "relist": _relist,
    "again": _again,
    "newest word": _newest_word,
    "silence": _silence,
    "lag": _lag,
    "term": _term,
    "switch": _switch,
    "patience": _patience,
    "recognising": _recognising,
    "a clock, an hour ahead": _clock(lambda: 1),
    "a clock, an hour behind": _clock(lambda: -1),
    "a clock, set back and forth": _clock(_now_and_then),
    "a clock, of another zone": _zone,
    "a clock, read as people read it": _zone_ignored,
}


def remove(name: str) -> None:
    """Take a protection out of this process."""
    PROTECTIONS[name]()
