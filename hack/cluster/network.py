"""The network of a box: a bridge, and one network namespace per node on a cable of its own.

There is no route out: nothing that runs in a box can reach the machine's network. A node's cable can be pulled (`ip link set v2 down`), which is a
real partition.
"""

from __future__ import annotations

import subprocess

from layout import HOST, NODES, SERVICE_CIDR, Node
from progress import run

BRIDGE = "br0"
# Redirects would teach the nodes to bypass the box, and a pulled cable would no longer part them.
SYSCTLS = {"ip_forward": "1", "conf/all/send_redirects": "0", "conf/default/send_redirects": "0"}


def _sysctls(prefix: str = "") -> None:
    for key, value in SYSCTLS.items():
        subprocess.run([*prefix.split(), "tee", f"/proc/sys/net/ipv4/{key}"], input=value, capture_output=True, text=True, check=True)


def _node(node: Node) -> None:
    inside = f"ip netns exec {node.netns}"
    run(f"ip netns add {node.netns}")
    run(f"ip link add {node.link} type veth peer name eth0 netns {node.netns}")
    run(f"ip link set {node.link} master {BRIDGE} up")
    _sysctls(inside)
    run(f"{inside} ip link set lo up")
    run(f"{inside} ip address add {node.address}/24 dev eth0")
    run(f"{inside} ip link set eth0 up")
    run(f"{inside} ip route add default via {HOST}")
    for other in NODES:
        if other != node:
            run(f"{inside} ip route add {other.pod_cidr} via {other.address}")
    for chain in ("FORWARD", "OUTPUT"):
        # What kube-proxy has not translated is a Service that does not exist: say so at once, instead of letting it wander until it times out.
        stray = f"{inside} iptables -w -A {chain} -d {SERVICE_CIDR}"
        run(f"{stray} -p tcp -j REJECT --reject-with tcp-reset")
        run(f"{stray} -j REJECT")
    run(f"ip route add {node.pod_cidr} via {node.address}")


def lay() -> None:
    """Lay the whole network of a box, from inside it."""
    run("ip link set lo up")
    _sysctls()
    run(f"ip link add {BRIDGE} type bridge")
    run(f"ip address add {HOST}/24 dev {BRIDGE}")
    run(f"ip link set {BRIDGE} up")
    for node in NODES:
        _node(node)
    # The box reaches Services through a node's kube-proxy.
    run(f"ip route add {SERVICE_CIDR} via {NODES[0].address}")


def set_link(node: Node, state: str) -> None:
    """Pull a node's cable (`down`) or plug it in again (`up`)."""
    run(f"ip link set {node.link} {state}")
