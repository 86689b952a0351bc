"""Operators are forked from a process that has imported everything: a start costs a tenth, and attacks on every write need a hundred of them.

A program of its own (`python -m tests.faults.nursery`): a line of JSON on its input asks for a process, a line on its output tells its pid, another
one its end. What is forked has done nothing but imports: no loop, no thread, no connection.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.harness.installation import ROOT

NO_PROCESS = 0


class Child:
    """One process, known by its pid."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended = threading.Event()
        self.code = 0
        """Its exit code once it has ended; -9 after a kill."""

    def send(self, number: signal.Signals) -> None:
        """Only as long as it has not ended: the pid is its own until its parent has told of the end."""
        if not self.ended.is_set():
            os.kill(self.pid, number)

    def wait(self, seconds: float | None = None) -> int:
        if not self.ended.wait(seconds):
            raise AssertionError(f"process {self.pid} did not end within {seconds} s")
        return self.code


class Nursery:
    """The tests' end of it."""

    def __init__(self) -> None:
        env = {**os.environ, "KUBECONFIG": "/nonexistent", "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "PYTHONUNBUFFERED": "1"}
        argv = [sys.executable, "-m", "tests.faults.nursery"]
        self._process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, env=env, cwd=ROOT)
        self._lock = threading.Lock()
        self._asked = threading.Lock()
        self._born = threading.Event()
        self._newest: Child | None = None
        self._children: dict[int, Child] = {}
        self._listener = threading.Thread(target=self._listen, daemon=True, name="nursery")
        self._listener.start()

    def start(self, words: Sequence[str], log: Path, without: str = "") -> Child:
        """A new operator: `prunella` with these words, its output in a file; `without` names a protection that it lacks."""
        with self._asked:
            self._born.clear()
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps({"words": list(words), "log": str(log), "without": without}).encode() + b"\n")
            self._process.stdin.flush()
            assert self._born.wait(60), "the nursery gave no process"
            assert self._newest is not None
            return self._newest

    def close(self) -> None:
        """End it. Whoever started a process has ended it before."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._listener.join(10)
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            if "born" in told:
                self._newest = self._children[told["born"]] = Child(told["born"])
                self._born.set()
            else:
                child = self._children.pop(told["ended"])
                child.code = told["code"]
                child.ended.set()


def main() -> None:
    """Fork on request until the input ends."""
    from tests.faults import unprotected  # noqa: F401 - likewise

    import prunella.cli.main
    import prunella.cli.run  # noqa: F401 - what a start would import

    awake, alarm = os.pipe()
    os.set_blocking(awake, False)
    os.set_blocking(alarm, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm)
    waiting = selectors.DefaultSelector()
    waiting.register(0, selectors.EVENT_READ)
    waiting.register(awake, selectors.EVENT_READ)
    rest = b""
    children: set[int] = set()
    while True:
        ready = {key.fd for key, _ in waiting.select()}
        if awake in ready:
            os.read(awake, 4096)
        _tell_of_ends(children)
        if 0 in ready:
            read = os.read(0, 65536)
            if not read:
                _end_all(children)
                return
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                born = _fork(json.loads(line), (awake, alarm))
                children.add(born)
                _tell({"born": born})


def _tell(what: dict[str, int]) -> None:
    os.write(1, json.dumps(what).encode() + b"\n")


def _end_all(children: set[int]) -> None:
    """Whoever asked for them is gone, perhaps without a farewell: nobody would end them."""
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _tell_of_ends(children: set[int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == NO_PROCESS:
            return
        children.discard(pid)
        _tell({"ended": pid, "code": os.waitstatus_to_exitcode(status)})


def _fork(asked: dict[str, Any], pipes: tuple[int, int]) -> int:
    pid = os.fork()
    if pid != NO_PROCESS:
        return pid
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        out = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (out, 1), (out, 2)):
            os.dup2(source, target)
        for pipe in (*pipes, out, nothing):
            os.close(pipe)
        code = _operate(asked)
    finally:
        os._exit(code)


def _operate(asked: dict[str, Any]) -> int:
    import traceback

    from tests.faults import unprotected

    from prunella.cli import main as cli

    try:
        unprotected.remove(asked["without"])
        cli.prunella(asked["words"], prog_name="prunella")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    return 1


if __name__ == "__main__":
    main()
