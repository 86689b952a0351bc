"""What waits to be served, by what it is about."""

from __future__ import annotations

from dataclasses import dataclass

from .keys import IncidentKey, RequestKey, WorkloadKey
from .queue import Queue
from .readiness import PolicyKey


@dataclass
class Queues:
    """The work queues; the handlers are set once everything is wired."""

    incidents: Queue[IncidentKey]
    workloads: Queue[WorkloadKey]
    policies: Queue[PolicyKey]
    requests: Queue[RequestKey]
