"""What steps ask for besides their target, answered by the files of a simulation."""

from __future__ import annotations

from dataclasses import replace

from prunella.core.facts import UnknownT, Workload
from prunella.core.healing.effects.effect import Json
from prunella.core.healing.steps import config_readers, expand_volume, nodes, scale
from prunella.core.healing.steps.step import RESOURCES, Listed
from prunella.core.subject import Thing
from prunella.core.things.node import Node

from .recorded import Recorded


def asked_of(held: Recorded, target: Workload | Thing) -> dict[Listed, tuple[Json, ...] | UnknownT]:
    """What stands in the target's namespace; of a Node all others, and that medik8s leaves it alone."""
    if isinstance(target, Node):
        every = tuple(raw for one in held.of.get("Node", ()) if (raw := held.raw.get(one.uid)) is not None)
        return {nodes.ALL: every, nodes.lease_of(target.name): ()}
    namespace = target.namespace
    records = (one for one in held.of.get("WorkloadRecord", ()) if one.metadata.namespace == namespace)
    copies = [one.copy_name for known in records for one in known.spec.config_maps]
    asked = (
        Listed(scale.AUTOSCALING, scale.AUTOSCALER, namespace),
        *(Listed("apps/v1", kind, namespace) for kind in RESOURCES),
        *(config_readers.asked(namespace) if copies else ()),
        *(Listed("v1", "ConfigMap", namespace, name) for name in copies),
        *(Listed(*expand_volume.CLASS, "", one.storage_class) for one in held.of.get("PersistentVolumeClaim", ())),
    )
    answers: dict[Listed, tuple[Json, ...]] = dict.fromkeys(asked, ())
    for raw in held.raw.values():
        if raw["metadata"].get("namespace") == namespace or raw["kind"] == expand_volume.CLASS[1]:
            whole = Listed(raw["apiVersion"], raw["kind"], raw["metadata"].get("namespace", ""))
            for one in (whole, replace(whole, name=raw["metadata"]["name"])):
                answers[one] = (*answers.get(one, ()), raw)
    return dict(answers)
