"""What the cache keeps of an Incident: what is asked about those of others. Whoever decides about one reads it live, with its whole story.

The rule this module protects: ten thousand Incidents fit into memory. Of one that is over only its end is left, and which alerts it has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from prunella.api.incident import Incident

KEPT: Final = (
    "phase",
    "priority",
    "cause",
    "times",
    "signals",
    "remediationState",
    "observedGeneration",
    "lastHandledRetry",
    "mergedInto",
    "reporters",
)
OF_OPEN: Final = ("parentRef", "impact", "episode", "target")
"""What parent and children ask of each other, while neither is over."""
CONDITIONS: Final = frozenset({"Resolved", "Mitigated", "RemediationAllowed", "NoResponder"})
"""The storm brake, the gauges and the children of a common cause ask for them."""
ENDS: Final = ("resolvedTime", "cancelledTime")

Json = Mapping[str, Any]


def brief(stored: Json) -> Incident:
    """An Incident without its timeline, evidence, decisions and pages. Raises pydantic.ValidationError."""
    meta, spec, status = stored.get("metadata"), stored.get("spec"), stored.get("status") or {}
    kept = {key: status[key] for key in KEPT if key in status}
    waiting = [one for one in (status.get("escalation") or {}).get("messages") or () if one.get("state") == "Pending"]
    if waiting:
        kept["escalation"] = {"messages": waiting}
    if isinstance(meta, Mapping):
        meta = _without(meta, "managedFields", "labels")
    if _over(status) and isinstance(spec, Mapping):
        spec = {key: spec[key] for key in ("title", "targetRef") if key in spec} | _kind_of(spec)
        kept["times"] = {key: value for key, value in kept["times"].items() if key in ENDS}
        kept["signals"] = list(_alerts(status.get("signals") or ()))
        kept.pop("reporters", None)
    else:
        kept |= {key: status[key] for key in OF_OPEN if key in status}
        kept["conditions"] = [_without(one, "message") for one in status.get("conditions") or () if one.get("type") in CONDITIONS]
    return Incident.read({"metadata": meta, "spec": spec, "status": kept})


def _over(status: Json) -> bool:
    """Whether it has ended, and nobody takes anything over from it."""
    times = status.get("times") or {}
    return any(times.get(key) for key in ENDS) and not status.get("mergedInto")


def _kind_of(spec: Json) -> dict[str, Any]:
    source = spec.get("source")
    return {"source": {"kind": source["kind"]}} if source else {}


def _alerts(signals: Iterable[Json]) -> Iterable[Json]:
    """Alerts that it knows: a poll does not bring them again, and one that began before it was seen to end is stale."""
    return (_without(one, "labels", "summary") for one in signals if one.get("source") == "Alertmanager")


def _without(one: Json, *keys: str) -> dict[str, Any]:
    return {key: value for key, value in one.items() if key not in keys}
