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
PLURALS = {"Deployment": "deployments", "ReplicaSet": "replicasets", "Pod": "pods"}


def age(api: Api, kind: str, name: str, namespace: str, by: timedelta) -> None:
    """Let an object be older: when it was made, and when its conditions last changed."""
    old = older(api.get(kind, name, namespace), by)
    body = {"key": _encoded(f"/registry/{PLURALS[kind]}/{namespace}/{name}"), "value": _encoded(json.dumps(old))}
    request = urllib.request.Request(f"{ETCD}/v3/kv/put", data=json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=5) as answer:
        assert answer.status == 200


def older(made: Object, by: timedelta) -> Object:
    """The same object with all its own times moved back."""
    old = copy.deepcopy(made)
    old["metadata"].pop("resourceVersion")
    old["metadata"]["creationTimestamp"] = _moved(old["metadata"]["creationTimestamp"], by)
    for one in old.get("status", {}).get("conditions", []):
        for key in ("lastTransitionTime", "lastUpdateTime"):
            if one.get(key):
                one[key] = _moved(one[key], by)
    return old


def _moved(text: str, by: timedelta) -> str:
    return (parse(text) - by).strftime("%Y-%m-%dT%H:%M:%SZ")


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
