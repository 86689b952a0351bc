"""Leadership: which of several replicas acts. A Lease elects one, and the one that was elected knows by itself when its time is over.

The rules this module protects: only a clock that runs forward counts, and never a timestamp that another machine wrote; a term counts from the start
of the request that confirmed it; whatever fails is "not renewed"; who could not renew for ten seconds begins nothing more, five before anybody else
may begin, and goes on only where the lease is still its own when it can be read again. The Lease only makes it rare that two act at once: that it is
harmless is the once-only protocol's work.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Final, Protocol

from .errors import AlreadyExists, Conflict, Lost, PrunellaError
from .ports import Telemetry, Ticks

log = logging.getLogger(__name__)
RELEASED_SECONDS: Final = 1
"""A lease of this length without a holder was given up on purpose: nobody has to wait for it to run out."""
LONGEST_WAIT_SECONDS: Final = 60
"""A longer lease than that was written by hand, and would keep everybody out for as long as it likes."""
RELEASE_TRIES: Final = 3
HIGHEST_EPOCH: Final = 2_147_483_647


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a lease lasts, after how long without a renewal its holder stops, and how often it is asked for: 15, 10 and 2 s, as everywhere."""

    lease_seconds: float = 15
    deadline_seconds: float = 10
    retry_seconds: float = 2
    grace_seconds: float = 2
    """For what was cancelled to end; then the process is ended from outside of its loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRecord:
    """The Lease as it was read. `renewed` is only compared, never read as a time."""

    holder: str
    epoch: int
    lease_seconds: int
    renewed: str
    version: str
    stored: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)


class Standing(Enum):
    """How a process stands to the lease. It moves down this list and never back, but between leading and pausing."""

    STANDBY = auto()
    """It was never elected."""
    LEADING = auto()
    PAUSED = auto()
    """It was elected and could not renew in time: the lease may still be its own, or somebody else's by now."""
    GIVEN_UP = auto()
    LOST = auto()
    """Somebody else's, as far as can be told."""

    @property
    def over(self) -> bool:
        """Whether this process will never lead again."""
        return self in {Standing.GIVEN_UP, Standing.LOST}


class Leases(Protocol):
    """The one Lease in the API server. Every method is one try and raises a PrunellaError where it is not sure to have been done."""

    async def read(self) -> LeaseRecord | None:
        """A live read; None where there is none."""

    async def create(self, *, holder: str, epoch: int, lease_seconds: int) -> None:
        """Raises AlreadyExists where somebody was faster."""

    async def replace(self, before: LeaseRecord, *, holder: str, epoch: int, lease_seconds: int) -> None:
        """Replace it if it still is as it was read. Raises Conflict."""


