"""One attack's own ground: a namespace with pods of a kubelet that pretends, an operator that sees nothing else, and the fault proxy in front of it.

The operator has a namespace of its own as well (`--namespace`), so that many can run beside each other: each has its Runbook, its receivers, its
heartbeat and its Lease. Its account is the one that the installation made, with the rights that it has in `prunella-system`, there.
"""

from __future__ import annotations

import copy
import json
import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from tests.harness import workloads
from tests.harness.api import Object, path_of
from tests.harness.arena import Arena
from tests.harness.audit import Write
from tests.harness.installation import HOST, RECEIVER, RECEIVER_PORT, ROOT, Installation, escalation_policy
from tests.harness.waiting import wait_for

from .exchange import Exchange
from .kubelet import GOOD, NODE, Kubelet
from .nursery import Nursery
from .proxy import Loop, Proxy
from .supervisor import Supervisor

DWELL_SECONDS = 2
KNOWN_GOOD_SECONDS = 1
"""What the HealingPolicy says here."""
RUNBOOK: Object = {
    "title": "Roll back, and prove it quickly",
    "match": {"causes": ["RolloutCrashLoop"], "dwellSeconds": DWELL_SECONDS, "minRestarts": 1},
    "mode": "Auto",
    "steps": [{"name": "rollback", "rollBack": {"to": "KnownGood"}}],
    "verify": {
        "stabilizeSeconds": 1,
        "intervalSeconds": 1,
        "successes": 2,
        "timeoutSeconds": 60,
        "checks": [{"name": "healthy", "workloadHealthy": {}}],
    },
}
FIRST_PAGE_SECONDS = 2
SECOND_PAGE_SECONDS = 3
RECEIVERS = ("primary", "secondary", "ops-all", "releases")


@dataclass(frozen=True, slots=True)
class Stage:
    """What all attacks of a test process share."""

    installation: Installation
    loop: Loop
    nursery: Nursery


