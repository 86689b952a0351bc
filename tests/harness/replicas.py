"""Several operator processes on one cluster, each with a token of its own, so that the audit log tells them apart."""

from __future__ import annotations

import base64
import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from . import processes, prometheus
from .api import Object
from .audit import AuditLog, Write
from .installation import HOST, READY_SECONDS, SYSTEM, WEB_PORT, Installation, leading, status_of
from .waiting import wait_for

RUN = ("prunella.cli.main", "run")
EVERYBODY_LEADS = ("tests.harness.everybody_leads",)
"""The twin: the same operator, composed without an election."""


class Replica:
    """One process. `program` is what Python runs."""

    def __init__(self, installation: Installation, name: str, port: int, program: tuple[str, ...] = RUN) -> None:
        self.installation = installation
        self.name = name
        self.port = port
        kubeconfig = installation.folder / f"{name}.kubeconfig"
        token = installation.write_kubeconfig(kubeconfig)
        payload = token.split(".")[1]
        self.credential = f"JTI={json.loads(base64.urlsafe_b64decode(payload + '=' * (-len(payload) % 4)))['jti']}"
        self.log = installation.folder / f"{name}.log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, *installation.flags(port, kubeconfig)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env=installation.environment,
            )
        wait_for(self._ready, READY_SECONDS, f"{name} is ready", seen=self.last_words)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.last_words()
        return status_of(f"http://{HOST}:{self.port}/readyz") == 200

    def last_words(self) -> str:
        return processes.tail(self.log, 12)

    @property
    def leads(self) -> bool:
        return leading(self.port)

    @property
    def delivered(self) -> float:
        """How many messages to people it has sent."""
        found = prometheus.metrics("prunella_notifications_total", port=self.port)
        return sum(value for labels, value in found.items() if 'outcome="Delivered"' in labels)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> bool:
        return self.process.poll() is not None

    def post(self, body: Object) -> int:
        """An Alertmanager's delivery; 0 where nobody answers."""
        try:
            return prometheus.webhook(body, self.installation.token, port=self.port)
        except OSError:
            return 0

    def close(self) -> None:
        """End it in order, so that whoever comes next has no lease to wait for."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


class Replicas:
    """Two of them, instead of the installation's own operator."""

    def __init__(self, installation: Installation, program: tuple[str, ...] = RUN) -> None:
        self.installation = installation
        self._program = program
        self.all: list[Replica] = []
        self._log = AuditLog(Path(installation.state) / "audit.log")

    def start(self) -> Replica:
        """One more. Ports are used in turn, so that a process that is started again finds its own free."""
        used = {one.port for one in self.all if not one.ended()}
        port = next(port for port in (WEB_PORT, WEB_PORT + 1, WEB_PORT + 2) if port not in used)
        made = Replica(self.installation, f"replica-{len(self.all)}", port, self._program)
        self.all.append(made)
        return made

    def pair(self) -> tuple[Replica, Replica]:
        """A leader and a standby."""
        first = self.start()
        wait_for(lambda: first.leads, 30, "the first one leads", seen=first.last_words)
        second = self.start()
        assert not second.leads
        return first, second

    def lease(self) -> Object:
        """The spec of the Lease."""
        spec: Object = self.installation.api.get("Lease", "prunella-leader", SYSTEM)["spec"]
        return spec

    def writes(self, namespace: str, since: datetime | None = None) -> list[Write]:
        """Of all processes, oldest first."""
        return self._log.writes(namespace, since=since)

    def acts(self, namespace: str, since: datetime | None = None) -> list[tuple[str, Write]]:
        """What only a leader may write, with the name of the process: everything but the Incidents' creation and the alerts kept on them."""
        names = {one.credential: one.name for one in self.all}
        kept = [one for one in self.writes(namespace, since) if not one.event and one.resource != "incidents"]
        return [(names.get(one.credential, one.credential), one) for one in kept]

    def close(self) -> None:
        for one in self.all:
            one.close()


@contextlib.contextmanager
def instead_of_the_one(installation: Installation, program: tuple[str, ...] = RUN) -> Iterator[Replicas]:
    """While this lasts, the box's own operator is down."""
    installation.stop_operator()
    made = Replicas(installation, program)
    try:
        yield made
    finally:
        made.close()
        installation.start_operator()


def one_actor_at_a_time(acts: list[tuple[str, Write]]) -> list[str]:
    """What contradicts it: a write of a process after one of its successor."""
    found: list[str] = []
    seen: list[str] = []
    for name, write in acts:
        if name in seen[:-1]:
            found.append(f"{name} wrote after {seen[-1]} had begun: {write.line}")
        if name not in seen:
            seen.append(name)
    return found
