"""An API server of the test's own for the commands with which people act: what it holds, and what it was asked to change."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from prunella.cli import main

REF = {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": "shop", "name": "checkout", "uid": "u"}
SPEC = {
    "incidentRef": {"name": "checkout-7f3kq", "uid": "i"},
    "targetRef": REF,
    "runbookRef": {"namespace": "prunella-system", "name": "roll-back-bad-rollout"},
    "attempt": 1,
    "mode": "Approve",
    "requestedBy": "system:serviceaccount:prunella-system:prunella",
    "planHash": "a41c9e",
    "approvals": [{"by": "zoe", "planHash": "a41c9e", "verdict": "Approved", "comment": "seen"}],
}
ASKS = "roll back deploy/checkout 15 -> 14: 2 people must approve it (zoe did) until 10:32:24 UTC"
STATUS = {
    "phase": "Pending",
    "plan": "roll back deploy/checkout 15 -> 14",
    "planHash": "a41c9e",
    "diff": "-image: new\n+image: old",
    "message": ASKS,
    "approvalDeadlineTime": "2126-11-24T10:32:24.000000Z",
    "guards": [{"name": "Rights", "allowed": True}, {"name": "Approval", "allowed": False, "reason": "AwaitingApproval", "message": ASKS}],
    "conditions": [
        {"type": "Approved", "status": "False", "reason": "AwaitingApproval", "message": ASKS, "lastTransitionTime": "2026-11-24T10:02:24.000000Z"}
    ],
}


@dataclass
class Cluster:
    """What the API server holds, and what it was asked to change."""

    server: str = ""
    answer: tuple[int, dict[str, Any]] = (200, {})
    remediations: dict[str, dict[str, Any]] = field(default_factory=dict)
    incident: dict[str, Any] = field(default_factory=dict)
    """Status of the one Incident."""
    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Any other object by its path, or a Status with its code."""
    written: list[tuple[str, str, Any]] = field(default_factory=list)

    def add(self, name: str = "checkout-7f3kq-1", *, spec: dict[str, Any] | None = None, **status: Any) -> None:
        head = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Remediation"}
        made = {"spec": SPEC | (spec or {}), "status": STATUS | status}
        self.remediations[name] = head | {"metadata": {"name": name, "namespace": "shop", "uid": name}} | made

    def run(self, folder: Path, *arguments: str, text: str = "") -> Result:
        file = folder / "config"
        named = {"clusters": [{"name": "c", "cluster": {"server": self.server}}], "users": [{"name": "u", "user": {"token": "t"}}]}
        context = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "shop"}}], "current-context": "x"}
        file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **named, **context}))
        return CliRunner().invoke(main.kubectl_prunella, [*arguments, "--kubeconfig", str(file)], input=text)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    held = Cluster()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path in held.objects:
                return self._say(held.objects[path].get("code", 200), held.objects[path])
            kind, name = path.split("/")[-2:]
            if name == "remediations":
                return self._say(200, {"kind": "List", "metadata": {"resourceVersion": "9"}, "items": list(held.remediations.values())})
            if kind == "incidents" and name == "checkout-7f3kq":
                metadata = {"name": name, "namespace": "shop", "uid": "i"}
                incident = {"metadata": metadata, "spec": {"title": "x", "targetRef": REF}, "status": held.incident}
                return self._say(200, {"apiVersion": "prunella.dev/v1alpha1", "kind": "Incident", **incident})
            if kind == "remediations" and name in held.remediations:
                return self._say(200, held.remediations[name])
            return self._say(404, {"kind": "Status", "message": "not found", "reason": "NotFound"})

        def do_POST(self) -> None:
            body = json.loads(self._body())
            if body["kind"] == "Remediation":
                held.written.append((self.path, self.headers["Content-Type"], body))
                return self._say(held.answer[0], held.answer[1] or body | {"metadata": {"name": "restart-x7f2k", "namespace": "shop"}})
            assert body["kind"] == "SelfSubjectReview"
            info = {"username": "ana", "groups": ["leads", "system:authenticated"]}
            return self._say(201, {"kind": "SelfSubjectReview", "status": {"userInfo": info}})

        def do_PATCH(self) -> None:
            held.written.append((self.path, self.headers["Content-Type"], json.loads(self._body())))
            self._say(held.answer[0], held.answer[1] or {"kind": "Remediation"})

        def _body(self) -> bytes:
            return self.rfile.read(int(self.headers["Content-Length"]))

        def _say(self, code: int, body: dict[str, Any]) -> None:
            raw = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *_: object) -> None:
            """Not into the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    held.server = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield held
    server.shutdown()
    thread.join()
    server.server_close()
