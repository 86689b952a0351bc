"""The operator's process as a Deployment keeps it: one process, started anew when it has ended, for whatever reason."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.harness import processes
from tests.harness.installation import ROOT, status_of
from tests.harness.waiting import wait_for

START_SECONDS = 60
"""Until an operator serves, on a busy machine."""
TAKE_OVER_SECONDS = 45
"""From a kill until the next process acts: its start, and a lease of 15 s that the dead one left behind."""
MOST_STARTS = 8
_pause = threading.Event()


class Supervisor:
    """Starts the process, starts it again, and knows why each one ended."""

    def __init__(self, module: Sequence[str], flags: Sequence[str], port: int, log: Path) -> None:
        """`module` is what Python runs, `port` where the process serves its probes."""
        self._argv = [sys.executable, *module, "run", *flags]
        self._port = port
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._ending = False
        self.starts = 0
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

    def kill(self) -> None:
        """SIGKILL it, and return when it is dead. It is started anew at once."""
        with self._lock:
            process = self._process
        assert process is not None, "there is no process"
        process.kill()
        process.wait(10)

    def send(self, number: signal.Signals) -> None:
        """Any other signal: STOP, CONT, TERM."""
        with self._lock:
            assert self._process is not None, "there is no process"
            self._process.send_signal(number)

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
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
        self._thread.join(20)

    def _start(self) -> None:
        # None of the caller's own settings may reach it.
        env = {**os.environ, "KUBECONFIG": "/nonexistent", "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "PYTHONUNBUFFERED": "1"}
        with self._lock, self._log.open("ab") as out:
            self._process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True, env=env)
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
                with contextlib.suppress(OSError), self._log.open("a") as out:
                    out.write(f"the supervisor gives up after {self.starts} starts, which ended with {self.ends}\n")
                return
            if code != -signal.SIGKILL:
                _pause.wait(1)  # a kubelet waits as well before it starts again what ended by itself
            self._start()
