"""What waits to be served, by what it is about."""

from __future__ import annotations

from dataclasses import dataclass

from .keys import IncidentKey, WorkloadKey
from .queue import Queue
from .readiness import PolicyKey


@dataclass
class Queues:
    """The three work queues; the handlers are set once everything is wired."""

    incidents: Queue[IncidentKey]
    workloads: Queue[WorkloadKey]
    policies: Queue[PolicyKey]
