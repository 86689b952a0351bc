"""The kinds of things that are watched, beside those that the operator can't do without."""

from __future__ import annotations

from typing import Final

from prunella.core.things.cron_job import CronJob
from prunella.core.things.job import Job

from . import decode_things as decode
from . import resources
from . import wire_things as wire
from .watched import Watched

JOBS: Final[Watched[Job]] = Watched(resources.JOB, wire.Job, decode.job)
CRON_JOBS: Final[Watched[CronJob]] = Watched(resources.CRON_JOB, wire.CronJob, decode.cron_job)

NEEDS: Final[dict[str, tuple[str, ...]]] = {
    "Job": ("Job", "CronJob"),
    "CronJob": ("Job", "CronJob"),
}
"""Of each kind of thing, the kinds without which nothing can be said of it."""
