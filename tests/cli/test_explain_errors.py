"""`prunella explain` where the API server does not answer, or does not let in: it ends with what to do, and promises no other try."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from prunella.cli import main


@contextmanager
def refusing(code: int) -> Iterator[str]:
    """An API server that answers everything with one refusal."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps({"kind": "Status", "code": code, "reason": "x", "message": "no words"}).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Not into the tests' output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def explain(folder: Path, server: str, what: str) -> tuple[int, str]:
    file = folder / "config"
    named = {"clusters": [{"name": "c", "cluster": {"server": server}}], "users": [{"name": "u", "user": {"token": "old"}}]}
    context = {"contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", **named, **context}))
    result = CliRunner().invoke(main.prunella, ["explain", what, "--kubeconfig", str(file)])
    return result.exit_code, result.output


@pytest.mark.parametrize("what", ["checkout-is-slow", "deploy/checkout"])
def test_a_server_that_can_t_be_reached_is_said_with_what_to_check_and_no_promise(tmp_path, what):
    code, said = explain(tmp_path, "http://127.0.0.1:1", what)
    assert code == 1
    assert said.startswith("Error: The API server could not be reached: ")
    assert said.endswith("; check the context and the network, then ask again\n")
    assert "tried again" not in said


@pytest.mark.parametrize("what", ["checkout-is-slow", "deploy/checkout"])
@pytest.mark.parametrize(
    ("status", "remedy"),
    [(401, "log in again, or choose another --context"), (429, "check the context and the network, then ask again")],
)
def test_a_server_that_refuses_is_said_with_the_remedy(tmp_path, what, status, remedy):
    with refusing(status) as url:
        code, said = explain(tmp_path, url, what)
    assert code == 1
    assert said.startswith(f"Error: The API server answered {status} to get ")
    assert said.endswith(f": no words; {remedy}\n")
