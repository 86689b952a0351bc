"""Unrelated updates at a fixed rate: every pod of a namespace in turn is told that its container started just now.

Open loop: an update is due at its place in the schedule, whether or not the API server is behind, and its latency counts from then. A program of its
own, as cheap as it can be, because it shares the machine with what is measured: `python -m tests.bench.load KUBECONFIG NAMESPACE RATE SECONDS FILE`.
Requests are written by hand and of the answers only the end is looked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
import sys
import time
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from tests.bench.quantiles import quantile
from tests.harness.api import Api

CONNECTIONS = 32
SLICE_SECONDS = 0.002
STRAGGLER_SECONDS = 5.0
END_OF_CHUNKS = b"0\r\n\r\n"
END_OF_HEAD = b"\r\n\r\n"
PARTIAL = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""An answer that is cheap to write and short to read."""


class Line(asyncio.Protocol):
    """One connection: one request at a time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._buffer = b""
        self._due = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._load.idle.append(self)

    def send(self, request: bytes, due: float) -> None:
        """Send one; the line is free again when its answer is whole."""
        assert self._transport is not None
        self._buffer, self._due = b"", due
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(END_OF_HEAD)
        if head < 0:
            return
        if b"chunked" in self._buffer[:head]:
            whole = self._buffer.endswith(END_OF_CHUNKS)
        else:
            length = int(self._buffer[:head].lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or b"0")
            whole = len(self._buffer) >= head + len(END_OF_HEAD) + length
        if whole:
            self._load.answered(self, ok=self._buffer[9:10] == b"2", due=self._due)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.broken += 1


class Load:
    """The schedule, and what came of it."""

    def __init__(self, host: str, paths: list[str], rate: float) -> None:
        self._host = host
        self._paths = paths
        self._rate = rate
        self.idle: list[Line] = []
        self.waiting: deque[float] = deque()
        self.latencies: list[float] = []
        self.refused = 0
        self.broken = 0
        self.sent = 0
        self._body = b""
        self._body_of = 0

    async def run(self, seconds: float) -> float:
        """Keep the schedule for so long, then wait for the stragglers; returns how long that took."""
        began = time.perf_counter()
        due = 0
        total = int(self._rate * seconds)
        while due < total:
            now = time.perf_counter()
            while due < total and began + due / self._rate <= now:
                self.waiting.append(began + due / self._rate)
                due += 1
            self._serve()
            await asyncio.sleep(SLICE_SECONDS)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STRAGGLER_SECONDS):
                while len(self.latencies) + self.refused < total:
                    await asyncio.sleep(SLICE_SECONDS)
        return time.perf_counter() - began

    def _serve(self) -> None:
        while self.waiting and self.idle:
            self.idle.pop().send(self._request(), self.waiting.popleft())

    def _request(self) -> bytes:
        second = int(time.time())
        if second != self._body_of:
            started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))
            change = [{"op": "replace", "path": "/status/containerStatuses/0/state/running/startedAt", "value": started}]
            self._body, self._body_of = json.dumps(change).encode(), second
        path = self._paths[self.sent % len(self._paths)]
        self.sent += 1
        head = f"PATCH {path}?fieldManager=load HTTP/1.1\r\nHost: {self._host}\r\nAccept: {PARTIAL}\r\nContent-Type: application/json-patch+json\r\n"
        return f"{head}Content-Length: {len(self._body)}\r\n\r\n".encode() + self._body

    def answered(self, line: Line, *, ok: bool, due: float) -> None:
        """An answer is whole."""
        self.refused += not ok
        if ok:
            self.latencies.append(time.perf_counter() - due)
        self.idle.append(line)
        self._serve()


async def make(kubeconfig: Path, namespace: str, rate: float, seconds: float) -> dict[str, float]:
    """Make the load; what was achieved."""
    pods = sorted(one["metadata"]["name"] for one in Api(kubeconfig).list("Pod", namespace))
    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    url = urlsplit(cluster["server"])
    tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
    tls.load_cert_chain(user["client-certificate"], user["client-key"])
    load = Load(f"{url.hostname}:{url.port}", [f"/api/v1/namespaces/{namespace}/pods/{name}/status" for name in pods], rate)
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: Line(load), url.hostname, url.port, ssl=tls)
    cpu = time.process_time()
    took = await load.run(seconds)
    done = len(load.latencies)
    return {
        "wanted_rate": rate,
        "seconds": took,
        "done": done,
        "refused": load.refused,
        "broken": load.broken,
        "rate": done / took,
        "p50_ms": 1000 * quantile(load.latencies, 0.5),
        "p99_ms": 1000 * quantile(load.latencies, 0.99),
        "cpu_seconds": time.process_time() - cpu,
    }


def main() -> None:
    """Make the load and write down what was achieved."""
    kubeconfig, namespace, rate, seconds, file = sys.argv[1:]
    result = asyncio.run(make(Path(kubeconfig), namespace, float(rate), float(seconds)))
    Path(file).write_text(json.dumps(result))


if __name__ == "__main__":
    main()
