"""An API of external metrics as an autoscaler asks it: a real APIService, behind which this process answers with one value for every question."""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar, Final

from .api import Object
from .arena import Arena
from .installation import HOST
from .instants import now, text
from .waiting import wait_for

GROUP: Final = "external.metrics.k8s.io"
VERSION: Final = "v1beta1"
ROOT: Final = f"/apis/{GROUP}/{VERSION}"
NAME: Final = f"{VERSION}.{GROUP}"
METRIC: Final = "queue_length"


class Handler(BaseHTTPRequestHandler):
    """Answers discovery, and every question about a metric."""

    value: ClassVar[str] = "0"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0].rstrip("/")
        if path == ROOT:
            self._answer(HTTPStatus.OK, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": []})
        elif path.startswith(f"{ROOT}/namespaces/"):
            item = {"metricName": METRIC, "metricLabels": {}, "timestamp": text(now()), "value": self.value}
            self._answer(HTTPStatus.OK, {"kind": "ExternalMetricValueList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": [item]})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def _answer(self, status: HTTPStatus, body: Object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


@contextmanager
def serving(arena: Arena, value: str, folder: Path) -> Iterator[None]:
    """While this lasts, every external metric of the cluster has this value."""
    Handler.value = value
    server = ThreadingHTTPServer((HOST, 0), Handler)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(_certificate(folder))
    server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="external-metrics")
    thread.start()
    try:
        _publish(arena, server.server_address[1])
        yield
    finally:
        arena.api.delete("APIService", NAME)  # first, for an API that does not answer hinders the deletion of every namespace
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)


def _publish(arena: Arena, port: int) -> None:
    """A Service without a selector, its endpoint, and the APIService that leads there."""
    meta = {"name": "metrics", "namespace": arena.namespace}
    arena.api.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"name": "https", "port": 443, "targetPort": port}]}}
    )
    labels = {"kubernetes.io/service-name": "metrics"}
    ports, endpoints = [{"name": "https", "port": port, "protocol": "TCP"}], [{"addresses": [HOST], "conditions": {"ready": True}}]
    piece: Object = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {**meta, "labels": labels}}
    arena.api.apply({**piece, "addressType": "IPv4", "ports": ports, "endpoints": endpoints})
    spec = {"group": GROUP, "version": VERSION, "groupPriorityMinimum": 100, "versionPriority": 100, "insecureSkipTLSVerify": True, "service": meta}
    arena.api.apply({"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": NAME}, "spec": spec})

    def available() -> bool:
        found = arena.api.get("APIService", NAME).get("status", {}).get("conditions", [])
        return any(one["type"] == "Available" and one["status"] == "True" for one in found)

    wait_for(available, 60, f"{NAME} is available", seen=lambda: arena.api.get("APIService", NAME).get("status"))


def _certificate(folder: Path) -> Path:
    """A key and its own certificate, for a day."""
    file = folder / "metrics.pem"
    words = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1", "-subj", "/CN=metrics"]
    subprocess.run(["openssl", "req", *words, "-keyout", str(file), "-out", f"{file}.crt"], check=True, capture_output=True, timeout=30)
    file.write_text(file.read_text() + Path(f"{file}.crt").read_text())
    return file
