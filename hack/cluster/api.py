"""Just enough of an HTTP client to ask the box's own programs whether they are ready."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Any

from layout import API_PORT, HOST, Box

TIMEOUT_SECONDS = 5.0


class Api:
    """The box's API server, as seen by one of the box's helpers."""

    def __init__(self, box: Box, helper: str) -> None:
        self._tls = ssl.create_default_context(cafile=str(box.pki / "ca.crt"))
        self._tls.load_cert_chain(box.pki / f"{helper}.crt", box.pki / f"{helper}.key")

    def request(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Return status and body; status 0 if there was no answer."""
        connection = http.client.HTTPSConnection(HOST, API_PORT, timeout=TIMEOUT_SECONDS, context=self._tls)
        return _ask(connection, method, path, body)

    def get(self, path: str) -> dict[str, Any] | None:
        """Return the object, or None if there is none or nobody answered."""
        status, body = self.request("GET", path)
        found: dict[str, Any] | None = json.loads(body) if status == http.HTTPStatus.OK else None
        return found

    def lines(self, path: str) -> Iterator[bytes]:
        """Yield the lines of a stream, such as a watch, until it ends or breaks."""
        connection = http.client.HTTPSConnection(HOST, API_PORT, context=self._tls)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            if answer.status == http.HTTPStatus.OK:
                yield from answer
        except (OSError, http.client.HTTPException):
            return
        finally:
            connection.close()

    def answers(self, path: str) -> bool:
        """Tell whether a GET of the path is answered with 200."""
        return self.request("GET", path)[0] == http.HTTPStatus.OK


def answers(port: int, path: str, host: str = HOST) -> bool:
    """Tell whether a plain HTTP GET is answered with 200."""
    return _ask(http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS), "GET", path, None)[0] == http.HTTPStatus.OK


def _ask(connection: http.client.HTTPConnection, method: str, path: str, body: object) -> tuple[int, bytes]:
    try:
        headers = {"Content-Type": "application/json"}
        connection.request(method, path, body=None if body is None else json.dumps(body), headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
