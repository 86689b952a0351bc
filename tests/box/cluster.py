"""Talk to a box from outside, through its command line, as a person would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

BOX = Path(__file__).resolve().parents[2] / "hack" / "cluster" / "box"
SOON = 30.0
PAUSE = 0.1
T = TypeVar("T")


def eventually(question: Callable[[], T], *, seconds: float = SOON) -> T:
    """Return the first answer that is true; when the deadline passes, show the last one."""
    end, pause = time.monotonic() + seconds, Event()
    while not (answer := question()):
        assert time.monotonic() < end, f"not within {seconds} s: {answer!r}"
        pause.wait(PAUSE)
    return answer


class Cluster:
    """One box; it keeps everything below a TMPDIR of the test's own, so that no other box of the machine is in reach."""

    def __init__(self, name: str, temporary: Path) -> None:
        self.name = name
        self.env = os.environ | {"TMPDIR": str(temporary)}
        self.state = temporary / "prunella-box" / name

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        argv = [str(BOX), command, self.name, *arguments]
        return subprocess.Popen(argv, env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def attempt(self, command: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        argv = [str(BOX), command, self.name, *arguments]
        return subprocess.run(argv, env=self.env, capture_output=True, text=True, check=False, input=stdin, timeout=100)

    def box(self, command: str, *arguments: str, stdin: str = "") -> str:
        done = self.attempt(command, *arguments, stdin=stdin)
        assert done.returncode == 0, f"box {command} {self.name} {arguments} exited with {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run(self, *command: str, stdin: str = "") -> str:
        return self.box("run", "--", *command, stdin=stdin)

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self.run("kubectl", *arguments, stdin=stdin)

    def as_user(self, user: str, *arguments: str) -> str:
        return self.kubectl(f"--kubeconfig={self.state / 'users' / user}.kubeconfig", *arguments)

    def get(self, *arguments: str) -> Any:
        return json.loads(self.kubectl("get", *arguments, "-o", "json"))

    def fetch(self, url: str, method: str = "GET") -> str:
        code = "import sys, urllib.request as r; print(r.urlopen(r.Request(sys.argv[1], method=sys.argv[2]), timeout=5).read().decode(), end='')"
        return self.run(sys.executable, "-c", code, url, method)

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.fetch(f"http://192.0.2.1:9090/api/v1/query?query={query}"))["data"]["result"]
        return found

    def start_pod(self, name: str, image: str, annotations: dict[str, str] | None = None, **container: Any) -> None:
        meta = {"name": name, "labels": {"app": name}, "annotations": annotations or {}}
        spec = {"containers": [{"name": "app", "image": image, **container}], "terminationGracePeriodSeconds": 1}
        self.kubectl("create", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}))

    def wait_running(self, name: str) -> str:
        """Return the address of a pod once it is Ready."""
        self.kubectl("wait", "--for=condition=Ready", f"pod/{name}", f"--timeout={SOON:.0f}s")
        return str(self.get("pod", name)["status"]["podIP"])

    def waiting(self, name: str) -> tuple[str, str]:
        """Return reason and message of what a pod's container waits for; empty while there is none."""
        statuses = self.get("pod", name)["status"].get("containerStatuses", [])
        state = statuses[0]["state"].get("waiting", {}) if statuses else {}
        return state.get("reason", ""), state.get("message", "")

    def audit(self, verb: str, resource: str, name: str) -> dict[str, Any] | None:
        """Return the audit event of a write, or None if there is none yet."""
        for line in (self.state / "audit.log").read_text().splitlines():
            event: dict[str, Any] = json.loads(line)
            what = event.get("objectRef", {})
            if (event["verb"], what.get("resource"), what.get("name")) == (verb, resource, name):
                return event
        return None
