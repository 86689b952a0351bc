"""Whether the cluster is whole: each real node starts what the controllers make. Whoever has broken a part of it waits for that.

A kubelet that could not reach the API server looks again after a pause that has grown to as much as a minute, and its node is Ready meanwhile.
"""

from __future__ import annotations

import secrets

from . import workloads
from .api import Api, Object
from .waiting import wait_for

PLACE = "default"
FAKE = "kwok.x-k8s.io/node"
"""The annotation of a Node that exists in the API alone."""
SECONDS = 150


def real_nodes(api: Api) -> list[Object]:
    """The Nodes that a kubelet serves."""
    return [one for one in api.list("Node") if FAKE not in one["metadata"].get("annotations", {})]


def every_node_serves(api: Api) -> None:
    """Wait until a Deployment with a pod for each real node runs on every one of them."""
    name = f"whole-{secrets.token_hex(3)}"
    nodes = real_nodes(api)
    apart = [{"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": name}}}]
    made = workloads.deployment(name, PLACE, replicas=len(nodes))
    api.apply(workloads.with_pod_spec(made, affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": apart}}))

    def seen() -> str:
        pods = [one for one in api.list("Pod", PLACE) if one["metadata"].get("labels", {}).get("app") == name]
        return "; ".join(f"{one['metadata']['name']} on {one['spec'].get('nodeName')} {one['status'].get('phase')}" for one in pods)

    def serving() -> bool:
        return bool(api.get("Deployment", name, PLACE)["status"].get("readyReplicas") == len(nodes))

    wait_for(serving, SECONDS, f"each of {len(nodes)} nodes serves", seen=seen)
    api.delete("Deployment", name, PLACE)
