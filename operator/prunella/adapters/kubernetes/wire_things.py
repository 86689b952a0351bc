"""What is read of objects that are no workloads."""

from __future__ import annotations

from datetime import datetime

from .wire import Meta, Wire


class ThingMeta(Meta, frozen=True):
    """metadata, with what holds up a deletion."""

    finalizers: list[str] | None = None


class Condition(Wire, frozen=True):
    """An entry of any conditions."""

    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: datetime | None = None


class Thing(Wire, frozen=True):
    """Anything that is no workload."""

    metadata: ThingMeta = ThingMeta()


class JobStatus(Wire, frozen=True):
    """status of a Job."""

    conditions: list[Condition] | None = None


class Job(Thing, frozen=True):
    """A Job."""

    status: JobStatus = JobStatus()


class CronJobSpec(Wire, frozen=True):
    """spec of a CronJob."""

    suspend: bool | None = None


class CronJobStatus(Wire, frozen=True):
    """status of a CronJob."""

    last_schedule_time: datetime | None = None
    last_successful_time: datetime | None = None


class CronJob(Thing, frozen=True):
    """A CronJob."""

    spec: CronJobSpec = CronJobSpec()
    status: CronJobStatus = CronJobStatus()
