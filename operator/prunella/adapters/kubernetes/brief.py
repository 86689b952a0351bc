"""What the cache keeps of an Incident: what is asked about those of others. Whoever decides about one reads it live, with its whole story.

The rule this module protects: ten thousand Incidents fit into memory. Of one that is over only its end is left, and which alerts it has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prunella.api.incident import Incident

from . import wire, wire_incident

KEPT: Final = (
    "phase",
    "priority",
    "cause",
    "times",
    "signals",
    "remediation_state",
    "observed_generation",
    "last_handled_retry",
    "last_handled_retry_time",
    "merged_into",
    "reporters",
)
OF_OPEN: Final = ("parent_ref", "impact", "episode", "target")
"""What parent and children ask of each other, while neither is over."""
CONDITIONS: Final = frozenset({"Resolved", "Mitigated", "RemediationAllowed", "NoResponder"})
"""The storm brake, the gauges and the children of a common cause ask for them."""
ENDS: Final = ("resolvedTime", "cancelledTime")

Json = Mapping[str, Any]


def brief(stored: wire_incident.Incident) -> Incident:
    """An Incident without its timeline, evidence, decisions and pages. Raises pydantic.ValidationError."""
    spec, status = stored.spec, stored.status
    kept = _there(status, KEPT)
    waiting = [one for one in status.escalation.messages or () if one.get("state") == "Pending"]
    if waiting:
        kept["escalation"] = {"messages": waiting}
    if _over(status) and spec is not None:
        spec = {key: spec[key] for key in ("title", "targetRef") if key in spec} | _kind_of(spec)
        kept["times"] = {key: value for key, value in (status.times or {}).items() if key in ENDS}
        kept["signals"] = list(_alerts(status.signals or ()))
        kept.pop("reporters", None)
    else:
        kept |= _there(status, OF_OPEN)
        kept["changes"] = [one for one in status.changes or () if one.get("suspected")]
        kept["conditions"] = [_without(one, "message") for one in status.conditions or () if one.get("type") in CONDITIONS]
    return Incident.read({"metadata": _identity(stored.metadata), "spec": spec, "status": kept})


def _there(status: wire_incident.Status, names: Iterable[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(status, name)) is not None}


def _identity(meta: wire.Meta) -> dict[str, Any]:
    """All but labels."""
    return {
        "name": meta.name,
        "namespace": meta.namespace or None,
        "uid": meta.uid,
        "generation": meta.generation,
        "resource_version": meta.resource_version,
        "creation_timestamp": meta.creation_timestamp,
        "deletion_timestamp": meta.deletion_timestamp,
        "annotations": meta.annotations or {},
    }


def _over(status: wire_incident.Status) -> bool:
    """Whether it has ended, and nobody takes anything over from it."""
    times = status.times or {}
    return any(times.get(key) for key in ENDS) and not status.merged_into


def _kind_of(spec: Json) -> dict[str, Any]:
    source = spec.get("source")
    return {"source": {"kind": source["kind"]}} if source else {}


def _alerts(signals: Iterable[Json]) -> Iterable[Json]:
    """Alerts that it knows: a poll does not bring them again, and one that began before it was seen to end is stale."""
    return (_without(one, "labels", "summary") for one in signals if one.get("source") == "Alertmanager")


def _without(one: Json, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in keys}
