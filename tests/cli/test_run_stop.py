"""`prunella run` ends by a signal also where it never came to anything: no API server answers."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import yaml
from tests.harness.foreground import Foreground


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    """A kubeconfig of an API server that does not listen."""
    file = tmp_path / "config"
    contexts = [{"name": "x", "context": {"cluster": "c", "user": "u"}}]
    cluster = {"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}
    file.write_text(
        yaml.safe_dump({"clusters": [cluster], "users": [{"name": "u", "user": {"token": "t"}}], "contexts": contexts, "current-context": "x"})
    )
    return str(file)


@pytest.mark.parametrize("deaf", [False, True], ids=["from a terminal", "from a script, where SIGINT was handed down as ignored"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_an_operator_that_waits_for_the_api_server(nowhere, number, deaf):
    with Foreground("--kubeconfig", nowhere, "--listen", "127.0.0.1:0", deaf_to_interrupts=deaf) as operator:
        operator.until(lambda: "127.0.0.1:1" in operator.said, "it says that nobody answers")
        assert operator.end(number) == 0, operator.said
    assert operator.levels() == {"info"}, operator.said
