"""One kind kept up to date: list, then watch from there, for ever.

The rule this module protects: silence is noticed. A stream without an event or a bookmark is taken for dead, and whoever asks is told.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Generic, TypeVar
from zlib import crc32

import aiohttp
import msgspec

from prunella.api.step_failure import Transient
from prunella.app.errors import PrunellaError, Retryable
from prunella.app.ports import Clock, Telemetry

from . import wire
from .answers import FORBIDDEN, GONE, NOT_FOUND, Answer, refuse
from .client import Api
from .shelf import Seen, Shelf
from .watched import Watched

T = TypeVar("T")
_LOG = logging.getLogger(__name__)

PAGE: Final = "500"
_PATIENCE: Final = 3
"""So many times in a row the API server may ask for a moment, as it does while it prepares a CRD that was just made, before it is called trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """How patient a watch is, in seconds. The API server sends a bookmark about every minute."""

    watch_seconds: float = 300.0
    quiet_seconds: float = 75.0
    """A stream that says nothing for so long is opened anew: the API server sends no bookmarks of a kind that never changed since its start."""
    silence_seconds: float = 90.0
    """After so long without a word nothing of the kind is believed."""
    overtime_seconds: float = 15.0
    """How long after its time a stream is left open before we end it ourselves."""
    resync_seconds: float = 600.0
    first_pause_seconds: float = 0.5
    longest_pause_seconds: float = 15.0
    dispensable_seconds: float = 15.0
    """How long a start waits for kinds that the operator can do without."""
    absent_seconds: float = 60.0
    """How often it is asked whether a kind that was not served, or not ours to read, is by now."""


class _Expired(Exception):
    """The resourceVersion is too old to watch from: list anew."""


class _Broken(Exception):
    """The stream can't be trusted from here on: list anew."""


class _Absent(Exception):
    """The kind is not served, or we may not read it."""

    def __init__(self, why: str, *, served: bool) -> None:
        super().__init__(why)
        self.served = served


