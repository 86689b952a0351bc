"""The other end of Prunella's webhook in the demo: prints each message that somebody would have got, and keeps it in a file.

inbox.py HOST:PORT FILE
"""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Inbox(BaseHTTPRequestHandler):
    """Takes CloudEvents by POST."""

    file = Path()

    def do_POST(self) -> None:
        """Keep one message, a line of JSON each."""
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        data: dict[str, Any] = json.loads(body)["data"]["customData"]
        with self.file.open("a") as file:
            file.write(json.dumps({key: data.get(key, "") for key in ("kind", "receiver", "priority", "title", "text")}) + "\n")
        self.send_response(202)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature is the library's
        """Say nothing: the file tells."""


def main() -> None:
    """Serve until it is ended."""
    host, _, port = sys.argv[1].partition(":")
    Inbox.file = Path(sys.argv[2])
    ThreadingHTTPServer((host, int(port)), Inbox).serve_forever()


if __name__ == "__main__":
    main()
