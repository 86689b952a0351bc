"""The cluster of the demo: a box, kind, or the one of the user's KUBECONFIG; and the two programs that run beside it, the operator and the inbox.

The rule it protects: what the demo started is ended, also after Ctrl-C, unless it is left to the user who was told how to end it.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from screen import GaveUpError, command, say, until

import venue

ROOT = venue.ROOT
NAME = os.environ.get("DEMO_BOX") or "prunella-demo"
BOX_HOST = "192.0.2.1"
ELSEWHERE_IMAGE = "busybox:1.36"
READY_SECONDS = 60.0
NAMESPACES = {"prunella-system", "shop", "pay"}


@dataclass
class Stage:
    """Where the demo plays. `prefix` goes before each program that must be beside the cluster's API server."""

    kind: str
    folder: Path
    prefix: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    web_port: int = 8080
    inbox_port: int = 8090
    kubeconfig: Path | None = None
    kubectl_program: str = "kubectl"
    image: str = ""
    extra: tuple[str, ...] = ()
    """Further flags of `prunella run`."""
    programs: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        """For kubectl and prunella."""
        code = {"PYTHONPATH": str(ROOT / "operator")}
        return venue.bare_environment() | code | ({"KUBECONFIG": str(self.kubeconfig)} if self.kubeconfig else {})

    def kubectl(self, *words: str, stdin: str = "", quiet: bool = False, shown: str = "") -> str:
        """Run kubectl; show the line and its output unless quiet. Raises GaveUpError with what kubectl said."""
        if not quiet:
            command(shown or f"kubectl {' '.join(words)}")
        done = subprocess.run([self.kubectl_program, *words], env=self.environment, input=stdin, capture_output=True, text=True, check=False)
        if done.returncode:
            raise GaveUpError(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
        if not quiet:
            say(done.stdout.rstrip())
        return done.stdout

    def get(self, *words: str) -> dict[str, Any]:
        """An object or a list as JSON."""
        found: dict[str, Any] = json.loads(self.kubectl("get", *words, "-o", "json", quiet=True))
        return found

    def apply(self, folder: str) -> None:
        """Apply a kustomization, with an image that this cluster has."""
        command(f"kubectl apply -k {folder}")
        text = self.kubectl("kustomize", str(ROOT / folder), quiet=True)
        if self.image:
            text = text.replace("localhost/box:v1", self.image)
        say(self.kubectl("apply", "-f", "-", stdin=text, quiet=True).rstrip())

    def prunella(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of this clone's prunella beside the API server."""
        argv = [*self.prefix, sys.executable, "-m", "prunella.cli.main", *words]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, check=False, cwd=ROOT)

    def start(self, name: str, *argv: str) -> None:
        """Start a program that lives on when the demo ends with the cluster left up."""
        with (self.folder / f"{name}.log").open("ab") as log:
            program = subprocess.Popen(
                [*self.prefix, *argv], env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=ROOT, start_new_session=True
            )
        self.programs.append(program)

    def start_operator(self) -> None:
        """Start `prunella run` with the account that `prunella install` made."""
        listen = f"{self.host}:{self.web_port}"
        words = ["run", f"--kubeconfig={self.folder / 'prunella.kubeconfig'}", f"--listen={listen}", *self.extra, "--log-format=text"]
        command(f"prunella {' '.join(words)} &")
        self.start("operator", sys.executable, "-m", "prunella.cli.main", *words)
        say(f"its log is {self.folder / 'operator.log'}")

    def await_operator(self) -> None:
        """Wait until it has seen the whole cluster once."""
        log = self.folder / "operator.log"

        def ready() -> bool:
            if self.programs[0].poll() is not None:
                raise GaveUpError(f"the operator ended; the end of {log}:\n" + "\n".join(log.read_text().splitlines()[-8:]))
            return "Ready" in log.read_text()

        until("the operator is ready", ready, READY_SECONDS)

    def start_inbox(self) -> None:
        """Start the other end of the webhook: in real life a pager or a chat."""
        self.start("inbox", sys.executable, str(ROOT / "hack/demo/inbox.py"), f"{self.host}:{self.inbox_port}", str(self.folder / "inbox.jsonl"))

    def messages(self) -> list[dict[str, str]]:
        """What the inbox got until now."""
        file = self.folder / "inbox.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def end_programs(self) -> None:
        """End the operator and the inbox."""
        for program in self.programs:
            with suppress(ProcessLookupError):
                os.killpg(program.pid, signal.SIGTERM)
        for program in self.programs:
            with suppress(subprocess.TimeoutExpired):
                program.wait(10)


def box() -> Stage:
    """A box of its own; one that an earlier demo left is ended first."""
    venue.require_box()
    if any(line.startswith(f"{NAME} ") for line in _box("list", capture=True).splitlines()):
        say("the cluster of an earlier demo is still there; it is ended first")
        _box("down", NAME)
    _box("up", NAME, "--expose")
    state = Path(tempfile.gettempdir()).resolve() / "prunella-box" / NAME
    prefix = (str(venue.BOX), "run", NAME, "--")
    where = subprocess.run([*prefix, "sh", "-c", "command -v kubectl"], capture_output=True, text=True, check=True).stdout.strip()
    urls = (f"--prometheus-url=http://{BOX_HOST}:9090", f"--alertmanager-url=http://{BOX_HOST}:9093", f"--token-dir={state / 'tokens'}")
    return Stage("box", state, prefix, BOX_HOST, kubeconfig=state / "host.kubeconfig", kubectl_program=where, extra=urls)


def elsewhere(kind: str) -> Stage:
    """Kind, or the cluster of KUBECONFIG: the operator and the inbox run here, on loopback."""
    folder = Path(tempfile.mkdtemp(prefix="prunella-demo-"))
    stage = Stage(kind, folder, web_port=_free_port(), inbox_port=_free_port(), image=os.environ.get("DEMO_IMAGE") or ELSEWHERE_IMAGE)
    if kind == "kind":
        venue.require_kind()
        stage.kubeconfig = folder / "kubeconfig"
        venue.make_kind(NAME, stage.kubeconfig)
    elif os.environ.get("KUBECONFIG"):
        stage.kubeconfig = Path(os.environ["KUBECONFIG"])
    taken = sorted({one["metadata"]["name"] for one in stage.get("namespaces")["items"]} & NAMESPACES)
    if taken:
        raise GaveUpError(f"{', '.join(taken)} is there already: the demo makes these namespaces itself, and would change what is yours")
    return stage


def down(kind: str) -> None:
    """End the cluster that the demo made."""
    if kind == "box":
        _box("down", NAME)
    elif kind == "kind":
        venue.end_kind(NAME)


def _box(*words: str, capture: bool = False) -> str:
    done = subprocess.run(
        [venue.BOX, *words], env=venue.bare_environment(), capture_output=capture, text=True, check=False, start_new_session=words[0] == "down"
    )
    if done.returncode:
        raise GaveUpError(f"box {' '.join(words)} failed, see above")
    return done.stdout or ""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
