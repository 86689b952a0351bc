"""When a component counts as ready: it does what others need it for, not merely that its process runs."""

from __future__ import annotations

from collections.abc import Callable

import controlplane
import kwok
import monitoring
import node as nodes
import registry
from api import Api, answers
from layout import ALERTMANAGER_PORT, NODES, PROMETHEUS_PORT, REGISTRY_PORT, Box, Node


def probes(box: Box) -> dict[str, Callable[[], bool]]:
    """Return the question to ask of each component that can be asked."""
    api = Api(box, "box-init")
    found: dict[str, Callable[[], bool]] = {
        controlplane.APISERVER: lambda: api.answers("/readyz"),
        registry.NAME: lambda: answers(REGISTRY_PORT, "/v2/"),
        monitoring.PROMETHEUS: lambda: answers(PROMETHEUS_PORT, "/-/ready"),
        monitoring.ALERTMANAGER: lambda: answers(ALERTMANAGER_PORT, "/-/ready"),
        kwok.NAME: lambda: all(usable(api, name) for name in kwok.NODES),
    }
    for node in NODES:
        containerd, kubelet, _ = nodes.daemons(node)
        found[containerd] = _containerd_of(node)
        found[kubelet] = _kubelet_of(api, node)
    return found


def _containerd_of(node: Node) -> Callable[[], bool]:
    return lambda: nodes.containerd_answers(node)


def _kubelet_of(api: Api, node: Node) -> Callable[[], bool]:
    return lambda: usable(api, node.name)


def usable(api: Api, name: str) -> bool:
    """Tell whether a node is Ready and the taints of its birth are gone."""
    found = api.get(f"/api/v1/nodes/{name}")
    if not found:
        return False
    conditions = {item["type"]: item["status"] for item in found.get("status", {}).get("conditions", [])}
    taints = [taint["key"] for taint in found["spec"].get("taints", [])]
    return conditions.get("Ready") == "True" and not any(key.startswith("node.kubernetes.io/") for key in taints)


def pods_can_be_created(api: Api) -> bool:
    """Tell whether the default ServiceAccount is there, which every pod needs."""
    return api.answers("/api/v1/namespaces/default/serviceaccounts/default")
