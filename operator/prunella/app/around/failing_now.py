"""How many workloads fail now, for the storm brake.

The rule this module protects: the brake compares workloads with workloads. What is no workload counts neither as one that fails nor as one that
could.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prunella.api.incident import Incident
from prunella.api.names import Cause, ConditionStatus
from prunella.app.ports import View
from prunella.core.healing.steps.step import WORKLOADS
from prunella.core.incident import correlate
from prunella.core.world import OpenIncident


def failing(view: View, now: datetime) -> Iterator[Incident]:
    """Every Incident of a workload that is open and not mitigated; an alert that stands for itself, a registry or another object is none."""
    for one in view.unended_incidents():
        if correlate.is_open(one, now) and not _over(one) and one.spec.target_ref.kind in WORKLOADS:
            yield one


def counted(one: Incident) -> OpenIncident:
    """What the brake needs to know of it."""
    return OpenIncident(
        uid=one.metadata.uid,
        namespace=one.target_namespace,
        target=f"{one.spec.target_ref.kind}/{one.target_namespace}/{one.spec.target_ref.name}",
        cause=one.status.cause or (one.spec.source.signal.cause if one.spec.source and one.spec.source.signal else Cause.REPORTED),
        incident=f"{one.metadata.namespace}/{one.metadata.name}",
    )


def open_incidents(view: View, now: datetime) -> tuple[OpenIncident, ...]:
    """All of them, for the brake."""
    return tuple(counted(one) for one in failing(view, now))


def opted_in_workloads(view: View) -> int:
    """Workloads of namespaces that bear the mode label."""
    namespaces = ((view.namespace(name), count) for name, count in view.workload_counts().items())
    return sum(count for namespace, count in namespaces if namespace is not None and "prunella.dev/mode" in namespace.labels)


def _over(incident: Incident) -> bool:
    return any(one.type in {"Mitigated", "Resolved"} and one.status is ConditionStatus.TRUE for one in incident.status.conditions)
