"""Keys: how the queues name what they serve."""

from __future__ import annotations

from typing import NamedTuple


class IncidentKey(NamedTuple):
    """An Incident."""

    namespace: str
    name: str


class RequestKey(NamedTuple):
    """A Remediation by which a person asks for a run."""

    namespace: str
    name: str


class WorkloadKey(NamedTuple):
    """A watched workload, or another object that is watched."""

    kind: str
    namespace: str
    name: str
