"""A CronJob with its runs, as far as their state decides something."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from prunella.core.subject import Thing

from .job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class CronJob(Thing):
    """A CronJob with its Jobs that are still there."""

    api_version: ClassVar[str] = "batch/v1"
    kind: ClassVar[str] = "CronJob"

    suspended: bool = False
    last_schedule_time: datetime | None = None
    last_success_time: datetime | None = None
    jobs: tuple[Job, ...] = ()
