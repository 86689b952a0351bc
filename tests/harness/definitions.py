"""Kinds of other people's controllers, as small as they can be: what their controllers would do or say is up to the scenario."""

from __future__ import annotations

from .api import KINDS, Api, Object, Refused
from .installation import kubectl
from .waiting import wait_for


def define(api: Api, kind: str, namespace: str, *, apart: bool = False) -> None:
    """Let the API server serve one of the foreign namespaced kinds that tests know, until the box is taken down; `apart` is its status."""
    prefix, plural, _ = KINDS[kind]
    _, group, version = prefix.split("/")
    name = f"{plural}.{group}"
    schema: Object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    parts: Object = {"subresources": {"status": {}}} if apart else {}
    spec: Object = {
        "group": group,
        "scope": "Namespaced",
        "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
        "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **parts}],
    }
    api.apply({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": name}, "spec": spec})
    kubectl("wait", "--for=condition=Established", "crd", name, "--timeout=30s")
    wait_for(lambda: _served(api, kind, namespace), 15, f"{name} is served")


def _served(api: Api, kind: str, namespace: str) -> bool:
    try:
        api.list(kind, namespace)
    except Refused:
        return False
    return True
