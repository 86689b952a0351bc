"""A Job that failed for good. It stays so until somebody deletes it, so only a failure that is fresh opens an Incident.

The rule this module protects: a Job of a CronJob speaks for nobody. Its schedule tries again, so its CronJob's last runs are judged together.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

from prunella.api.names import Cause
from prunella.core.facts import Pod
from prunella.core.subject import Thing

from .sighting import NOTHING, At, Sighting, found, told

FRESH: Final = timedelta(hours=24)
"""After that nobody is told of a failure that nobody was told of before: else an install would open an Incident for each old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job(Thing):
    """A Job. `failed_time` and `completed_time` are those of its terminal conditions."""

    api_version: ClassVar[str] = "batch/v1"
    kind: ClassVar[str] = "Job"

    owner_uid: str = ""
    owner_kind: str = ""
    owner_name: str = ""
    """Its controller's."""
    failed_time: datetime | None = None
    failed_reason: str = ""
    failed_message: str = ""
    completed_time: datetime | None = None
    scheduled_time: datetime | None = None
    """When its CronJob was to run it."""
    pods: tuple[Pod, ...] = ()
    """Those that are still there."""

    @property
    def finished_time(self) -> datetime | None:
        """When it ended, in whatever way."""
        return self.failed_time or self.completed_time

    @property
    def of_cron_job(self) -> bool:
        """Whether a CronJob runs it again by itself."""
        return self.owner_kind == "CronJob"


def detect(job: Job, at: At) -> Sighting:
    """JobFailed, of a Job that nobody's schedule runs again."""
    if job.failed_time is None or job.of_cron_job:
        return NOTHING
    what = f"the Job failed ({told(job.failed_reason, job.failed_message)})"
    pods, container = failed_pods(job)
    return found(job, Cause.JOB_FAILED, what, job.failed_time, at, opens=at.now - job.failed_time < FRESH, pods=pods, container=container)


def failed_pods(job: Job) -> tuple[tuple[str, ...], str]:
    """The pods whose logs may say why, the newest first, and which container of them failed."""
    failed = sorted((pod for pod in job.pods if pod.phase == "Failed"), key=lambda pod: str(pod.created_time), reverse=True)
    container = next((one.name for pod in failed[:1] for one in pod.containers if one.terminated is not None and one.terminated.exit_code != 0), "")
    return tuple(pod.name for pod in failed), container