class Reflector(Generic[T]):
    """Keeps one shelf, or one namespace of it, as the API server has it."""

    def __init__(
        self,
        api: Api,
        kind: Watched[T],
        shelf: Shelf[T],
        *,
        namespace: str | None,
        clock: Clock,
        telemetry: Telemetry,
        tempo: Tempo,
        only_named: str = "",
        fields: str = "",
        dispensable: bool = False,
    ) -> None:
        """Of one name only, or of what a field selector fits, where one is given. The rest goes on without a `dispensable` kind that can't be had."""
        self._api = api
        self._kind = kind
        self._shelf = shelf
        self._namespace = namespace
        narrowed = f"metadata.name={only_named}" if only_named else fields
        self._narrowed = {"fieldSelector": narrowed} if narrowed else {}
        self._dispensable = dispensable
        self._clock = clock
        self._telemetry = telemetry
        self._tempo = tempo
        self._version = ""
        self._lists = 0
        self._resync_at = 0.0
        self._pauses = 0
        self._complained = ""
        self._quiet = False
        """Whether the stream before this one brought nothing."""
        self.heard_time: datetime | None = None
        """When the API server last said something of this kind."""
        self.down = True
        """Whether the last attempt to list or watch failed."""
        self.listed = asyncio.Event()
        """Set once the first list is complete, or it is known that there will be none."""
        self.absent = False
        """Whether the kind can't be had, so that nothing may be concluded about it."""

    @property
    def name(self) -> str:
        """The kind."""
        return self._kind.resource.kind

    def covers(self, namespace: str) -> bool:
        """Whether objects of that namespace, or of none, are among what it keeps."""
        return self._namespace is None or self._namespace == namespace

    def silent(self, now: datetime) -> bool:
        """Whether what is known may be old: the stream is down, or nothing came for too long."""
        return self.down or self.absent or self.heard_time is None or now - self.heard_time > timedelta(seconds=self._tempo.silence_seconds)

    async def run(self) -> None:
        """List and watch until cancelled."""
        while True:
            try:
                if not self._version or self._seconds_to_resync() <= 0:
                    await self._list()
                await self._watch()
            except (_Expired, _Broken) as why:
                self._version = ""
                self._reconnect(str(why))
                await self._pause()
            except _Absent as why:
                self._do_without(str(why), served=why.served)
                await asyncio.sleep(self._tempo.absent_seconds * self._jitter(0.25))
            except (PrunellaError, aiohttp.ClientError, TimeoutError, OSError) as error:
                self.down = True
                asked_to_wait = isinstance(error, Retryable) and error.transient is Transient.TOO_MANY_REQUESTS
                self._reconnect(str(error) or type(error).__name__, patiently=asked_to_wait)
                await self._pause()

    async def _list(self) -> None:
        """Read everything in pages; what is not among it is gone."""
        gone = self._shelf.uids(self._namespace)
        token = ""
        while True:
            query = {**self._narrowed, "limit": PAGE, **({"continue": token} if token else {})}
            answer = await self._api.send(self._kind.resource.call("list", self._namespace, query=query, timeout=30.0))
            self._judge(answer, "list")
            try:
                page, version, token = self._kind.page(answer.raw)
            except msgspec.DecodeError as error:
                raise Retryable(f"A list of {self._kind.resource.words} could not be read: {error}") from error
            for seen in page:
                gone.pop(seen.key, None)
                self._take(seen, listed=True)
            self._heard()
            self._progressed()
            if not token:
                break
        for key, uid in gone.items():
            self._shelf.remove(key, uid)
        if self.absent:
            self.absent = False
            _LOG.info("A kind can be watched by now", extra={"kind": self.name, "watched_namespace": self._namespace or ""})
        self._version = version
        self._lists += 1
        self._resync_at = asyncio.get_running_loop().time() + self._tempo.resync_seconds * self._jitter(0.2)
        self.listed.set()

    async def _watch(self) -> None:
        """Follow the stream until the API server ends it in time. Raises where it ends in any other way."""
        planned = max(1, round(min(self._tempo.watch_seconds * self._jitter(0.1), self._seconds_to_resync())))
        query = {"watch": "true", "allowWatchBookmarks": "true", "resourceVersion": self._version, "timeoutSeconds": str(planned), **self._narrowed}
        call = self._kind.resource.call("watch", self._namespace, query=query)
        opened = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(planned + self._tempo.overtime_seconds), self._api.stream(call, silence=self._tempo.quiet_seconds) as stream:
                self._judge(stream.head, "watch")
                self._heard()
                await self._follow(stream.content)
        except aiohttp.SocketTimeoutError:
            # Quiet once: another connection may bring what this one lost. Quiet again: only a list tells.
            self._version = "" if self._quiet else self._version
            self._quiet = not self._quiet
            return
        except TimeoutError:
            return
        lived = asyncio.get_running_loop().time() - opened
        if lived < 0.9 * planned - 1:
            self._reconnect(f"the stream ended after {lived:.0f} s of {planned}")
            await self._pause()

    async def _follow(self, stream: aiohttp.StreamReader) -> None:
        rest = b""
        async for chunk in stream.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line:
                    self._line(line)

    def _line(self, line: bytes) -> None:
        try:
            type_, seen = self._kind.event(line)
        except msgspec.DecodeError as error:
            raise _Broken(f"a line of the stream could not be read: {error}") from error
        self._heard()
        if isinstance(seen, wire.Status):
            if seen.code == GONE:
                raise _Expired(seen.message)
            raise _Broken(f"the API server ended the stream: {seen.message or seen.reason or seen.code}")
        match type_:
            case "ADDED" | "MODIFIED":
                self._take(seen, listed=False)
            case "DELETED":
                self._shelf.remove(seen.key, seen.uid)
            case "BOOKMARK":
                pass
            case _:
                raise _Broken(f"the stream brought an event of the unknown type '{type_[:40]}'")
        self._version = seen.version or self._version
        self._quiet = False
        self._progressed()

    def _take(self, seen: Seen[T], *, listed: bool) -> None:
        if seen.value is None and self._shelf.version(seen.key) != seen.version:
            extra = {"kind": self.name, "object": "/".join(seen.key), "why": seen.why}
            _LOG.error("An object can't be read and is left out until it is changed", extra=extra)
        self._shelf.put(seen, listed=listed)

    def _judge(self, answer: Answer, verb: str) -> None:
        if answer.good:
            return
        if answer.status == GONE:
            raise _Expired(answer.message)
        if self._dispensable and answer.status in {FORBIDDEN, NOT_FOUND}:
            raise _Absent(answer.message, served=answer.status != NOT_FOUND)
        if answer.status == NOT_FOUND:
            self._version = ""
            raise Retryable(f"The API server does not serve {self._kind.resource.words}: are the CRDs installed?")
        refuse(answer, self._kind.resource.call(verb, self._namespace))

    def _do_without(self, why: str, *, served: bool) -> None:
        """Said once. What was known of the kind is of no use any more. Where the API server has no such kind nobody can miss it."""
        if not self.absent:
            extra = {"kind": self.name, "resource": self._kind.resource.words, "watched_namespace": self._namespace or "", "why": why}
            level = logging.WARNING if served else logging.INFO
            _LOG.log(level, "A kind is not watched: its faults open no Incident; everything else goes on", extra=extra)
        self.absent = True
        self._version = ""
        self.listed.set()

    def _heard(self) -> None:
        self.heard_time = self._clock.now()
        self.down = False

    def _progressed(self) -> None:
        """Something came that was asked for: the next trouble is a new one."""
        self._pauses = 0
        self._complained = ""

    def _reconnect(self, why: str, *, patiently: bool = False) -> None:
        self._telemetry.count("watch_reconnects_total", kind=self.name)
        if patiently and self._pauses < _PATIENCE:
            return
        if why != self._complained:
            self._complained = why
            _LOG.warning("A watch starts again", extra={"kind": self.name, "watched_namespace": self._namespace or "", "why": why})

    async def _pause(self) -> None:
        tempo = self._tempo
        seconds = min(tempo.first_pause_seconds * 2 ** min(self._pauses, 10), tempo.longest_pause_seconds)
        self._pauses += 1
        await asyncio.sleep(seconds * self._jitter(0.25))

    def _seconds_to_resync(self) -> float:
        return self._resync_at - asyncio.get_running_loop().time()

    def _jitter(self, share: float) -> float:
        """A factor around 1 that differs by kind, list and pause, so that the kinds don't ask at the same moment; reproducible."""
        spread = crc32(f"{self.name}/{self._namespace}/{self._lists}/{self._pauses}".encode()) / 0xFFFFFFFF
        return 1 - share + 2 * share * spread
