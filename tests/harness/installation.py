"""Prunella installed in the box as a user would: manifests by kubectl, the operator with its own account's token and no more.

One installation per box, shared by all test processes: whoever comes first makes it, whoever leaves last ends it. What a box may override of the
policy is listed in `reference/names.md`: mode, receivers and default escalation, and budgets, concurrency, storm, cooldown, knownGoodAfterSeconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from . import processes
from .api import Api, Object, Refused
from .waiting import wait_for

ROOT = Path(__file__).resolve().parents[2]
SYSTEM = "prunella-system"
HOST = "192.0.2.1"
WEB_PORT = 8080
RECEIVER_PORT = 8099
WEB = f"http://{HOST}:{WEB_PORT}"
RECEIVER = f"http://{HOST}:{RECEIVER_PORT}"
PROMETHEUS = f"http://{HOST}:9090"
ALERTMANAGER = f"http://{HOST}:9093"
WEBHOOK_RECEIVERS = ("primary", "secondary", "ops-all", "releases", "flaky")
ONCALL = "oncall"
READY_SECONDS = 60
LEASE_SECONDS = 30
"""Until a lease that nobody renews has run out and somebody has taken it."""
LIMITS: Object = {
    "budgets": {scope: {"count": 10_000, "windowSeconds": 3600} for scope in ("perCluster", "perNamespace", "perTarget")},
    "concurrency": {"perCluster": 1000, "perNamespace": 1000},
    "storm": {"minWorkloads": 100_000, "percent": 100, "namespaces": 100_000, "calmSeconds": 5},
    "cooldownSeconds": 5,
    "knownGoodAfterSeconds": 5,
}
"""All that a box overrides, so that many scenarios can run side by side and none waits for an hour."""
WIDGETS: Object = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "widgets.example.com"},
    "spec": {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"kind": "Widget", "plural": "widgets", "singular": "widget"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}],
    },
}
"""A kind of somebody else's operator."""


