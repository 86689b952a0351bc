"""KWOK beside the real kubelets: two nodes that exist in the API only, for thousands of pods that cost next to nothing.

Real pods never land there (a taint), and fake ones only there (they select the label `type: kwok` and tolerate the taint).
"""

from __future__ import annotations

from http import HTTPStatus

import components
from api import Api
from build import Programs
from layout import SOURCE, Box
from progress import BoxError

NAME = "kwok"
NODES = ("kwok-1", "kwok-2")


def record(box: Box, programs: Programs) -> None:
    """Write down how kwok is started; given stages of our own it has no others."""
    argv = [
        str(programs.built / "kwok"),
        f"--kubeconfig={box.kubeconfig('box-kwok')}",
        f"--config={SOURCE / 'kwok-stages.yaml'}",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        "--node-lease-duration-seconds=8",
    ]
    components.record(box, NAME, argv)


def make_nodes(api: Api) -> None:
    """Create the two fake nodes."""
    for name in NODES:
        node = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {"kwok.x-k8s.io/node": "fake"},
                "labels": {"type": "kwok", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64"},
            },
            "spec": {"taints": [{"key": "kwok", "value": "fake", "effect": "NoSchedule"}]},
        }
        status, body = api.request("POST", "/api/v1/nodes", node)
        if status != HTTPStatus.CREATED:
            raise BoxError(f"node {name} could not be created: {status} {body.decode(errors='replace')}")
