"""ConfigMaps that a workload reads: which, since when one stands as it does, and which keys differ from what it was healthy with.

The rule this module protects: values are compared and never told. A key's name is all of a ConfigMap that reaches a status, an Event or a log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from .facts import Revision

MOST: Final = 10
"""So many ConfigMaps of a workload are remembered."""
LARGEST: Final = 256 * 1024
"""Characters of a ConfigMap that is remembered; a larger one is not."""
TARGET: Final = "configmap/"
"""How the name of one begins among the changes of an Incident."""
_BY_ENVIRONMENT: Final = "configmap"
_BY_PART: Final = "part"
_USES: Final = frozenset({_BY_ENVIRONMENT, _BY_PART, "volume"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigMapFacts:
    """A ConfigMap as it was read. It is compared and let go: nothing keeps it in memory."""

    namespace: str
    name: str
    uid: str
    resource_version: str
    data: Mapping[str, str] = field(default_factory=dict, repr=False)
    binary_data: Mapping[str, str] = field(default_factory=dict, repr=False)
    written_time: datetime | None = None
    """When a manager of its content last wrote, by the API server's word. A key that is only taken away leaves it as it was."""

    @property
    def size(self) -> int:
        """Characters of all keys and values."""
        return sum(len(key) + len(value) for part in (self.data, self.binary_data) for key, value in part.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigChange:
    """A ConfigMap that does not stand as it did when the workload was last healthy with it."""

    namespace: str
    name: str
    keys: tuple[str, ...]
    """Those that were added, taken away or have another value."""
    changed_time: datetime
    good_time: datetime
    """When the workload was last known to be healthy with what stood there before."""


def read(stored: Mapping[str, Any]) -> ConfigMapFacts:
    """What counts of a ConfigMap as the API server has it, as JSON."""
    meta = stored["metadata"]
    return ConfigMapFacts(
        namespace=meta.get("namespace", ""),
        name=meta["name"],
        uid=meta.get("uid", ""),
        resource_version=str(meta.get("resourceVersion", "")),
        data=stored.get("data") or {},
        binary_data=stored.get("binaryData") or {},
        written_time=_written(meta),
    )


def _written(meta: Mapping[str, Any]) -> datetime | None:
    """When the newest of those managers wrote that own some of its content; its creation where none is known."""
    entries: Sequence[Mapping[str, Any]] = meta.get("managedFields") or ()
    content = (one for one in entries if {"f:data", "f:binaryData"} & (one.get("fieldsV1") or {}).keys())
    times = [time for one in content if (time := _time(one.get("time"))) is not None]
    return max(times, default=_time(meta.get("creationTimestamp")))


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def used_by(revision: Revision | None) -> tuple[str, ...]:
    """Names of the ConfigMaps that pods of the revision read, in order."""
    return tuple(sorted({name for use, name in _uses(revision.references if revision is not None else ())}))


def read_at_start(revision: Revision | None, name: str) -> bool:
    """Whether a container takes it in when it starts, and sees no change until it starts again."""
    references = revision.references if revision is not None else ()
    return any(use in {_BY_ENVIRONMENT, _BY_PART} for use, known in _uses(references) if known == name)


def differing(before: ConfigMapFacts, after: ConfigMapFacts) -> tuple[str, ...]:
    """The keys that do not hold the same in both, in order."""
    pairs = ((before.data, after.data), (before.binary_data, after.binary_data))
    return tuple(sorted({key for old, new in pairs for key in old.keys() | new.keys() if old.get(key) != new.get(key)}))


def named(keys: Sequence[str], most: int) -> str:
    """So many of the keys at most, in words."""
    more = f" and {len(keys) - most} more" if len(keys) > most else ""
    return f"{'key' if len(keys) == 1 else 'keys'} {', '.join(keys[:most])}{more}"


def in_template(template: Mapping[str, Any]) -> frozenset[str]:
    """Names of the ConfigMaps that a pod template as JSON reads."""
    spec: Mapping[str, Any] = template.get("spec") or {}
    found: set[str] = set()
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        found |= {_name(one.get("configMapRef")) for one in container.get("envFrom") or ()}
        found |= {_name((one.get("valueFrom") or {}).get("configMapKeyRef")) for one in container.get("env") or ()}
    for volume in spec.get("volumes") or ():
        found.add(_name(volume.get("configMap")))
        found |= {_name(one.get("configMap")) for one in (volume.get("projected") or {}).get("sources") or ()}
    return frozenset(found - {""})


def _name(source: Mapping[str, Any] | None) -> str:
    return str((source or {}).get("name") or "")


def _uses(references: Iterable[str]) -> Iterable[tuple[str, str]]:
    for reference in references:
        use, _, rest = reference.partition("/")
        if use in _USES:
            yield use, rest.partition("/")[0]
