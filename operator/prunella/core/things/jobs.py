"""A Job that failed for good. It stays so until somebody deletes it, so only a failure that is fresh opens an Incident.

The rules this module protects: a Job of a CronJob speaks for nobody. Its schedule tries again, so its CronJob's last runs are judged together. Nor
does one that an attempt made: what becomes of it is the attempt's to tell. And one that was run again, and was complete then, is well.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from prunella.api.names import Cause

from .job import Job
from .sighting import NOTHING, At, Sighting, found, told

FRESH: Final = timedelta(hours=24)
"""After that nobody is told of a failure that nobody was told of before: else an install would open an Incident for each old one."""


def detect(job: Job, at: At) -> Sighting:
    """JobFailed, of a Job that nobody's schedule runs again, and that no attempt made or ran again."""
    if job.failed_time is None or job.of_cron_job or job.intent or at.past.ran_again_time is not None:
        return NOTHING
    what = f"the Job failed ({told(job.failed_reason, job.failed_message)})"
    pods, container = failed_pods(job)
    return found(job, Cause.JOB_FAILED, what, job.failed_time, at, opens=at.now - job.failed_time < FRESH, pods=pods, container=container)


def failed_pods(job: Job) -> tuple[tuple[str, ...], str]:
    """The pods whose logs may say why, the newest first, and which container of them failed."""
    failed = sorted((pod for pod in job.pods if pod.phase == "Failed"), key=lambda pod: str(pod.created_time), reverse=True)
    container = next((one.name for pod in failed[:1] for one in pod.containers if one.terminated is not None and one.terminated.exit_code != 0), "")
    return tuple(pod.name for pod in failed), container