def kubectl(*arguments: str, stdin: str | None = None, kubeconfig: Path | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run kubectl as a user would; a failure shows what it said."""
    env = {**os.environ, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False, env=env, cwd=ROOT, timeout=60)
    if check and done.returncode:
        raise AssertionError(f"kubectl {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done


@dataclass
class Installation:
    """The installed operator and everything that it talks to."""

    state: Path
    """The box's folder."""
    operates: bool = True
    """Whether one operator runs for the whole box; without it, each test brings its own."""
    api: Api = field(init=False)
    opt_in: Object = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.api = Api(self.state / "admin.kubeconfig")

    @property
    def folder(self) -> Path:
        """Where the tests keep what they share."""
        return self.state / "tests"

    @property
    def log(self) -> Path:
        """What the operator logs."""
        return self.folder / "operator.log"

    @property
    def inbox(self) -> Path:
        """What the receiver got."""
        return self.folder / "inbox.jsonl"

    @property
    def kubeconfig(self) -> Path:
        """The operator's."""
        return self.folder / "operator.kubeconfig"

    @property
    def token(self) -> str:
        """A bearer token of the webhook, beside the one that the box's Alertmanager has."""
        return (self.folder / "tokens" / "tests").read_text().strip()

    @property
    def monitored(self) -> bool:
        """Whether the box has Prometheus and Alertmanager."""
        return (self.state / "prometheus").exists()

    def user(self, name: str) -> Path:
        """The kubeconfig of a person."""
        return self.state / "users" / f"{name}.kubeconfig"

    @contextlib.contextmanager
    def without_api_server(self) -> Iterator[None]:
        """The API server is killed; afterwards it is back, and the controllers with it, which take their time to look again."""
        self.box("stop", "apiserver")
        try:
            yield
        finally:
            self.box("start", "apiserver")
        probe: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"probe-{secrets.token_hex(3)}"}}

        def back() -> bool:
            # Each new namespace gets an account from a controller.
            try:
                self.api.apply(probe)
                return self.api.find("ServiceAccount", "default", probe["metadata"]["name"]) is not None
            except (OSError, Refused):
                return False

        wait_for(back, 90, "the API server and its controllers are back", interval=0.5)
        self.api.delete("Namespace", probe["metadata"]["name"])

    def box(self, *arguments: str) -> None:
        """Do something to the box, such as `box("stop", "prometheus")`: the verb first, its argument after the box's name."""
        verb, *rest = arguments
        subprocess.run([str(ROOT / "hack/cluster/box"), verb, self.state.name, *rest], check=True, capture_output=True, text=True, timeout=60)

    # --- what is shared between test processes ---

    @contextlib.contextmanager
    def locked(self) -> Iterator[Object]:
        """The shared state, with nobody else at it; changes are kept."""
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "state.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = self.folder / "state.json"
            shared: Object = json.loads(file.read_text()) if file.exists() else {}
            try:
                yield shared
            finally:
                file.write_text(json.dumps(shared))

    def enter(self) -> None:
        """Make the installation, or join it."""
        with self.locked() as shared:
            users = [pid for pid in shared.get("users", []) if processes.alive(pid)]
            if not users:
                self._end(shared)
                self._install()
                shared["receiver"] = self._start_receiver()
                if self.operates:
                    shared["operator"] = self.start_process()
            shared["users"] = [*users, os.getpid()]
        self.opt_in = yaml.safe_load(kubectl("kustomize", "manifests/opt-in").stdout)

    def leave(self) -> None:
        """Leave it; the last one ends it."""
        with self.locked() as shared:
            shared["users"] = [pid for pid in shared.get("users", []) if pid != os.getpid() and processes.alive(pid)]
            if not shared["users"]:
                self._end(shared)

    def _end(self, shared: Object) -> None:
        for name in ("operator", "receiver"):
            pid = shared.pop(name, 0)
            if pid:
                processes.stop(pid)

    # --- the operator ---

    def _install(self) -> None:
        kubectl("apply", "--server-side", "-k", "crds")
        kubectl("wait", "--for=condition=Established", "crd", "-l", "app.kubernetes.io/part-of=prunella", "--timeout=30s")
        kubectl("apply", "-k", "manifests/default")
        self.api.apply(WIDGETS)
        kubectl("wait", "--for=condition=Established", "crd", "widgets.example.com", "--timeout=30s")
        self._write_tokens()
        self._make_receivers()
        self._make_people()
        self.set_policy(mode="Auto", **LIMITS)
        self.write_kubeconfig(self.kubeconfig)

    def write_kubeconfig(self, file: Path) -> str:
        """Write one with a new token of the operator's account; returns the token."""
        token = kubectl("create", "token", "prunella", "-n", SYSTEM, "--duration=24h").stdout.strip()
        admin = yaml.safe_load((self.state / "admin.kubeconfig").read_text())
        admin["users"] = [{"name": admin["users"][0]["name"], "user": {"token": token}}]
        file.write_text(json.dumps(admin))
        file.chmod(0o600)
        return token

    def _make_receivers(self) -> None:
        data = {name: f"{RECEIVER}/{name}" for name in WEBHOOK_RECEIVERS} | {f"{name}-hmac": f"key of {name}" for name in WEBHOOK_RECEIVERS}
        data |= {"pager": "R0UTINGKEYR0UTINGKEYR0UTINGKEY00", "pager-url": f"{RECEIVER}/v2/enqueue"}
        metadata: Object = {"name": "prunella-receivers", "namespace": SYSTEM}
        metadata["annotations"] = {"prunella.dev/allowed-hosts": f"{HOST}:{RECEIVER_PORT}"}
        self.api.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ONCALL}})
        self.api.apply(escalation_policy("everybody", ONCALL))

    def _make_people(self) -> None:
        """Ana responds everywhere, Ben may look and respond, Zoe may look only."""
        for user, role in (("ana", "prunella-respond"), ("ana", "view"), ("ben", "prunella-respond"), ("ben", "view"), ("zoe", "view")):
            ref = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
            subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}]
            metadata = {"name": f"{user}-{role}"}
            binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": metadata}
            self.api.apply({**binding, "roleRef": ref, "subjects": subjects})

    def set_policy(self, **spec: Any) -> None:
        """Change the HealingPolicy: receivers and default escalation as a user would set them, beside what is given."""
        webhooks: list[Object] = [{"name": name, "methods": [{"name": "http", "webhook": {"key": name}}]} for name in WEBHOOK_RECEIVERS]
        pager: Object = {"name": "pager", "methods": [{"name": "pd", "pagerduty": {"key": "pager"}}]}
        fallback: Object = {
            "name": "two-ways",
            "methods": [{"name": "first", "webhook": {"key": "flaky"}}, {"name": "second", "webhook": {"key": "secondary"}}],
        }
        default = {"namespace": ONCALL, "name": "everybody"}
        wanted = {"receivers": [*webhooks, pager, fallback], "defaultEscalationPolicyRef": default, **spec}
        self.api.patch("HealingPolicy", "default", {"spec": wanted})

    def _write_tokens(self) -> None:
        folder = self.folder / "tokens"
        folder.mkdir(exist_ok=True)
        (folder / "tests").write_text(secrets.token_urlsafe(32))
        alertmanager = self.state / "tokens" / "alertmanager"
        if alertmanager.exists():
            (folder / "alertmanager").write_text(alertmanager.read_text())

    def forget_policy(self) -> None:
        """Put the HealingPolicy back as it is shipped, for whoever uses the cluster next."""
        overridden = dict.fromkeys([*LIMITS, "receivers", "defaultEscalationPolicyRef"])
        self.api.patch("HealingPolicy", "default", {"spec": {"mode": "Suggest", **overridden}})

    def flags(self, port: int, kubeconfig: Path) -> list[str]:
        """Of `prunella run`."""
        flags = {"--kubeconfig": str(kubeconfig), "--listen": f"{HOST}:{port}", "--token-dir": str(self.folder / "tokens")}
        if self.monitored:
            flags |= {"--prometheus-url": PROMETHEUS, "--alertmanager-url": ALERTMANAGER}
        return [word for pair in flags.items() for word in pair]

    @property
    def environment(self) -> dict[str, str]:
        """Of an operator process: none of the caller's own settings may reach it."""
        return {"KUBECONFIG": "/nonexistent", "PYTHONPATH": f"{ROOT / 'operator'}:{ROOT}", "PYTHONUNBUFFERED": "1"}

    def start_process(self, port: int = WEB_PORT, *, leads: bool = True) -> int:
        """Start an operator process and wait until it is ready, and leads where it is the only one; returns its pid."""
        argv = [sys.executable, "-m", "prunella.cli.main", "run", *self.flags(port, self.kubeconfig)]
        pid = processes.start(argv, self.log, self.environment)

        def ready() -> bool:
            if not processes.alive(pid):
                raise AssertionError(f"the operator ended by itself:\n{processes.tail(self.log)}")
            return status_of(f"http://{HOST}:{port}/readyz") == 200

        wait_for(ready, READY_SECONDS, "the operator is ready", seen=lambda: processes.tail(self.log, 8))
        if leads:
            # One that was killed may still have the lease.
            wait_for(lambda: leading(port), LEASE_SECONDS, "the operator leads", seen=lambda: processes.tail(self.log, 8))
        return pid

    def stop_operator(self, number: signal.Signals = signal.SIGTERM) -> None:
        """End the operator's process; only for tests that have the box to themselves."""
        with self.locked() as shared:
            processes.stop(shared.pop("operator", 0), number)

    def start_operator(self) -> None:
        """Start it again."""
        with self.locked() as shared:
            shared["operator"] = self.start_process()

    def _start_receiver(self) -> int:
        self.inbox.unlink(missing_ok=True)
        argv = [sys.executable, "-m", "tests.harness.receiver", str(RECEIVER_PORT), str(self.inbox)]
        pid = processes.start(argv, self.folder / "receiver.log", {"PYTHONPATH": str(ROOT)})
        wait_for(lambda: status_of(f"{RECEIVER}/") == 200, 10, "the receiver answers", seen=lambda: processes.tail(self.folder / "receiver.log"))
        return pid


def leading(port: int = WEB_PORT, host: str = HOST) -> bool:
    """Whether the process behind that port says that it is the leader."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}/metrics", timeout=3) as answer:
            return b"\nprunella_leader 1.0\n" in answer.read()
    except OSError:
        return False


def status_of(url: str) -> int:
    """The status of a GET; 0 where nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def escalation_policy(name: str, namespace: str, **spec: Any) -> Object:
    """A policy whose first page is due after a minute, as that of `examples.md`."""
    body: Object = {
        "steps": [{"name": "primary", "afterSeconds": 60, "waitWhileRemediatingSeconds": 300, "notify": [{"contactRef": {"name": "primary"}}]}],
        "repeat": {"count": 0, "intervalSeconds": 60},
        "catchAll": [{"channelRef": {"name": "ops-all"}}],
        "notices": [{"about": ["AutomaticAction", "Blocked"], "notify": [{"channelRef": {"name": "releases"}}]}],
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "prunella.dev/v1alpha1", "kind": "EscalationPolicy", "metadata": metadata, "spec": body | spec}
