"""ConfigMaps in memory, among the other objects of the cluster. Nobody may read those of a namespace that has not granted it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prunella.core import configs
from prunella.core.configs import ConfigMapFacts
from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.healing.known.known_config import Copy

from .cluster import FakeCluster


@dataclass
class FakeConfigMaps:
    """Implements the port `ConfigMaps`, and what people do to ConfigMaps."""

    cluster: FakeCluster
    granted: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    """The lists and reads, in order."""
    kept: list[str] = field(default_factory=list)
    """The copies that were written, in order."""
    full: bool = False
    """Whether a quota refuses another object."""

    def put(self, name: str, /, *, namespace: str = "shop", **data: str) -> dict[str, Any]:
        """A person applies a ConfigMap."""
        key = ("ConfigMap", namespace, name)
        raw = self.cluster.others.setdefault(key, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}})
        raw["metadata"].setdefault("uid", f"cm-{name}")
        raw["data"] = dict(data)
        self.cluster.written(raw)
        return raw

    def data(self, name: str, namespace: str = "shop") -> dict[str, str]:
        """What stands in one."""
        return dict(self.cluster.others["ConfigMap", namespace, name]["data"])

    def names(self) -> list[str]:
        """All of them, in order."""
        return sorted(name for kind, _, name in self.cluster.others if kind == "ConfigMap")

    async def versions(self, namespace: str) -> Mapping[str, str] | UnknownT:
        self.asked.append(f"list {namespace}")
        if namespace not in self.granted:
            return UNKNOWN
        there = ((name, raw) for (kind, space, name), raw in self.cluster.others.items() if (kind, space) == ("ConfigMap", namespace))
        return {name: raw["metadata"]["resourceVersion"] for name, raw in there}

    async def read(self, namespace: str, name: str) -> ConfigMapFacts | UnknownT | None:
        self.asked.append(f"get {name}")
        if namespace not in self.granted:
            return UNKNOWN
        raw = self.cluster.others.get(("ConfigMap", namespace, name))
        return configs.read(copy.deepcopy(raw)) if raw is not None else None

    async def keep(self, copy: Copy) -> str | None:
        if self.full:
            return None
        self.kept.append(copy.name)
        raw: dict[str, Any] = {**copy.manifest}
        raw["metadata"] = {**raw["metadata"], "uid": f"cm-{copy.name}"}
        self.cluster.written(raw)
        self.cluster.others["ConfigMap", copy.of.namespace, copy.name] = raw
        return str(raw["metadata"]["resourceVersion"])
