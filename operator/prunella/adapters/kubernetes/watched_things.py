"""The kinds of things that are watched, beside those that the operator can't do without."""

from __future__ import annotations

from typing import Any, Final

from prunella.core.things.api_service import APIService
from prunella.core.things.budget import Budget
from prunella.core.things.certificate import Certificate
from prunella.core.things.claim import Claim
from prunella.core.things.complaint import Complaint
from prunella.core.things.cron_job import CronJob
from prunella.core.things.job import Job
from prunella.core.things.node import Node
from prunella.core.things.quota import Quota
from prunella.core.things.service import Service

from . import decode_things as decode
from . import resources
from . import wire_things as wire
from .endpoints import Endpoints
from .watched import AUTOSCALERS, Watched

JOBS: Final[Watched[Job]] = Watched(resources.JOB, wire.Job, decode.job)
CRON_JOBS: Final[Watched[CronJob]] = Watched(resources.CRON_JOB, wire.CronJob, decode.cron_job)
CLAIMS: Final[Watched[Claim]] = Watched(resources.CLAIM, wire.Claim, decode.claim)
QUOTAS: Final[Watched[Quota]] = Watched(resources.QUOTA, wire.Quota, decode.quota)
BUDGETS: Final[Watched[Budget]] = Watched(resources.BUDGET, wire.Budget, decode.budget)
SERVICES: Final[Watched[Service]] = Watched(resources.SERVICE, wire.Service, decode.service)
ENDPOINT_SLICES: Final[Watched[Endpoints]] = Watched(resources.ENDPOINT_SLICE, wire.EndpointSlice, decode.endpoints)
NODES: Final[Watched[Node]] = Watched(resources.NODE, wire.Node, decode.node)
API_SERVICES: Final[Watched[APIService]] = Watched(resources.API_SERVICE, wire.APIService, decode.api_service)
CERTIFICATES: Final[Watched[Certificate]] = Watched(resources.CERTIFICATE, wire.Certificate, decode.certificate)
COMPLAINTS: Final[Watched[Complaint]] = Watched(resources.EVENT, wire.Event, decode.complaint)

OF_THING: Final[dict[str, Watched[Any]]] = {
    one.resource.kind: one for one in (JOBS, CRON_JOBS, CLAIMS, AUTOSCALERS, QUOTAS, BUDGETS, SERVICES, NODES, API_SERVICES, CERTIFICATES)
}
"""By kind of thing, how it is read."""

OF_CLAIMS: Final = "involvedObject.kind=PersistentVolumeClaim,type=Warning"
OF_CREATION: Final = "reason=FailedCreate"
"""The only Events that are watched: each field selector is a stream of its own, and few Events fit."""

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "Job": ("Job", "CronJob"),
    "CronJob": ("Job", "CronJob"),
    "PersistentVolumeClaim": ("PersistentVolumeClaim", "Event"),
    "HorizontalPodAutoscaler": ("HorizontalPodAutoscaler",),
    "ResourceQuota": ("ResourceQuota", "Event"),
    "PodDisruptionBudget": ("PodDisruptionBudget",),
    "Service": ("Service", "EndpointSlice"),
    "Node": ("Node",),
    "APIService": ("APIService",),
    "Certificate": ("Certificate",),
    "Namespace": ("Namespace",),
}
"""Of each kind of thing, the kinds without which nothing can be said of it."""
