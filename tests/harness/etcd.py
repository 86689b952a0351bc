"""Objects as old as a test needs them: written into the box's etcd as JSON, which the API server reads as well as protobuf.

Nothing else can make an object that was there before we came: `creationTimestamp` is the API server's.
"""

from __future__ import annotations

import base64
import copy
import json
import urllib.request
from datetime import timedelta

from .api import Api, Object
from .instants import parse

ETCD = "http://127.0.0.1:2379"
PLURALS = {
    "Deployment": "deployments",
    "ReplicaSet": "replicasets",
    "Pod": "pods",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "PersistentVolumeClaim": "persistentvolumeclaims",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "Node": "minions",
    "APIService": "apiregistration.k8s.io/apiservices",
}
"""Kind → the folder in which the API server keeps it."""
LASTED = timedelta(minutes=20)
"""Longer than anything must last before it is told."""
LONG_AGO = timedelta(minutes=45)
"""Older than the half hour for which a rollout is taken for the cause of what its pods do."""


def rolled_out_long_ago(api: Api, deployment: str, namespace: str) -> None:
    """Let the rollout of a Deployment that is well have been long ago: what its pods do from now on is not its doing."""
    for one in api.list("ReplicaSet", namespace, f"app={deployment}"):
        age(api, "ReplicaSet", one["metadata"]["name"], namespace, LONG_AGO)


def age(api: Api, kind: str, name: str, namespace: str | None, by: timedelta) -> None:
    """Let an object be older: when it was made, when its conditions last changed, and when it was asked to go."""
    old = older(api.get(kind, name, namespace), by)
    key = "/".join(("/registry", PLURALS[kind], *([namespace] if namespace else []), name))
    body = {"key": _encoded(key), "value": _encoded(json.dumps(old))}
    request = urllib.request.Request(f"{ETCD}/v3/kv/put", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def older(made: Object, by: timedelta) -> Object:
    """The same object with all its own times moved back."""
    old = copy.deepcopy(made)
    old["metadata"].pop("resourceVersion")
    for key in ("creationTimestamp", "deletionTimestamp"):
        if old["metadata"].get(key):
            old["metadata"][key] = _moved(old["metadata"][key], by)
    for one in old.get("status", {}).get("conditions", []):
        for key in ("lastTransitionTime", "lastUpdateTime"):
            if one.get(key):
                one[key] = _moved(one[key], by)
    return old


def _moved(text: str, by: timedelta) -> str:
    return (parse(text) - by).strftime("%Y-%m-%dT%H:%M:%SZ")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
