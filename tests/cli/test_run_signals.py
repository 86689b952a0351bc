"""`prunella run` ends by a signal in any moment of its start, with 0 and a clean log: before it came to anything, and while it reads its lists."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from tests.fakes.empty_cluster import EmptyCluster
from tests.harness.foreground import ROOT, SPEAK_SECONDS, Foreground

SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
MANY = 40
"""So many objects that a list is handed out for a while."""
NAMESPACES = {"name": "namespaces", "singularName": "namespace", "kind": "Namespace", "namespaced": False, "verbs": ["get", "list", "watch"]}


class Busy(EmptyCluster):
    """It has many Runbooks, and knows when Kopf has asked for a list."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = {plural: threading.Event() for plural in ("runbooks", "escalationpolicies", "healingpolicies")}
        shipped: dict[str, Any] = yaml.safe_load((ROOT / "runbooks" / "roll-back-bad-rollout.yaml").read_text())
        meta = {"namespace": "prunella-system", "resourceVersion": "1", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
        self._runbooks = [{**shipped, "metadata": {**meta, "name": f"r{number}", "uid": f"u{number}"}} for number in range(MANY)]

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        plural = request.path.rpartition("/")[2]
        if "watch" in request.query:
            return await super()._answer(request)
        if request.path == "/api/v1":
            return web.json_response({"kind": "APIResourceList", "groupVersion": "v1", "resources": [NAMESPACES]})
        if request.headers["User-Agent"].startswith("kopf/") and plural in self.asked:
            self.asked[plural].set()
        if plural == "runbooks":
            return web.json_response({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": self._runbooks})
        return await super()._answer(request)


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A kubeconfig of an API server that does not listen."""
    file = tmp_path / "config"
    contexts = [{"name": "x", "context": {"cluster": "c", "user": "u"}}]
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    user = {"name": "u", "user": {"token": "t"}}
    file.write_text(yaml.safe_dump({"clusters": [cluster], "users": [user], "contexts": contexts, "current-context": "x"}))
    return str(file)


@SIGNALS
@pytest.mark.parametrize("deaf", [False, True], ids=["from a terminal", "from a script, where SIGINT was handed down as ignored"])
def test_a_signal_ends_an_operator_that_waits_for_the_api_server(nowhere, number, deaf):
    with Foreground("--kubeconfig", nowhere, "--listen", "127.0.0.1:0", deaf_to_interrupts=deaf) as operator:
        operator.until(lambda: "127.0.0.1:1" in operator.said, "it says that nobody answers")
        assert operator.end(number) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said


@SIGNALS
@pytest.mark.parametrize("plural", ["runbooks", "escalationpolicies", "healingpolicies"])
def test_a_signal_ends_it_while_it_reads_its_lists(tmp_path, number, plural):
    with Busy() as cluster, Foreground("--kubeconfig", str(cluster.kubeconfig(tmp_path)), "--listen", "127.0.0.1:0") as operator:
        assert cluster.asked[plural].wait(SPEAK_SECONDS), operator.said
        assert operator.end(number) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said


@SIGNALS
def test_a_signal_ends_it_in_the_moment_in_which_it_is_ready_and_a_second_one_changes_nothing(tmp_path, number):
    with Busy() as cluster, Foreground("--kubeconfig", str(cluster.kubeconfig(tmp_path)), "--listen", "127.0.0.1:0") as operator:
        operator.until_said("Ready")
        operator.send(number)
        assert operator.end(number) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said
