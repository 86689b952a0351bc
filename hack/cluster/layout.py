"""Where everything of a box is: its addresses, which never change, and its folder on the host.

Every box has namespaces of its own, so all boxes share these addresses; only the folder and the cgroups carry the name.
192.0.2.0/24 is reserved for documentation: nothing real can be hidden by it.
"""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from progress import BoxError

HOST = "192.0.2.1"
API_PORT = 6443
API_URL = f"https://{HOST}:{API_PORT}"
ETCD_URL = "http://127.0.0.1:2379"
PROMETHEUS_PORT = 9090
ALERTMANAGER_PORT = 9093
REGISTRY_PORT = 5000
CLOSED_PORT = 5999  # nothing listens here: a registry that refuses connections
WEBHOOK_URL = f"http://{HOST}:8080/api/v1/alertmanager"
SERVICE_CIDR = "10.96.0.0/16"
POD_CIDR = "10.200.0.0/16"
DNS_ADDRESS = "10.96.0.10"

SOURCE = Path(__file__).resolve().parent
NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,18}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Node:
    """A worker: its name, and its addresses by its number."""

    number: int

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        return f"192.0.2.{10 + self.number}"

    @property
    def pod_cidr(self) -> str:
        return f"10.200.{self.number}.0/24"

    @property
    def netns(self) -> str:
        return f"n{self.number}"

    @property
    def link(self) -> str:
        """The box's end of the node's cable: setting it down is a partition."""
        return f"v{self.number}"

    @property
    def run(self) -> Path:
        """Sockets: on the box's own /run, where paths are short enough for them."""
        return Path(f"/run/{self.name}")

    @property
    def socket(self) -> Path:
        return self.run / "containerd.sock"


NODES = (Node(1), Node(2))


def root() -> Path:
    """Return the folder that holds the folder of every box."""
    return Path(tempfile.gettempdir()).resolve() / "prunella-box"


@dataclass(frozen=True, slots=True)
class Box:
    """One box: everything that it owns on the host is below `state` or named after it."""

    state: Path

    @classmethod
    def named(cls, name: str) -> Box:
        if not NAME.fullmatch(name):
            raise BoxError(f"'{name}' is no name for a box: up to 20 lower-case letters, digits and dashes")
        return cls(root() / name)

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def logs(self) -> Path:
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.state / "admin.kubeconfig"

    @property
    def ready(self) -> Path:
        """Written by the box's init once everything answers."""
        return self.state / "ready"

    def kubeconfig(self, component: str) -> Path:
        return self.state / "kubeconfigs" / f"{component}.kubeconfig"

    def node_folder(self, node: Node) -> Path:
        return self.state / node.name

    def cgroup(self, node: Node) -> str:
        return f"prunella-{self.name}-{node.number}"

    def environment(self, binaries: Path) -> dict[str, str]:
        """What a command inside the box is given on top of the caller's environment."""
        path = os.environ.get("PATH", "")
        return {
            "BOX_DIR": str(self.state),
            "KUBECONFIG": str(self.admin_kubeconfig),
            "PATH": f"{binaries}:{path}:/usr/sbin:/sbin",
        }
