"""Whoever is measured, each as a process of its own with an account of its own: Prunella, the naive twin, and the two floors."""

from __future__ import annotations

import copy
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from tests.bench.floors import receiver
from tests.bench.naive import operator as naive
from tests.bench.scale import Scale
from tests.harness import audit, processes
from tests.harness.installation import HOST, ROOT, WEB, Installation, kubectl, status_of
from tests.harness.waiting import wait_for

NAIVE_PORT = 8081
FLOOR_PORT = 8082
LIVENESS = f"http://{HOST}:8083/healthz"
NAIVE, BARE, FLOOR, LOAD = "bench-naive", "bench-bare", "bench-floor", "bench-load"
PEOPLE = (NAIVE, BARE, FLOOR)
"""Users that the box makes before a run; LOAD and SEEDER are in the group that the audit log leaves out."""
SEEDER = audit.OPERATOR
"""The operator's account as one that the audit log leaves out: status is written by no other, and ten thousand of them are no one's news."""
UNHEARD = "box:load"
HERTZ = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
POLL_SECONDS = 0.01
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Process:
    """One that runs."""

    pid: int

    def cpu_seconds(self) -> float:
        """What it has used so far, by the kernel's word; to the hundredth."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / HERTZ

    def rss_mib(self) -> float:
        """What it holds in memory."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE / MIB

    def peak_mib(self) -> float:
        """The most that it ever held."""
        line = next(one for one in Path(f"/proc/{self.pid}/status").read_text().splitlines() if one.startswith("VmHWM"))
        return int(line.split()[1]) / 1024


class Cast:
    """Starts them and ends them. Every one that was started is ended when the cast leaves."""

    def __init__(self, installation: Installation, scale: Scale) -> None:
        self.installation = installation
        self.scale = scale
        self._running: list[int] = []

    def install(self) -> None:
        """Prunella as a user installs it, and the same kind in two more groups; nobody runs yet."""
        self.installation.enter()
        self.installation.stop_operator()
        original = yaml.safe_load((ROOT / "crds" / "incidents.yaml").read_text())
        for group in (naive.GROUP, receiver.GROUP):
            self.installation.api.apply(in_group(original, group))
        kubectl("wait", "--for=condition=Established", "crd", f"incidents.{naive.GROUP}", f"incidents.{receiver.GROUP}", "--timeout=30s")

    def leave(self) -> None:
        """End everyone."""
        for pid in self._running:
            processes.stop(pid)
        self.installation.leave()

    @contextmanager
    def prunella(self) -> Iterator[Process]:
        """Prunella, ready."""
        process, _ = self.start_prunella()
        try:
            yield process
        finally:
            self.stop(process)

    def start_prunella(self) -> tuple[Process, float]:
        """Start it; also how long it took from exec to /readyz."""
        ready: list[float] = []
        began = time.perf_counter()
        ended = threading.Event()

        def poll() -> None:
            while not ended.is_set():
                if status_of(f"{WEB}/readyz") == 200:
                    ready.append(time.perf_counter() - began)
                    return
                ended.wait(POLL_SECONDS)

        poller = threading.Thread(target=poll)
        poller.start()
        try:
            pid = self.installation.start_process()
        finally:
            ended.set()
            poller.join()
        self._running.append(pid)
        return Process(pid), ready[0] if ready else time.perf_counter() - began

    @contextmanager
    def naive(self) -> Iterator[Process]:
        """The naive twin, ready."""
        process, _ = self.start_naive()
        try:
            yield process
        finally:
            self.stop(process)

    def start_naive(self) -> tuple[Process, float]:
        """Start it; also how long it took from exec until it listens for alerts."""
        source = ROOT / "tests/bench/naive/operator.py"
        words = ["-m", "kopf", "run", "--standalone", "--all-namespaces", "--quiet", str(source)]
        began = time.perf_counter()
        env = {"NAIVE_LISTEN": f"{HOST}:{NAIVE_PORT}"}
        process = self._start("naive", words, NAIVE, env)
        url = f"http://{HOST}:{NAIVE_PORT}/"
        wait_for(lambda: status_of(url) == 200, 60, "the naive twin listens", seen=lambda: self._tail("naive"), interval=POLL_SECONDS)
        return process, time.perf_counter() - began

    @contextmanager
    def bare(self) -> Iterator[Process]:
        """The bare watcher."""
        process = self._start("bare", ["-m", "tests.bench.floors.watcher"], BARE, {})
        try:
            yield process
        finally:
            self.stop(process)

    @contextmanager
    def floor(self, namespace: str) -> Iterator[Process]:
        """The no-op receiver."""
        process = self._start("floor", ["-m", "tests.bench.floors.receiver", str(FLOOR_PORT), namespace], FLOOR, {})
        url = f"http://{HOST}:{FLOOR_PORT}/"
        wait_for(lambda: status_of(url) == 200, 20, "the no-op receiver listens", seen=lambda: self._tail("floor"), interval=POLL_SECONDS)
        try:
            yield process
        finally:
            self.stop(process)

    @property
    def load_file(self) -> Path:
        """What the load says when it has ended."""
        return self.installation.folder / "load.json"

    def load(self, namespace: str, rate: float, seconds: float) -> Process:
        """The load, which ends by itself and then writes `load_file`."""
        self.load_file.unlink(missing_ok=True)
        words = [str(self.installation.user(LOAD)), namespace, str(rate), str(seconds), str(self.load_file)]
        return self._start("load", ["-m", "tests.bench.load", *words], LOAD, {})

    def stop(self, process: Process) -> None:
        """End one."""
        processes.stop(process.pid)
        self._running.remove(process.pid)

    def _start(self, name: str, words: list[str], user: str, env: dict[str, str]) -> Process:
        log = self.installation.folder / f"bench-{name}.log"
        paths = os.pathsep.join((str(ROOT), str(ROOT / "operator")))
        own = {"KUBECONFIG": str(self.installation.user(user)), "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1"}
        process = Process(processes.start([sys.executable, *words], log, own | env))
        self._running.append(process.pid)
        return process

    def _tail(self, name: str) -> str:
        return processes.tail(self.installation.folder / f"bench-{name}.log", 10)


def in_group(original: dict[str, object], group: str) -> dict[str, object]:
    """The same kind, schema and rules in another group, so that its handlers meet nobody else's objects."""
    made = copy.deepcopy(original)
    names = made["spec"]["names"]  # type: ignore[index]
    names.pop("shortNames", None)
    names.pop("categories", None)
    made["metadata"] = {"name": f"incidents.{group}"}
    made["spec"]["group"] = group  # type: ignore[index]
    return made
