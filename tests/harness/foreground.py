"""`prunella run` as a person or a kubelet starts it: in the foreground, ended by a signal, everything that it says kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
SPEAK_SECONDS = 60
"""A start on a busy machine."""
STOP_SECONDS = 15
"""Half of what a kubelet waits before it kills."""


class Foreground:
    """One run. Use it as a context: whatever happens, the process is gone at the end."""

    def __init__(self, *words: str, deaf_to_interrupts: bool = False) -> None:
        argv = [sys.executable, "-m", "prunella.cli.main", "run", *words]
        if deaf_to_interrupts:
            # What a script starts with `&` begins its life like this.
            argv = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", *argv]
        # None of the caller's own settings may reach it.
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PRUNELLA_")}
        env = kept | {"KUBECONFIG": "/nonexistent", "PYTHONPATH": str(ROOT / "operator"), "PYTHONUNBUFFERED": "1"}
        self._process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env)
        self.lines: list[str] = []
        self._heard = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Self:
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def until_said(self, message: str) -> None:
        """Return in the moment in which it logs this. Fails with all that was said where it does not, or ends."""
        self.until(lambda: any(_message(line) == message for line in self.lines), f"it says '{message}'")

    def until(self, question: Callable[[], object], what: str) -> None:
        """Return when the answer is true; asked at each line that it logs. Fails with all that was said."""
        with self._heard:
            came = self._heard.wait_for(lambda: question() or self._process.poll() is not None, SPEAK_SECONDS)
        assert came, f"not within {SPEAK_SECONDS} s: {what}\n{self.said}"
        assert self._process.poll() is None, f"ended by itself before this: {what}\n{self.said}"

    def send(self, number: signal.Signals) -> None:
        """Send the signal and go on."""
        self._process.send_signal(number)

    def end(self, number: signal.Signals) -> int:
        """Send the signal, wait, and return the exit code."""
        self.send(number)
        code = self._process.wait(STOP_SECONDS)
        self._reader.join(STOP_SECONDS)
        return code

    @property
    def said(self) -> str:
        """All of its output."""
        return "\n".join(self.lines)

    def levels(self) -> set[str]:
        """The levels of what it logged. Fails where a line is no line of the log: a traceback, a warning of Python, a word to a person."""
        records: list[Any] = []
        for line in self.lines:
            try:
                records.append(json.loads(line))
            except ValueError:
                raise AssertionError(f"no line of the log: {line}\n{self.said}") from None
        return {record["level"] for record in records}

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                with self._heard:
                    self.lines.append(line.rstrip("\n"))
                    self._heard.notify_all()
        self._process.wait()
        with self._heard:
            self._heard.notify_all()


def _message(line: str) -> str:
    try:
        return str(json.loads(line)["message"])
    except (ValueError, KeyError, TypeError):
        return ""
