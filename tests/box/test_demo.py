"""`make demo` is played in whole, and leaves nothing behind: not at its end, not after Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.box, pytest.mark.timeout(500), pytest.mark.skipif(os.geteuid() != 0, reason="a box needs root")]

ROOT = Path(__file__).resolve().parents[2]
NAME = f"demo-{os.getpid()}"
IN_THIS_ORDER = (
    r"box 'demo-\d+' is up",
    r"\$ prunella install",
    r"\$ kubectl apply -k manifests/demo",
    r"\$ kubectl set env deploy/checkout CACHE_SIZE=12zb -n shop",
    r"Triggered +P2 +deploy/checkout +RolloutCrashLoop",
    r"Healed after \d+s",
    r"checkout-\w+ +P2 +Resolved +deploy/checkout +RolloutCrashLoop +RolledBack to revision 1",
    r"RolledBack +deploy/checkout runs",
    r"\$ kubectl prunella explain checkout-\w+ -n shop",
    r"  proved .*3 × Success",
    r"nobody was paged",
    r"Blocked: OldRevisionFails",
    r"  not done .*roll-back-bad-rollout: OldRevisionFails",
    r"Who was told",
    r"Page +to on-call +\[P1\] deploy/ledger",
    r"that took \d+ s",
    r"kubectl set env deploy/checkout CACHE_SIZE=13zb",
    r"QuarantinedReapplied",
    r"box 'demo-\d+' is down and gone",
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path: sockets lie below it."""
    with tempfile.TemporaryDirectory(prefix="demo-") as made:
        yield Path(made)


@pytest.fixture
def demo(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo as it runs without a terminal, in a box of its own; ended if the test did not."""
    env = {name: value for name, value in os.environ.items() if name not in {"CLUSTER", "KUBECONFIG"}}
    env |= {"DEMO_BOX": NAME, "TMPDIR": str(folder), "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT / 'hack'}"}
    command = [sys.executable, str(ROOT / "hack" / "demo" / "demo.py")]
    with subprocess.Popen(
        command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        yield process
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    subprocess.run([ROOT / "hack" / "cluster" / "box", "down", NAME], env=env, check=False, capture_output=True)


def test_the_demo_heals_one_fault_leaves_one_to_people_and_goes(demo, folder):
    output, _ = demo.communicate()
    assert demo.returncode == 0, output
    at = 0
    for pattern in IN_THIS_ORDER:
        found = re.compile(pattern).search(output, at)
        assert found is not None, f"'{pattern}' is not in what follows:\n{output[at:]}"
        at = found.end()
    assert list(folder.iterdir()) == []


def test_ctrl_c_ends_it_and_its_box(demo, folder):
    seen = []
    for line in demo.stdout:
        seen.append(line)
        if "its log is" in line:  # the operator runs by now
            os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait(60) == 130, "".join(seen)
    assert "interrupted\n" in seen
    assert list(folder.iterdir()) == []
