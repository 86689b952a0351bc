"""Which alerts about runs tell of the past: one about a failed Job fires for as long as the Job is kept, and a Job fails once.

The rule this module protects: only a success that is known makes a failure the past, and of a CronJob only the failed runs before it.
"""

from __future__ import annotations

from collections.abc import Mapping

from prunella.core.facts import Finding, UnknownT
from prunella.core.subject import Thing

from .cron_job import CronJob
from .job import Job

JOB_LABEL = "job_name"
"""Where kube-state-metrics names the Job."""


def told(thing: object, finding: Finding | UnknownT | None, labels: Mapping[str, str], *, ran_again: bool) -> bool:
    """Whether an alert with these labels about the target is of a failure that a success of it made the past.

    A Job that failed has that only by another run of it (`ran_again`). A CronJob on which nothing is found has succeeded since its last failure.
    """
    if finding is not None or not isinstance(thing, Thing) or thing.deletion_time is not None:
        return False
    match thing:
        case Job():
            return thing.failed_time is not None and ran_again
        case CronJob(suspended=False):
            name = labels.get(JOB_LABEL, "")
            return bool(name) and all(one.failed_time is not None for one in thing.jobs if one.name == name)
        case _:
            return False
