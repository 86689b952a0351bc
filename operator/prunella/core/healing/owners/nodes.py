"""What keeps automation away from a Node: it carries the control plane, or something else mends nodes here.

The rule this module protects: a node belongs to everybody who runs on it. Who else mends it is known by plain marks, and two menders of one node are
one too many.
"""

from __future__ import annotations

from typing import Final

from prunella.core.things.node import Node

CONTROL_PLANE: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")
"""Labels, whatever their value."""
KARPENTER: Final = ("karpenter.sh/nodepool", "karpenter.sh/provisioner-name")
"""Labels: their value names the pool."""
MACHINES: Final = {"cluster.x-k8s.io/machine": "Cluster API", "machine.openshift.io/machine": "the Machine API"}
"""Annotations: their value names the machine."""


def control_plane(node: Node) -> bool:
    """Whether the control plane runs on it."""
    return any(label in node.labels for label in CONTROL_PLANE)


def mender(node: Node) -> str:
    """Who else mends the node, in words; empty where nobody is known to."""
    pool = next((node.labels[label] for label in KARPENTER if label in node.labels), None)
    if pool is not None:
        return f"Karpenter (node pool {pool})"
    found = next(((by, node.annotations[mark]) for mark, by in MACHINES.items() if mark in node.annotations), None)
    return f"{found[0]} (machine {found[1]})" if found is not None else ""
