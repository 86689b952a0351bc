"""Somebody who is faster by a hair: acts in the very moment in which the operator's change is being admitted, before it is stored.

A validating webhook of the real API server. The server has applied the operator's patch already, asks us, and on storing finds the object changed: it
applies the patch anew to what stands there now. What then happens is up to the preconditions that the patch itself carries.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from .api import Object
from .arena import Arena
from .audit import OPERATOR
from .installation import HOST

PORT = 8443
REASONS = {409: "Conflict", 429: "TooManyRequests"}


class Admission(BaseHTTPRequestHandler):
    """Lets everything pass; before the operator's first change of a template it does its own."""

    acts: ClassVar[list[Callable[[], object]]] = []
    done: ClassVar[threading.Event]
    busy: ClassVar[list[int]] = []
    """Statuses with which the operator's changes are turned away before that, one each."""
    came: ClassVar[list[float]] = []
    """When each of its changes came, by a clock that only goes forward."""

    def do_POST(self) -> None:
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        response: Object = {"uid": request["uid"], "allowed": True}
        theirs = self._theirs(request)
        if theirs:
            self.came.append(time.monotonic())
        if theirs and self.busy:
            code = self.busy.pop(0)
            response |= {"allowed": False, "status": {"code": code, "reason": REASONS[code], "message": "come back later"}}
        elif theirs and not self.done.is_set():
            self.done.set()
            self.acts[0]()
        answer = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": response}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _theirs(self, request: Object) -> bool:
        if request["userInfo"]["username"] != OPERATOR or request.get("dryRun"):
            return False
        return bool(request["object"]["spec"]["template"] != request["oldObject"]["spec"]["template"])

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def _certificate(pki: Path, folder: Path) -> tuple[Path, Path]:
    """A server certificate of the box's own authority."""
    key, certificate, config = folder / "interloper.key", folder / "interloper.crt", folder / "interloper.cnf"
    config.write_text("[req]\ndistinguished_name = name\n[name]\n")
    argv = ["openssl", "req", "-x509", "-config", str(config), "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    argv += ["-subj", "/CN=interloper", "-addext", f"subjectAltName=IP:{HOST}", "-addext", "basicConstraints=critical,CA:FALSE"]
    argv += ["-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key"), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    return certificate, key


@contextmanager
def before_the_effect(arena: Arena, act: Callable[[], object], *, busy: Iterable[int] = ()) -> Iterator[threading.Event]:
    """While this lasts, `act` happens between the operator's plan and its effect in this namespace, once; the event tells that it did.

    `busy`: with these statuses its changes are turned away first, one each.
    """
    Admission.acts, Admission.done, Admission.busy, Admission.came = [act], threading.Event(), list(busy), []
    pki = arena.installation.state / "pki"
    server = ThreadingHTTPServer((HOST, PORT), Admission)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*_certificate(pki, arena.installation.folder))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    arena.elsewhere(_configuration(arena.namespace, (pki / "ca.crt").read_bytes()))
    try:
        yield Admission.done
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _configuration(namespace: str, authority: bytes) -> Object:
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["UPDATE"], "resources": ["deployments"], "scope": "Namespaced"}
    webhook = {
        "name": "interloper.example.com",
        "clientConfig": {"url": f"https://{HOST}:{PORT}/", "caBundle": base64.b64encode(authority).decode()},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"scenario": namespace}},
        "admissionReviewVersions": ["v1"],
        "sideEffects": "NoneOnDryRun",
        "failurePolicy": "Ignore",
        "timeoutSeconds": 10,
    }
    kind = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration"}
    return {**kind, "metadata": {"name": f"interloper-{namespace}"}, "webhooks": [webhook]}
