"""What is wrong with one thing now: the detector of its kind is asked. Adding a kind is a file beside this one and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from prunella.api.common import ObjectRef
from prunella.core.subject import Thing

from . import api_service, autoscaler, budget, certificate, claims, cron_jobs, endpoints, jobs, nodes, quota, terminating, tls_secret
from .claim import Claim
from .cron_job import CronJob
from .job import Job
from .node import Node
from .service import Service
from .sighting import NOTHING, At, Sighting

Detect = Callable[[Any, At], Sighting]

DETECTORS: Final[Mapping[type[Thing], Detect]] = {
    Job: jobs.detect,
    CronJob: cron_jobs.detect,
    Claim: claims.detect,
    autoscaler.AutoscalerFacts: autoscaler.detect,
    quota.Quota: quota.detect,
    budget.Budget: budget.detect,
    Service: endpoints.detect,
    Node: nodes.detect,
    api_service.APIService: api_service.detect,
    certificate.Certificate: certificate.detect,
    tls_secret.TlsSecret: tls_secret.detect,
    terminating.Space: terminating.detect,
}
"""By type, what looks at it."""
WAITED_FOR: Final = frozenset({Claim, terminating.Space})
"""What others wait for to be gone."""
KINDS: Final = frozenset(one.kind for one in DETECTORS)
"""Kinds of things that are watched."""
_GROUPED: Final = frozenset((one.kind, one.api_version.rpartition("/")[0]) for one in DETECTORS)


def is_thing(ref: ObjectRef) -> bool:
    """Whether the reference means an object of these kinds. The version of the API does not matter."""
    return (ref.kind, ref.api_version.rpartition("/")[0]) in _GROUPED


def detect(thing: Thing, at: At) -> Sighting:
    """What is wrong with it at `at.now`; with what is being deleted, only that it does not go. Never raises on whatever the API server stored."""
    if thing.deletion_time is not None:
        return terminating.detect(thing, at) if type(thing) in WAITED_FOR else NOTHING
    return DETECTORS[type(thing)](thing, at)
