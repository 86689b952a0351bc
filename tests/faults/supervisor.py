"""The operator's process as a Deployment keeps it: one process, started anew when it has ended, for whatever reason."""

from __future__ import annotations

import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.harness import processes
from tests.harness.installation import leading, status_of
from tests.harness.waiting import wait_for

from .nursery import Child, Nursery

START_SECONDS = 60
"""Until an operator serves, on a busy machine."""
TAKE_OVER_SECONDS = 45
"""From a kill until the next process acts: its start, and a lease of 15 s that the dead one left behind."""
MOST_STARTS = 8
GRACE_SECONDS = 3
"""How long one that was told to end has, before it is killed. A Deployment gives 40 s, in which the step under way would end by itself."""
_pause = threading.Event()


class Supervisor:
    """Starts the process, starts it again, and knows why each one ended."""

    def __init__(self, nursery: Nursery, flags: Sequence[str], port: int, log: Path, without: str = "") -> None:
        """`port` is where the process serves its probes; `without` names a protection that it lacks."""
        self._nursery = nursery
        self._words = ["run", *flags]
        self._without = without
        self._port = port
        self._log = log
        self._process: Child | None = None
        self._lock = threading.Lock()
        self._ending = False
        self.starts = 0
        self.kills = 0
        """How often we killed it."""
        self.told = 0
        """How often we told it to end."""
        self.ends: list[int] = []
        """The exit codes of those that ended, in order; -9 is a kill."""
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"supervisor of :{port}")

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._start()
        self._thread.start()
        self.wait_until_ready()

    def wait_until_ready(self, seconds: float = START_SECONDS) -> None:
        wait_for(self.ready, seconds, f"the operator on :{self._port} is ready", seen=lambda: processes.tail(self._log, 8))

    def ready(self) -> bool:
        return status_of(f"http://127.0.0.1:{self._port}/readyz") == 200

    def alive(self) -> bool:
        return status_of(f"http://127.0.0.1:{self._port}/healthz") == 200

    def leads(self) -> bool:
        """Whether it says that it is the leader."""
        return leading(self._port, "127.0.0.1")

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        with self._lock:
            assert self._process is not None, "there is no process"
            return self._process.pid

    def kill(self) -> None:
        """SIGKILL it, and return when it is dead. It is started anew at once."""
        with self._lock:
            process = self._process
        assert process is not None, "there is no process"
        self.kills += 1
        process.send(signal.SIGKILL)
        process.wait(10)

    def end(self) -> None:
        """SIGTERM it, and wait for nothing. It is started anew when it has ended."""
        self.told += 1
        self.send(signal.SIGTERM)

    def end_hard(self) -> None:
        """SIGTERM it, and SIGKILL it after its grace: it must not have ended by then, because what it waits for never comes."""
        self.send(signal.SIGTERM)
        with self._lock:
            process = self._process
        assert process is not None, "there is no process"
        assert not process.ended.wait(GRACE_SECONDS), "it ended within its grace"
        self.kill()

    def send(self, number: signal.Signals) -> None:
        """Any other signal: STOP, CONT, TERM."""
        with self._lock:
            assert self._process is not None, "there is no process"
            self._process.send(number)

    def pause(self) -> None:
        """Kill it, and start no other until `resume`."""
        self._ending = True
        self.kill()
        self._thread.join(20)

    def resume(self) -> None:
        """Start it again after `pause`."""
        self._ending = False
        self._thread = threading.Thread(target=self._keep, daemon=True, name=f"supervisor of :{self._port}")
        self.start()

    def close(self) -> None:
        """End it for good, in order."""
        self._ending = True
        with self._lock:
            process = self._process
        if process is None:
            return
        process.send(signal.SIGTERM)
        if not process.ended.wait(20):
            process.send(signal.SIGKILL)
            process.wait(10)
        self._thread.join(20)

    def _start(self) -> None:
        with self._lock:
            self._process = self._nursery.start(self._words, self._log, self._without)
            self.starts += 1

    def _keep(self) -> None:
        while True:
            process = self._process
            assert process is not None
            code = process.wait()
            self.ends.append(code)
            if self._ending:
                return
            if self.starts >= MOST_STARTS:
                with self._log.open("a") as out:
                    out.write(f"the supervisor gives up after {self.starts} starts, which ended with {self.ends}\n")
                return
            if code != -signal.SIGKILL:
                _pause.wait(1)  # a kubelet waits as well before it starts again what ended by itself
            self._start()
