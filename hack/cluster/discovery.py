"""Tells Prometheus which pods ask to be scraped: Debian builds it without its Kubernetes discovery.

A list and a watch of all pods, kept down to what is annotated `prometheus.io/scrape: "true"`; Prometheus asks for the result over HTTP each second.
A program of its own: `discovery.py STATE PORT`.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

from api import Api
from layout import Box
from progress import say

PAUSE_SECONDS = 1.0
PREFIX = "prometheus.io/"
Target = dict[str, Any]


def target(pod: dict[str, Any]) -> Target | None:
    """Return what Prometheus must know to scrape a pod, or None if it does not ask for it or can't be."""
    meta, status = pod["metadata"], pod.get("status", {})
    asked = {key.removeprefix(PREFIX): value for key, value in meta.get("annotations", {}).items() if key.startswith(PREFIX)}
    address = status.get("podIP")
    if asked.get("scrape") != "true" or not address or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    labels = {"namespace": meta["namespace"], "pod": meta["name"], "__metrics_path__": asked.get("path", "/metrics")}
    if app := meta.get("labels", {}).get("app"):
        labels["app"] = app
    return {"targets": [f"{address}:{asked.get('port', '80')}"], "labels": labels}


class Pods:
    """The targets of now, by the uid of the pod."""

    def __init__(self, box: Box) -> None:
        self._api = Api(box, "box-discovery")
        self._targets: dict[str, Target] = {}

    def targets(self) -> list[Target]:
        """Return them as Prometheus wants them."""
        return list(self._targets.values())

    def follow(self) -> None:
        """List, then watch until the watch ends; then the same again, for ever."""
        pause = threading.Event()
        while True:
            listed = self._api.get("/api/v1/pods")
            if listed is None:
                pause.wait(PAUSE_SECONDS)
                continue
            self._targets = {pod["metadata"]["uid"]: found for pod in listed["items"] if (found := target(pod))}
            for change in self._changes(listed["metadata"]["resourceVersion"]):
                self._apply(change)

    def _changes(self, version: str) -> Iterator[dict[str, Any]]:
        for line in self._api.lines(f"/api/v1/pods?watch=1&resourceVersion={version}"):
            change = json.loads(line)
            if change["type"] == "ERROR":
                return
            yield change

    def _apply(self, change: dict[str, Any]) -> None:
        pod = change["object"]
        found = target(pod) if change["type"] != "DELETED" else None
        if found:
            self._targets[pod["metadata"]["uid"]] = found
        else:
            self._targets.pop(pod["metadata"]["uid"], None)


class Answer(BaseHTTPRequestHandler):
    """Prometheus' http_sd format."""

    pods: ClassVar[Pods]

    def do_GET(self) -> None:
        """Answer with the targets, whatever the path."""
        content = json.dumps(self.pods.targets()).encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: it would be a line a second."""


def main() -> None:
    """Serve until killed."""
    Answer.pods = Pods(Box(Path(sys.argv[1])))
    threading.Thread(target=Answer.pods.follow, daemon=True).start()
    say("following pods")
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Answer).serve_forever()


if __name__ == "__main__":
    main()
