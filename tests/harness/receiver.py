"""A real HTTP receiver: it keeps every request with its time, and fails where it is told to.

A program of its own, so that all test processes share it: `python -m tests.harness.receiver PORT FILE`. The last part of the path is the receiver's
name. `POST /control/fail {"path": …, "containing": …, "status": …, "times": …}` makes the next fitting requests fail; `"headers"` go with the
answer, and `"seconds"` pass before it.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from .instants import now, parse, text


class Handler(BaseHTTPRequestHandler):
    """Keeps what comes and answers as it was told."""

    file: ClassVar[Path]
    failures: ClassVar[list[dict[str, Any]]] = []
    lock: ClassVar[threading.Lock] = threading.Lock()
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path != "/":
            self._keep("", HTTPStatus.OK)
        self._answer(HTTPStatus.OK)

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        body = raw.decode(errors="replace")
        if self.path == "/control/fail":
            with self.lock:
                self.failures.append(json.loads(body))
            self._answer(HTTPStatus.OK)
            return
        told = self._told(body)
        status = HTTPStatus(told.get("status", HTTPStatus.ACCEPTED if self.path.startswith("/v2/") else HTTPStatus.OK))
        self._keep(body, status)
        threading.Event().wait(told.get("seconds", 0))
        with contextlib.suppress(ConnectionError):  # whoever asked may be gone by now
            self._answer(status, told.get("headers", {}))

    def _keep(self, body: str, status: int) -> None:
        entry = {"time": text(now()), "path": self.path, "headers": dict(self.headers), "body": body, "status": int(status)}
        with self.lock, self.file.open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _told(self, body: str) -> dict[str, Any]:
        with self.lock:
            for failure in self.failures:
                if failure["times"] > 0 and self.path == failure["path"] and failure["containing"] in body:
                    failure["times"] -= 1
                    return failure
        return {}

    def _answer(self, status: int, headers: Mapping[str, str] = MappingProxyType({})) -> None:
        accepted = b'{"status":"success","message":"Event processed"}'
        content = accepted if status < 300 else b'{"status":"invalid event","message":"told to fail"}'
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: the file says all."""


@dataclass(frozen=True, slots=True)
class Post:
    """One message as it came in."""

    time: datetime
    path: str
    headers: dict[str, str]
    raw: str
    status: int

    @property
    def receiver(self) -> str:
        """Name of the receiver it was for."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


class Inbox:
    """What came in for one namespace: every message names the Incident and its namespace."""

    def __init__(self, file: Path, namespace: str) -> None:
        self._file = file
        self._namespace = namespace

    def posts(self, *receivers: str, delivered: bool = True) -> list[Post]:
        """What came in, oldest first; without names that of every receiver."""
        lines = self._file.read_text().splitlines() if self._file.exists() else []
        kept = [json.loads(line) for line in lines if self._namespace in line]
        posts = [Post(parse(one["time"]), one["path"], one["headers"], one["body"], one["status"]) for one in kept]
        return [one for one in posts if (not receivers or one.receiver in receivers) and (not delivered or one.status < 300)]


def fail(
    receiver: str,
    path: str,
    containing: str,
    status: int,
    *,
    times: int = 1000,
    headers: Mapping[str, str] = MappingProxyType({}),
    seconds: float = 0,
) -> None:
    """Let the next fitting messages fail at the receiver that listens there."""
    order = {"path": path, "containing": containing, "status": status, "times": times, "headers": dict(headers), "seconds": seconds}
    request = urllib.request.Request(f"{receiver}/control/fail", data=json.dumps(order).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == HTTPStatus.OK


def main() -> None:
    """Serve until killed."""
    Handler.file = Path(sys.argv[2])
    server = ThreadingHTTPServer(("192.0.2.1", int(sys.argv[1])), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
