"""When an object became visible: a watch of the harness's own, with the instant at which each object was seen first."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPResponse

from tests.harness.api import Api, Object
from tests.harness.waiting import wait_for


class Stamps:
    """Watches one path from now on. `seen` maps a key of an object to when it came first, `last` to the object as it is."""

    def __init__(self, api: Api, path: str, key: Callable[[Object], str]) -> None:
        self._key = key
        self.seen: dict[str, float] = {}
        self.last: dict[str, Object] = {}
        self._connection, self._answer = wait_for(lambda: _watched(api, path), 30, f"{path} can be watched")
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        for line in self._answer:
            now = time.time()
            change = json.loads(line)
            if change["type"] in {"ADDED", "MODIFIED"}:
                key = self._key(change["object"])
                self.seen.setdefault(key, now)
                self.last[key] = change["object"]

    def close(self) -> None:
        """End the watch."""
        sock = self._connection.sock
        if sock is not None:
            sock.shutdown(2)
        self._thread.join(5)
        self._connection.close()


def _watched(api: Api, path: str) -> tuple[HTTPConnection, HTTPResponse] | None:
    """A watch of what comes from now on; None while the API server can't serve it, as it can't where a kind is new."""
    version = api.request("GET", f"{path}?limit=1").body["metadata"]["resourceVersion"]
    connection, answer = api.open(f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=1800")
    if answer.status == HTTPStatus.OK:
        return connection, answer
    connection.close()
    return None
