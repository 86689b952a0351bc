"""What is wrong with one thing now: the detector of its kind is asked. Adding a kind is a file beside this one and a line here."""

from __future__ import annotations

from typing import Final

from prunella.api.common import ObjectRef
from prunella.core.facts import AutoscalerFacts
from prunella.core.subject import Thing

from . import autoscaler, budget, claim, cron_job, job, quota
from .sighting import NOTHING, At, Sighting

_TYPES: Final[tuple[type[Thing], ...]] = (job.Job, cron_job.CronJob, claim.Claim, AutoscalerFacts, quota.Quota, budget.Budget)
KINDS: Final = frozenset(one.kind for one in _TYPES)
"""Kinds of things that are watched."""
_GROUPED: Final = frozenset((one.kind, one.api_version.rpartition("/")[0]) for one in _TYPES)


def is_thing(ref: ObjectRef) -> bool:
    """Whether the reference means an object of these kinds. The version of the API does not matter."""
    return (ref.kind, ref.api_version.rpartition("/")[0]) in _GROUPED


def detect(thing: Thing, at: At) -> Sighting:
    """What is wrong with it at `at.now`; nothing with what is being deleted. Never raises on whatever the API server stored."""
    if thing.deletion_time is not None:
        return NOTHING
    match thing:
        case job.Job():
            return job.detect(thing, at)
        case cron_job.CronJob():
            return cron_job.detect(thing, at)
        case claim.Claim():
            return claim.detect(thing, at)
        case AutoscalerFacts():
            return autoscaler.detect(thing, at)
        case quota.Quota():
            return quota.detect(thing, at)
        case budget.Budget():
            return budget.detect(thing, at)
        case _:
            return NOTHING
