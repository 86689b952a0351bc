"""A whole process of `prunella run` that is told to end: it ends soon, with 0, and its log holds no error and no traceback."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.fakes.empty_cluster import EmptyCluster
from tests.harness.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 10


@contextmanager
def running(cluster: EmptyCluster, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process, as soon as it is ready; its log is in the folder."""
    words = ["--kubeconfig", str(cluster.kubeconfig(folder)), "--listen", f"127.0.0.1:{port}"]
    with (folder / "log").open("wb") as log:
        argv = [sys.executable, "-m", "prunella.cli.main", "run", *words]
        process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=ROOT, env={"PYTHONPATH": "operator"})
    try:
        wait_for(lambda: ready(process, port), 60, "it is ready", seen=(folder / "log").read_text, interval=0.02)
        yield process
    finally:
        process.kill()
        process.wait(10)


def ready(process: subprocess.Popen[bytes], port: int) -> bool:
    assert process.poll() is None, "it ended by itself"
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("after", [0.1, 3.0], ids=["right after Ready", "seconds after Ready"])
def test_told_to_end_it_ends_with_0_and_says_nothing_bad(tmp_path, unused_tcp_port, number, after):
    with EmptyCluster() as cluster, running(cluster, tmp_path, unused_tcp_port) as process:
        threading.Event().wait(after)  # the instant is what is tested
        process.send_signal(number)
        told = time.monotonic()
        code = process.wait(DEADLINE_SECONDS)
        lasted = time.monotonic() - told
    log = (tmp_path / "log").read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert code == 0, log
    assert lasted < DEADLINE_SECONDS
    assert {line["level"] for line in lines} <= {"info", "warning"}, log
    assert [line for line in lines if "error" in line] == []
    assert lines, "it said that it is Ready"
