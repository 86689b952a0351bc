"""Certificates of cert-manager, whose controller the scenario is: it says in their status what that would say."""

from __future__ import annotations

from . import definitions
from .api import Object
from .arena import Arena

KIND = "Certificate"


def issued(arena: Arena, name: str, status: Object) -> None:
    """Make one whose status says that."""
    definitions.define(arena.api, KIND, arena.namespace, apart=True)
    meta = {"name": name, "namespace": arena.namespace}
    arena.api.apply({"apiVersion": "cert-manager.io/v1", "kind": KIND, "metadata": meta, "spec": {"secretName": name}})
    says(arena, name, status)


def says(arena: Arena, name: str, status: Object) -> None:
    """What its controller says of it from now on."""
    arena.api.patch(KIND, name, {"status": status}, arena.namespace, subresource="status")


def asked(arena: Arena, name: str) -> bool:
    """Whether its controller is asked to renew it."""
    conditions = arena.api.get(KIND, name, arena.namespace).get("status", {}).get("conditions", [])
    return any((one["type"], one["status"], one["reason"]) == ("Issuing", "True", "ManuallyTriggered") for one in conditions)
