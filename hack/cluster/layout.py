"""Where everything of a box is: its addresses, which never change, and its folder on the host.

Every box has namespaces of its own, so all boxes share these addresses; only the folder and the cgroups carry the name.
192.0.2.0/24 is reserved for documentation: nothing real can be hidden by it.
"""

from __future__ import annotations

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
        """Its name in the cluster."""
        return f"node-{self.number}"

    @property
    def address(self) -> str:
        """Its address on the box's bridge."""
        return f"192.0.2.{10 + self.number}"

    @property
    def pod_cidr(self) -> str:
        """Where its pods' addresses are from."""
        return f"10.200.{self.number}.0/24"

    @property
    def netns(self) -> str:
        """Its network namespace, a name for `ip netns`."""
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
        """Where its containerd listens."""
        return self.run / "containerd.sock"


NODES = (Node(1), Node(2))


# The kernel allows a socket's path 107 characters, and the longest one below is `/node-1/kubelet/pod-resources/kubelet.sock`.
LONGEST_STATE = 107 - 42

# A box puts memory over these, so nothing that host and box share can lie below them.
HIDDEN_IN_A_BOX = ("/run", "/var/log", "/var/lib")


def root() -> Path:
    """Return the folder that holds the folder of every box."""
    temporary = Path(tempfile.gettempdir()).resolve()
    if any(temporary.is_relative_to(folder) for folder in HIDDEN_IN_A_BOX):
        raise BoxError(f"TMPDIR is {temporary}: a box can't be below {', '.join(HIDDEN_IN_A_BOX)}")
    return temporary / "prunella-box"


@dataclass(frozen=True, slots=True)
class Box:
    """One box: everything that it owns on the host is below `state` or named after it."""

    state: Path

    @classmethod
    def named(cls, name: str) -> Box:
        """Return the box of that name, which may or may not be up."""
        if not NAME.fullmatch(name):
            raise BoxError(f"'{name}' is no name for a box: up to 20 lower-case letters, digits and dashes")
        box = cls(root() / name)
        if len(str(box.state)) > LONGEST_STATE:
            raise BoxError(f"{box.state} has more than {LONGEST_STATE} characters, too many for the sockets below it: set TMPDIR to a shorter folder")
        return box

    @property
    def name(self) -> str:
        """What people call it."""
        return self.state.name

    @property
    def logs(self) -> Path:
        """One file per component, and `init.log`."""
        return self.state / "logs"

    @property
    def pki(self) -> Path:
        """All keys and certificates."""
        return self.state / "pki"

    @property
    def admin_kubeconfig(self) -> Path:
        """The one of a member of system:masters."""
        return self.state / "admin.kubeconfig"

    @property
    def programs(self) -> Path:
        """Says which build the box was started with."""
        return self.state / "programs"

    @property
    def ready(self) -> Path:
        """Written by the box's init once everything answers."""
        return self.state / "ready"

    def kubeconfig(self, component: str) -> Path:
        """Return the one that a component is started with."""
        return self.state / "kubeconfigs" / f"{component}.kubeconfig"

    def node_folder(self, node: Node) -> Path:
        """Return where a node keeps everything but its sockets."""
        return self.state / node.name

    def cgroup(self, node: Node) -> str:
        """Return the name of a node's cgroup in every hierarchy."""
        return f"prunella-{self.name}-{node.number}"

    def environment(self, path: str) -> dict[str, str]:
        """What everything inside the box is given on top of its caller's environment."""
        return {
            "BOX_DIR": str(self.state),
            "KUBECONFIG": str(self.admin_kubeconfig),
            # All boxes have one address: in a common cache kubectl would see the resources of another box, or of one long gone.
            "KUBECACHEDIR": str(self.state / "kubectl-cache"),
            "PATH": path,
        }
