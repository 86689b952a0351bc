"""Alerts as Alertmanager sends them, at a fixed rate or all at once, and when each was answered.

Open loop: an alert is due at its place in the schedule and its latency counts from then. What is answered with 503, or not at all because the
connection broke, is sent again after the pauses that Alertmanager makes (half a second, then half as long again each time), and its latency goes on
counting; the answers are kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
from tests.harness import prometheus
from tests.harness.api import Object

AGAIN_SECONDS = 0.5
LONGER = 1.5
TRIES = 9
"""Together a minute."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One body. Instants are seconds since the epoch."""

    label: str
    due: float
    answered: float
    refusals: int
    """How often it was answered with 503, or not at all, before it was taken."""
    status: int
    """0 where the last try got no answer."""

    @property
    def milliseconds(self) -> float:
        return 1000 * (self.answered - self.due)


def alert(number: int, namespace: str, deployment: str, severity: str = "warning") -> Object:
    """A firing alert about a Deployment, of the size that kube-prometheus sends, with a fingerprint of its own."""
    labels = {
        "alertname": "BenchErrorsHigh",
        "namespace": namespace,
        "deployment": deployment,
        "severity": severity,
        "alert": f"{number:06}",
        "prometheus": "monitoring/k8s",
        "job": "kube-state-metrics",
        "instance": f"10.0.{number % 250}.17:8080",
    }
    made: Object = prometheus.alert(labels, fingerprint=f"{number:016x}", generatorURL="http://prometheus.example/graph?g0.expr=errors&g0.tab=1")
    made["annotations"] |= {"runbook_url": "https://runbooks.example/errors-high", "description": f"{deployment} answers with errors. " + "x" * 200}
    return made


class Sender:
    """Sends bodies to one webhook."""

    def __init__(self, url: str, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def at_rate(self, alerts: Sequence[tuple[str, Object]], rate: float) -> list[Sent]:
        """One alert a body, `rate` of them a second, whether or not the ones before are answered."""
        async with self._session() as http:
            began = time.time() + 0.1
            tasks = [asyncio.create_task(self._at(http, label, [one], began + number / rate)) for number, (label, one) in enumerate(alerts)]
            return list(await asyncio.gather(*tasks))

    async def flood(self, bodies: Sequence[tuple[str, Sequence[Object]]], hands: int, late: tuple[str, Object, float] | None = None) -> list[Sent]:
        """All bodies as fast as so many connections take them; and one more alert after a while, on a connection of its own."""
        waiting = list(reversed(bodies))
        sent: list[Sent] = []

        async def hand() -> None:
            while waiting:
                label, alerts = waiting.pop()
                sent.append(await self._post(http, label, alerts, time.time()))

        async with self._session() as http:
            began = time.time()
            tasks = [asyncio.create_task(hand()) for _ in range(hands)]
            if late is not None:
                label, one, after = late
                sent.append(await self._at(http, label, [one], began + after))
            await asyncio.gather(*tasks)
        return sent

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=120))

    async def _at(self, http: aiohttp.ClientSession, label: str, alerts: Sequence[Object], due: float) -> Sent:
        await asyncio.sleep(max(due - time.time(), 0))
        return await self._post(http, label, alerts, due)

    async def _post(self, http: aiohttp.ClientSession, label: str, alerts: Sequence[Object], due: float) -> Sent:
        content, status, refusals = prometheus.body(*alerts), 0, 0
        for refusals in range(TRIES):
            status = await self._answer(http, content)
            if status not in {0, 503}:
                break
            await asyncio.sleep(AGAIN_SECONDS * LONGER**refusals)
        return Sent(label, due, time.time(), refusals, status)

    async def _answer(self, http: aiohttp.ClientSession, content: Object) -> int:
        """The status of the answer; 0 where the connection broke before there was one."""
        try:
            async with http.post(self._url, json=content, headers=self._headers) as answer:
                await answer.read()
                return answer.status
        except aiohttp.ClientConnectionError:
            return 0