class Elector:
    """Runs for the leadership and keeps it; implements the port `Tenure`. `floor` is the highest epoch that any stored object bears."""

    def __init__(
        self,
        leases: Leases,
        ticks: Ticks,
        telemetry: Telemetry,
        *,
        identity: str,
        floor: Callable[[], int],
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._leases = leases
        self._ticks = ticks
        self._telemetry = telemetry
        self._identity = identity
        self._floor = floor
        self._pace = pace or Pace()
        self._sleep = sleep
        self._standing = Standing.STANDBY
        self._since = 0.0
        """When it came to stand so."""
        self._leading = asyncio.Event()
        self._epoch = 0
        self._confirmed = 0.0
        """When the request was begun that confirmed the term last."""
        self._seen: tuple[str, str, str] | None = None
        self._seen_at = 0.0
        """When the Lease was last seen to change."""
        self._looked_at = 0.0
        self._known = False
        """Whether there ever was a Lease, as far as this process knows."""
        self._highest = 0
        self._said = ""
        telemetry.gauge("leader", 0)

    @property
    def leads(self) -> bool:
        """Whether it was elected and has not lost or given up the lease."""
        return self._standing is Standing.LEADING

    @property
    def epoch(self) -> int:
        """Number of the last term."""
        return self._epoch

    def covers(self, seconds: float) -> bool:
        """Whether the lease holds for longer than that, counted from the start of its last good renewal."""
        return self.leads and self._confirmed + self._pace.lease_seconds - self._ticks.seconds() > seconds

    async def until_leading(self) -> None:
        """Return at once while this process leads, else as soon as it does. A pause may begin right afterwards: only `covers` permits a write."""
        await self._leading.wait()

    def overdue(self) -> str | None:
        """Why the process must be ended from outside of its loop, in a sentence; None while all is well. May be asked by another thread."""
        now = self._ticks.seconds()
        if self._standing is Standing.LOST and now - self._since > self._pace.grace_seconds:
            return f"the lease was lost, and what was under way did not end within {self._pace.grace_seconds:g} s"
        age = now - self._confirmed
        if self.leads and age > self._pace.deadline_seconds + self._pace.grace_seconds:
            return f"the lease was not renewed for {age:.0f} s and nobody noticed: the process stood still"
        return None

    async def campaign(self) -> None:
        """Stand by until this process is the leader."""
        while not await self._attempt(self._run, self._pace.retry_seconds):
            await self._sleep(self._pace.retry_seconds)
        log.info("%s is the leader now (epoch %d)", self._identity, self._epoch)

    async def keep(self, regained: Callable[[], None]) -> None:
        """Renew until the lease is given up. Raises Lost where it is somebody else's; `regained` is called where it is ours again after a pause.

        An API server that is away takes the lease from nobody: so the process stays, and answers those who ask, but begins nothing.
        """
        pace = self._pace
        pause = pace.retry_seconds
        while True:
            await self._sleep(min(pause, max(self._left(), 0)) if self.leads else pause)
            if self._standing.over:
                return
            if self.leads and self._left() <= 0:
                self._pause()
            led, began = self.leads, self._ticks.seconds()
            await self._attempt(self._renew, min(pace.retry_seconds, self._left()) if led else pace.retry_seconds)
            pause = max(pace.retry_seconds - (self._ticks.seconds() - began), 0)
            if self.leads and not led:
                regained()

    async def release(self) -> None:
        """Give the lease up, so that the next one takes over at once. Nothing may be under way any more."""
        if self._standing is Standing.STANDBY or self._standing.over:
            return
        self._move(Standing.GIVEN_UP)
        for _ in range(RELEASE_TRIES):
            if await self._attempt(self._clear, self._pace.retry_seconds):
                log.info("%s gave the lease up", self._identity)
                return

    async def _attempt(self, act: Callable[[], Awaitable[bool]], seconds: float) -> bool:
        """Any failure means that it was not done."""
        try:
            async with asyncio.timeout(seconds):
                done = await act()
        except Lost:
            raise
        except (AlreadyExists, Conflict):
            return False
        except (PrunellaError, TimeoutError) as error:
            self._say(logging.WARNING, "The lease could not be had: %s", str(error) or f"no answer within {seconds:g} s")
            return False
        return done

    async def _run(self) -> bool:
        start = self._ticks.seconds()
        found = await self._leases.read()
        if not self._is_free(found, self._ticks.seconds()):
            return False
        epoch = self._next_epoch(found)
        seconds = int(self._pace.lease_seconds)
        if found is None:
            await self._leases.create(holder=self._identity, epoch=epoch, lease_seconds=seconds)
        else:
            await self._leases.replace(found, holder=self._identity, epoch=epoch, lease_seconds=seconds)
        self._epoch, self._confirmed, self._said = epoch, start, ""
        self._move(Standing.LEADING)
        return True

    def _is_free(self, found: LeaseRecord | None, now: float) -> bool:
        """Whether nobody can hold it: given up, or seen not to change for as long as it lasts. A change is counted from its sight."""
        # Without a Lease, that somebody acted in a later term is the only sign that there was one meanwhile.
        mark = (found.holder, found.renewed, found.version) if found is not None else ("", "", f"none, {self._floor()}")
        unwatched = found is None and now - self._looked_at > 2 * self._pace.retry_seconds
        if mark != self._seen or unwatched:
            self._seen, self._seen_at = mark, now
        self._looked_at = now
        if found is None:
            return self._gone(now)
        self._known = True
        self._highest = max(self._highest, found.epoch)
        if found.holder == self._identity or (not found.holder and found.lease_seconds == RELEASED_SECONDS):
            return True
        self._say(logging.INFO, "%s is a standby; %s leads", self._identity, found.holder or "nobody, until the lease has run out,")
        return now - self._seen_at >= max(self._pace.lease_seconds, min(found.lease_seconds, LONGEST_WAIT_SECONDS))

    def _gone(self, now: float) -> bool:
        """There is no Lease. Where there was one before, somebody deleted it, and whoever held it may not know yet."""
        self._known = self._known or self._floor() > 0
        return not self._known or now - self._seen_at >= self._pace.lease_seconds

    def _next_epoch(self, found: LeaseRecord | None) -> int:
        """Greater than any before, also where the Lease was deleted or its number set back."""
        return min(max(found.epoch if found is not None else 0, self._highest, self._floor()) + 1, HIGHEST_EPOCH)

    async def _renew(self) -> bool:
        start = self._ticks.seconds()
        found = await self._leases.read()
        if self._standing.over:
            return False
        seconds = int(self._pace.lease_seconds)
        if found is None and not self.leads:
            raise self._losing("the lease is gone, and it could not be renewed for so long that another one may have had it")
        if found is None:
            # Deleted by hand. Nobody else may have it before it has run out, so it is made anew; a create is an election.
            await self._leases.create(holder=self._identity, epoch=self._epoch, lease_seconds=seconds)
        elif found.holder != self._identity:
            raise self._losing(f"{found.holder or 'nobody'} holds the lease")
        else:
            await self._leases.replace(found, holder=self._identity, epoch=max(found.epoch, self._epoch), lease_seconds=seconds)
        if self._standing.over:
            return False  # given up while the answer was under way: it confirms a term that is no more
        self._confirmed, self._said = start, ""
        if not self.leads:
            self._move(Standing.LEADING)
            log.info("%s leads again (epoch %d): nobody else had the lease meanwhile", self._identity, self._epoch)
        return True

    async def _clear(self) -> bool:
        found = await self._leases.read()
        if found is None or found.holder != self._identity:
            return False
        await self._leases.replace(found, holder="", epoch=found.epoch, lease_seconds=RELEASED_SECONDS)
        return True

    def _left(self) -> float:
        """Seconds until a term that is not renewed is given up."""
        return self._confirmed + self._pace.deadline_seconds - self._ticks.seconds()

    def _pause(self) -> None:
        self._move(Standing.PAUSED)
        self._say(logging.WARNING, "The lease could not be renewed for %s s: nothing is begun until it can be", f"{self._pace.deadline_seconds:g}")

    def _losing(self, why: str) -> Lost:
        self._move(Standing.LOST)
        return Lost(f"{self._identity} is not the leader any more: {why}")

    def _move(self, to: Standing) -> None:
        self._since = self._ticks.seconds()  # first: the watchdog's thread reads both
        self._standing = to
        if self.leads:
            self._leading.set()
        else:
            self._leading.clear()
        self._telemetry.gauge("leader", int(self.leads))

    def _say(self, level: int, message: str, *words: str) -> None:
        """Say it once, not with every try."""
        said = message % words
        if said != self._said:
            self._said = said
            log.log(level, message, *words)
