"""Alerts at a rate, each sent until it is taken, and how each was answered.

What is answered with 503, or not at all, is sent again as Alertmanager does: with its pauses (`alertload.py`), and when they are used up with the
next flush of its group. Each alert has a fingerprint of its own and belongs to one of the targets, in turn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass

import aiohttp
from tests.bench.alertload import Sender, alert
from tests.harness.api import Object

TAKEN = 200
COME_AGAIN = 503
FLUSH_SECONDS = 5.0
"""Alertmanager's group_interval is longer; here nobody waits for it."""
PATIENCE_SECONDS = 240.0
"""How long an alert is sent again: longer than any outage here and what comes after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One alert. Instants are seconds since the epoch."""

    target: str
    fingerprint: str
    due: float
    answered: float
    status: int
    """Of the last answer; 0 where there was none."""
    refusals: int
    """How often it was answered with 503."""
    broken: int
    """How often there was no answer at all."""

    @property
    def taken(self) -> bool:
        """Whether somebody is answerable for it from then on."""
        return self.status == TAKEN


def target(number: int, targets: int) -> str:
    """The name of the Deployment that an alert is about."""
    return f"target-{number % targets}"


class Load:
    """Sends to one webhook."""

    def __init__(self, url: str, token: str, namespace: str, *, rate: float, targets: int) -> None:
        self._sender = Sender(url, token)
        self._namespace = namespace
        self._rate = rate
        self._targets = targets

    def run(self, count: int, ended: threading.Event) -> list[Delivery]:
        """So many alerts, or fewer where it is ended before; returns when each was taken, or refused for good, or patience is over."""
        return asyncio.run(self._run(count, ended))

    async def _run(self, count: int, ended: threading.Event) -> list[Delivery]:
        began = time.time()
        tasks: list[asyncio.Task[Delivery]] = []
        for number in range(count):
            due = began + number / self._rate
            await asyncio.sleep(max(due - time.time(), 0))
            if ended.is_set():
                break
            name = target(number, self._targets)
            tasks.append(asyncio.create_task(self._deliver(name, alert(number, self._namespace, name), due)))
        return list(await asyncio.gather(*tasks))

    async def _deliver(self, name: str, one: Object, due: float) -> Delivery:
        status = refusals = broken = 0
        while True:
            try:
                [sent] = await self._sender.at_rate([(name, one)], self._rate)
            except (aiohttp.ClientError, TimeoutError, OSError):
                status, broken = 0, broken + 1
            else:
                # The sender counts the answers of 503 that came before its last one.
                status, refusals = sent.status, refusals + sent.refusals + (sent.status == COME_AGAIN)
            over = status not in {0, COME_AGAIN} or time.time() - due > PATIENCE_SECONDS
            if over:
                return Delivery(
                    target=name,
                    fingerprint=str(one["fingerprint"]),
                    due=due,
                    answered=time.time(),
                    status=status,
                    refusals=refusals,
                    broken=broken,
                )
            await asyncio.sleep(FLUSH_SECONDS)
