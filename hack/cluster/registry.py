"""An image registry on the box's bridge that also fails on purpose: the first element of an image's path picks the failure.

    reg.local/box:v1                 answers
    reg.local/nothing:v1             404, as every name that it does not have
    reg.local/unauthorized/box:v1    401
    reg.local/forbidden/box:v1       403
    reg.local/busy/box:v1            429
    reg.local/broken/box:v1          503
    reg.local/slow/box:v1            answers, 8 s late

Stopped, it refuses connections, which is what "registry down" looks like to a node. It is a program of its own: `registry.py ADDRESS PORT`.
"""

from __future__ import annotations

import json
import re
import sys
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import components
import images
from layout import HOST, REGISTRY_PORT, SOURCE, Box

NAME = "registry"
FAILURES = {
    "unauthorized": (HTTPStatus.UNAUTHORIZED, "UNAUTHORIZED"),
    "forbidden": (HTTPStatus.FORBIDDEN, "DENIED"),
    "busy": (HTTPStatus.TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
    "broken": (HTTPStatus.SERVICE_UNAVAILABLE, "UNAVAILABLE"),
}
SLOW = "slow"
SLOW_SECONDS = 8.0
PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>manifests|blobs)/(?P<reference>[^/]+)")


class Registry(BaseHTTPRequestHandler):
    """The pull half of the distribution protocol, from memory."""

    store: ClassVar[images.Store]
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer with status, headers and content."""
        path = self.path.partition("?")[0]
        match = PATH.fullmatch(path)
        if path == "/v2/":
            self._answer(HTTPStatus.OK, b"{}", "application/json")
        elif match:
            self._serve(match["name"], match["kind"], match["reference"])
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "UNSUPPORTED")

    def do_HEAD(self) -> None:
        """Answer as to GET, without the content."""
        self.do_GET()

    def _serve(self, name: str, kind: str, reference: str) -> None:
        first, _, rest = name.partition("/")
        if first in FAILURES:
            self._refuse(*FAILURES[first])
            return
        if first == SLOW:
            name = rest
            if kind == "manifests":
                time.sleep(SLOW_SECONDS)  # what is asked for: an answer that comes late
        digest = reference if ":" in reference else self.store.tags.get(f"{name}:{reference}", "")
        content = self.store.blobs.get(digest)
        if content is None:
            self._refuse(HTTPStatus.NOT_FOUND, "MANIFEST_UNKNOWN" if kind == "manifests" else "BLOB_UNKNOWN")
            return
        self._answer(HTTPStatus.OK, content, images.MANIFEST if kind == "manifests" else "application/octet-stream", digest)

    def _refuse(self, status: HTTPStatus, code: str) -> None:
        self._answer(status, json.dumps({"errors": [{"code": code, "message": status.phrase}]}).encode(), "application/json")

    def _answer(self, status: HTTPStatus, content: bytes, content_type: str, digest: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def record(box: Box) -> None:
    """Write down how the registry is started."""
    components.record(box, NAME, [sys.executable, str(SOURCE / "registry.py"), HOST, str(REGISTRY_PORT)])


def main() -> None:
    """Serve until killed; requests go to the log, which shows what a node really fetched."""
    Registry.store = images.make()
    server = ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Registry)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
