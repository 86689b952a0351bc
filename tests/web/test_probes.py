"""What the kubelet and Prometheus ask."""

import pytest
from tests.web.serving import Site, status

from prunella.adapters.telemetry import PrometheusTelemetry
from prunella.web.probes import Probes
from prunella.web.server import application, serve


async def ask(path, *, alive=(), ready=(), method="GET", expose=lambda: b""):
    server = await serve(application(Probes(alive=lambda: alive, ready=lambda: ready, expose=expose).routes()), "127.0.0.1:0")
    try:
        return await Site(server.port, None, None, []).post(b"", path=path, method=method, token=None)
    finally:
        await server.stop()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_all_is_well(path, method):
    assert status(await ask(path, method=method)) == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_problems_are_told_one_a_line(path):
    answer = await ask(
        path, alive=["the watch of pods is silent for 95 s"] * (path == "/healthz"), ready=["no leader", "no rights"] * (path == "/readyz")
    )
    assert status(answer) == 503
    expected = b"the watch of pods is silent for 95 s\n" if path == "/healthz" else b"no leader\nno rights\n"
    assert answer.endswith(b"\r\n\r\n" + expected)


async def test_a_replica_that_is_not_ready_is_alive():
    assert status(await ask("/healthz", ready=["not yet"])) == 200


async def test_metrics_are_prometheus_text():
    answer = await ask("/metrics", expose=PrometheusTelemetry("0.1.0").expose)
    assert status(answer) == 200
    assert b"Content-Type: text/plain; version=0.0.4; charset=utf-8" in answer
    assert b'prunella_build_info{version="0.1.0"} 1.0' in answer


@pytest.mark.parametrize(
    ("method", "path", "code"), [("POST", "/metrics", 405), ("DELETE", "/healthz", 405), ("GET", "/readyz/", 404), ("GET", "/debug", 404)]
)
async def test_nothing_else_is_there(method, path, code):
    assert status(await ask(path, method=method)) == code
