"""What a pod template asks of the cluster before a container is even made: an account, nodes, privileges."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """Of one revision. What is only compared with another revision's stands as a digest, empty where the template says nothing of it."""

    account: str = ""
    """Name of its service account."""
    node_selector: tuple[tuple[str, str], ...] = ()
    """The labels that a node must have, in the order of their keys; part of `selection` as well."""
    selection: str = ""
    """Which nodes it may run on, and beside which pods: what of nodeSelector, affinity and topologySpreadConstraints must hold."""
    tolerations: str = ""
    privileges: str = ""
    """What Pod Security looks at: security contexts of the pod and of each container, the node's namespaces, ports and folders."""


NONE = Demands()
