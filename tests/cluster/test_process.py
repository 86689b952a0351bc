"""The process itself on a real control plane: what it waits for, and how it ends.

SIGTERM is how every pod ends, SIGINT how every person ends it: both end it quietly, whatever it is doing in that moment.
"""

from __future__ import annotations

import signal
import socket
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from tests.cluster.conftest import Kubectl
from tests.harness.foreground import Foreground
from tests.harness.installation import status_of
from tests.harness.waiting import wait_for

pytestmark = pytest.mark.cluster
MANY = 40
"""So many objects that lists are read for a while."""
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
Start = Callable[..., Foreground]


@pytest.fixture
def web() -> str:
    """An address of this machine that nobody else listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def start(prunella: Kubectl, web: str, tmp_path: Path) -> Start:
    """Start the operator with its own account."""
    kubeconfig = yaml.safe_load(Path(prunella.kubeconfig).read_text())
    token = prunella("create", "token", "prunella", "-n", "prunella-system").strip()
    kubeconfig["users"] = [{"name": kubeconfig["users"][0]["name"], "user": {"token": token}}]
    file = tmp_path / "operator.kubeconfig"
    file.write_text(yaml.safe_dump(kubeconfig))

    def started(*words: str, deaf_to_interrupts: bool = False) -> Foreground:
        return Foreground("--kubeconfig", str(file), "--listen", web, *words, deaf_to_interrupts=deaf_to_interrupts)

    return started


def reports(count: int) -> str:
    """Incidents as people report them."""
    return yaml.safe_dump_all(
        {
            "apiVersion": "prunella.dev/v1alpha1",
            "kind": "Incident",
            "metadata": {"name": f"report-{number}"},
            "spec": {"title": "Customers say it is slow", "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": f"d{number}"}},
        }
        for number in range(count)
    )


@SIGNALS
@pytest.mark.parametrize("deaf", [False, True], ids=["from a terminal", "from a script, where SIGINT was handed down as ignored"])
def test_a_signal_ends_an_operator_that_runs(start, web, number, deaf):
    with start(deaf_to_interrupts=deaf) as operator:
        wait_for(lambda: status_of(f"http://{web}/readyz") == 200, 60, "it is ready", seen=lambda: operator.said)
        # The heartbeat is the last part to begin, and it has been seen: everything runs.
        wait_for(lambda: "prunella_watch_lag_seconds{" in metrics(web), 60, "everything runs", seen=lambda: operator.said)
        assert operator.end(number) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said


@SIGNALS
def test_a_signal_ends_it_in_the_moment_in_which_it_becomes_ready(start, number):
    with start() as operator:
        operator.until_said("Ready")
        assert operator.end(number) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said


@SIGNALS
def test_a_signal_ends_it_while_lists_are_read(start, prunella, namespace, number):
    prunella("apply", "-n", namespace, "-f", "-", stdin=reports(MANY))
    with start("--watch-namespaces", namespace) as operator:
        # The first Incident is served while Kopf hands out the others.
        operator.until_said("Opened")
        assert operator.end(number) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said


def test_a_second_signal_changes_nothing(start):
    with start() as operator:
        operator.until_said("Ready")
        operator.send(signal.SIGINT)
        assert operator.end(signal.SIGINT) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said


def test_a_namespace_that_does_not_exist_is_waited_for_and_said(start, web, prunella, namespace):
    missing = f"{namespace}-not"
    sentence = f"the operator's namespace {missing} does not exist: `prunella install` makes prunella-system; `--namespace` names another"
    with start("--namespace", missing) as operator:
        operator.until_said("Waiting for Prunella's CRDs and namespace")
        assert sentence in operator.said
        assert status_of(f"http://{web}/readyz") == 503
        prunella("create", "namespace", missing)
        try:
            operator.until_said("Ready")
        finally:
            prunella("delete", "namespace", missing, "--wait=false")
        assert operator.end(signal.SIGTERM) == 0, operator.said


def metrics(web: str) -> str:
    with urllib.request.urlopen(f"http://{web}/metrics", timeout=5) as answer:
        return str(answer.read(), "utf-8")
