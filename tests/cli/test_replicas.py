"""Whole processes of `prunella run` side by side: who leads, who stands by, and how each of them ends."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.fakes.empty_cluster import EmptyCluster
from tests.harness.waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cluster() -> Iterator[EmptyCluster]:
    with EmptyCluster() as made:
        yield made


class Process:
    """One `prunella run`."""

    def __init__(self, cluster: EmptyCluster, folder: Path, name: str, port: int) -> None:
        self.port = port
        self.log = folder / f"{name}.log"
        words = ["--kubeconfig", str(cluster.kubeconfig(folder)), "--listen", f"127.0.0.1:{port}", "--log-format", "text"]
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "prunella.cli.main", "run", *words],
                stdout=out,
                stderr=out,
                cwd=ROOT,
                env={"PYTHONPATH": "operator", "POD_UID": f"uid-of-{name}"},
            )
        wait_for(lambda: self.get("/readyz")[0] == 200, 40, f"{name} is ready", seen=self.log.read_text, interval=0.05)

    def get(self, path: str) -> tuple[int, str]:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    @property
    def leads(self) -> bool:
        return "\nprunella_leader 1.0\n" in self.get("/metrics")[1]

    def ends_with(self, code: int, seconds: float) -> None:
        assert self.process.wait(seconds) == code, self.log.read_text()


@pytest.fixture
def start(cluster: EmptyCluster, tmp_path: Path, unused_tcp_port_factory):
    made: list[Process] = []

    def starts(name: str) -> Process:
        made.append(Process(cluster, tmp_path, name, unused_tcp_port_factory()))
        return made[-1]

    yield starts
    for one in made:
        with contextlib.suppress(ProcessLookupError):
            one.process.kill()
        one.process.wait(10)


def test_the_first_leads_the_second_stands_by_and_takes_over_when_the_first_is_told_to_end(cluster, start):
    first = start("a")
    wait_for(lambda: first.leads, 3, "the first leads", seen=first.log.read_text, interval=0.05)
    second = start("b")
    assert (first.leads, second.leads) == (True, False)
    assert [second.get(path)[0] for path in ("/readyz", "/healthz")] == [200, 200]
    holder, epoch = cluster.lease["spec"]["holderIdentity"], cluster.lease["spec"]["leaseTransitions"]
    assert holder.startswith("uid-of-a/")
    assert f"{holder} is the leader now (epoch 1)" in first.log.read_text()
    assert f"is a standby; {holder} leads" in second.log.read_text()
    assert epoch == 1

    first.process.send_signal(signal.SIGTERM)
    told = time.monotonic()
    wait_for(lambda: second.leads, 6, "the second leads", seen=second.log.read_text, interval=0.05)
    assert time.monotonic() - told < 6
    first.ends_with(0, 15)
    assert "gave the lease up" in first.log.read_text()
    assert cluster.lease["spec"]["holderIdentity"].startswith("uid-of-b/")
    assert cluster.lease["spec"]["leaseTransitions"] == 2


def test_a_leader_that_finds_another_name_on_the_lease_ends_with_1_and_says_why(cluster, start):
    first = start("a")
    wait_for(lambda: first.leads, 3, "it leads", seen=first.log.read_text, interval=0.05)
    cluster.edit(holderIdentity="ana")
    first.ends_with(1, 6)
    assert "is not the leader any more: ana holds the lease" in first.log.read_text()
    assert "Traceback" not in first.log.read_text()
    assert cluster.lease["spec"]["holderIdentity"] == "ana"


def test_a_leader_that_can_no_longer_renew_begins_nothing_but_lives_and_leads_again_in_the_same_term(cluster, start):
    first = start("a")
    wait_for(lambda: first.leads, 3, "it leads", seen=first.log.read_text, interval=0.05)
    cluster.leases_fail = True
    wait_for(lambda: not first.leads, 14, "it does not lead before its lease has run out", seen=first.log.read_text)
    assert "The lease could not be renewed for 10 s: nothing is begun until it can be" in first.log.read_text()
    assert first.get("/healthz")[0] == 200
    cluster.leases_fail = False
    wait_for(lambda: first.leads, 8, "it leads again", seen=first.log.read_text)
    assert "leads again (epoch 1): nobody else had the lease meanwhile" in first.log.read_text()


@pytest.mark.parametrize("followed", [False, True], ids=["alone", "another one leads by then"])
def test_a_leader_whose_process_stood_still_goes_on_only_where_nobody_has_taken_its_place(cluster, start, followed):
    first = start("a")
    wait_for(lambda: first.leads, 3, "it leads", seen=first.log.read_text, interval=0.05)
    first.process.send_signal(signal.SIGSTOP)
    until = time.monotonic() + 12.5
    wait_for(lambda: time.monotonic() > until, 20, "it stood still for longer than it may")
    if followed:
        cluster.edit(holderIdentity="another", leaseTransitions=2)
    first.process.send_signal(signal.SIGCONT)
    if followed:
        first.ends_with(1, 6)
    else:
        wait_for(lambda: first.leads and "leads again (epoch 1)" in first.log.read_text(), 8, "it leads again", seen=first.log.read_text)
