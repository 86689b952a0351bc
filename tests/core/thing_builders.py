"""Objects that are no workloads, as they are while all is well, at noon. A test names only what its sentence is about."""

from __future__ import annotations

from typing import Any

from prunella.core.subject import Thing
from prunella.core.things.cron_job import CronJob
from prunella.core.things.detect import detect
from prunella.core.things.job import Job
from prunella.core.things.sighting import At, Sighting

from .builders import NOON, ago, container, pod, termination

BACKOFF = {"failed_reason": "BackoffLimitExceeded", "failed_message": "Job has reached the specified backoff limit"}


def look(thing: Thing, **at: Any) -> Sighting:
    """What its detector says at noon."""
    return detect(thing, At(**({"now": NOON} | at)))


def job(name: str = "migrate", **changes: Any) -> Job:
    """A Job that runs."""
    defaults: dict[str, Any] = {"namespace": "shop", "uid": f"uid-{name}", "created_time": ago(600)}
    return Job(name=name, **(defaults | changes))


def failed_job(name: str = "migrate", *, failed: float = 60, **changes: Any) -> Job:
    """One that reached its backoff limit so many seconds before noon."""
    return job(name, **({"failed_time": ago(failed)} | BACKOFF | changes))


def failed_pod(name: str = "migrate-x1", **changes: Any):
    """A pod of it, with the container that failed."""
    ended = container("main", ready=False, running_since=None, terminated=termination(1))
    return pod(name, "", container("proxy", ready=False), ended, **({"phase": "Failed", "ready": False} | changes))


def run(number: int, *, failed: bool, ago_seconds: float, **changes: Any) -> Job:
    """A run of the CronJob `backup`, which ended so many seconds before noon."""
    owner = {"owner_uid": "uid-backup", "owner_kind": "CronJob", "owner_name": "backup", "scheduled_time": ago(ago_seconds + 30)}
    if failed:
        return failed_job(f"backup-{number}", failed=ago_seconds, **(owner | changes))
    return job(f"backup-{number}", completed_time=ago(ago_seconds), **(owner | changes))


def cron_job(*jobs: Job, **changes: Any) -> CronJob:
    """An hourly CronJob with these runs."""
    defaults: dict[str, Any] = {
        "namespace": "shop",
        "name": "backup",
        "uid": "uid-backup",
        "created_time": ago(30 * 86_400),
        "last_schedule_time": ago(600),
        "last_success_time": ago(7800),
    }
    return CronJob(jobs=jobs, **(defaults | changes))