class Ground(Arena):
    """Where one attack happens. Close it."""

    def __init__(self, stage: Stage, name: str, *, without: str = "") -> None:
        installation = stage.installation
        super().__init__(installation, name)
        self.system = f"{self.namespace}-sys"
        self._make_home()
        self.witness.watch("StatefulSet")
        self.kubelet = Kubelet(self.api, self.namespace, self.witness)
        self.kubelet.start()
        token = json.loads(installation.kubeconfig.read_text())
        server = token["clusters"][0]["cluster"]
        self.proxy = Proxy(stage.loop, server["server"], ssl.create_default_context(cafile=server["certificate-authority"]))
        folder = installation.folder / "faults"
        folder.mkdir(exist_ok=True)
        token["clusters"][0]["cluster"] = {"server": self.proxy.url}
        kubeconfig = folder / f"{self.namespace}.kubeconfig"
        kubeconfig.write_text(json.dumps(token))
        kubeconfig.chmod(0o600)
        self.port = _free_port()
        self.words = folder / f"{self.namespace}.log"
        """What the operator logs."""
        self._nursery = stage.nursery
        self.supervisor = Supervisor(stage.nursery, self._flags(kubeconfig, self.port), self.port, self.words, without)

    def replica(self) -> Supervisor:
        """Another replica of the operator, with a way to the API server that nobody breaks. Whoever asks for it closes it.

        Its token is its own: by that the audit log tells the two apart.
        """
        port = _free_port()
        kubeconfig = self.words.with_suffix(".other.kubeconfig")
        self.installation.write_kubeconfig(kubeconfig)
        return Supervisor(self._nursery, self._flags(kubeconfig, port), port, self.words.with_suffix(".other.log"))

    def acts(self, since: datetime | None = None) -> list[tuple[str, Write]]:
        """What only a leader may write, with the token by which its process is known: everything but Incidents, on which both keep alerts."""
        return [(one.credential, one) for one in self.writes(since) if not one.event and one.resource != "incidents"]

    def _flags(self, kubeconfig: Path, port: int) -> list[str]:
        flags = {
            "--kubeconfig": str(kubeconfig),
            "--namespace": self.system,
            "--watch-namespaces": self.namespace,
            "--listen": f"127.0.0.1:{port}",
            "--token-dir": str(self.installation.folder / "tokens"),
        }
        return [word for pair in flags.items() for word in pair]

    def _make_home(self) -> None:
        """The operator's own namespace, with what it has in `prunella-system`."""
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.system}})
        for one in yaml.safe_load_all((ROOT / "manifests/default/rbac/own-objects.yaml").read_text()):
            made = copy.deepcopy(one)
            made["metadata"]["namespace"] = self.system
            self.api.apply(made)
        data = {name: f"{RECEIVER}/{name}" for name in RECEIVERS} | {f"{name}-hmac": f"key of {name}" for name in RECEIVERS}
        metadata: Object = {"name": "prunella-receivers", "namespace": self.system}
        metadata["annotations"] = {"prunella.dev/allowed-hosts": f"{HOST}:{RECEIVER_PORT}"}
        self.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
        runbook = {"apiVersion": "prunella.dev/v1alpha1", "kind": "Runbook", "metadata": {"name": "roll-back", "namespace": self.system}}
        self.api.apply({**runbook, "spec": RUNBOOK})
        self.ladder(SECOND_PAGE_SECONDS)

    def ladder(self, second_after_seconds: int, wait_while_remediating_seconds: int = 300) -> None:
        """Who is paged: primary, then secondary; the catch-all only after the longest story."""
        first: Object = {"name": "first", "afterSeconds": FIRST_PAGE_SECONDS, "waitWhileRemediatingSeconds": wait_while_remediating_seconds}
        steps = [
            {**first, "notify": [{"contactRef": {"name": "primary"}}]},
            {"name": "second", "afterSeconds": second_after_seconds, "notify": [{"contactRef": {"name": "secondary"}}]},
        ]
        self.team(escalation_policy("sre", self.namespace, steps=steps, repeat={"count": 0, "intervalSeconds": 3600}))

    def close(self) -> None:
        self.supervisor.close()
        self.proxy.close()
        self.kubelet.stop()
        super().close()
        self._end_pods()
        self.api.delete("Namespace", self.system)

    def _end_pods(self) -> None:
        """Nobody else does: with pods that no kubelet ends the namespace would stay, and be a fault that operators of other grounds wait for."""
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 0}
        self.api.request("DELETE", path_of("Pod", self.namespace), body)

    def workload(self, kind: str, name: str, image: str = GOOD, *, replicas: int = 2, version: str = "1") -> Object:
        """A workload of pods that the pretending kubelet serves."""
        app = {"name": "app", "image": image, "env": [{"name": "VERSION", "value": version}]}
        pod = workloads.template(name, app, nodeName=NODE)
        return workloads.workload(kind, name, self.namespace, pod, replicas=replicas)

    def put(self, made: Object) -> None:
        """Apply it as its owner does."""
        self.api.apply(made, manager="owner")

    def pages(self, *receivers: str) -> list[Any]:
        """The pages that were taken, oldest first."""
        return [one for one in self.inbox.posts(*receivers) if one.body["data"]["customData"]["kind"] == "Page"]

    def next_about(self, first: Exchange, *, seconds: float = 30) -> Exchange:
        """The request about the same object that came after this one."""

        def later() -> list[Exchange]:
            return [
                one for one in list(self.proxy.log)[first.number + 1 :] if (one.resource, one.name) == (first.resource, first.name) and not one.dry
            ]

        return wait_for(later, seconds, f"{first.resource} {first.name} is asked for again", seen=self.story)[0]

    def story(self) -> str:
        """What happened, for whoever reads a failure."""
        log = [one.line for one in self.proxy.log if one.writes or one.fate]
        words = self.words.read_text(errors="replace").splitlines()[-25:] if self.words.exists() else []
        return "\n".join(["requests:", *log, "audit:", *(one.line for one in self.writes()), "operator:", *words])


def _free_port() -> int:
    """A port that nobody listens on, from the OS."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
