"""rerunJob: a Job that failed runs again under a new name, where people have said that it may run twice. The failed one stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prunella.api.base import Name, WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects import part_of

from . import jobs
from .step import Failed, LiveFacts, Next, Right, StepKind


class RerunJob(WireModel):
    """Run a Job that failed again, once, and wait until it is complete. It must bear prunella.dev/idempotent: "true"."""

    job: Name
    """A Job of the target's namespace."""
    deadline_seconds: jobs.DeadlineSeconds = 300
    """After so long the new one is stopped, and has failed; sooner where the Job says so."""


def plan(params: RerunJob, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The Job, once; then what becomes of it."""
    if done:
        return jobs.followed(live, done)
    source = jobs.found(live, jobs.JOB, params.job)
    if not isinstance(source, Mapping):
        return source
    if not jobs.idempotent(source):
        return Failed(message=f'Job {params.job} does not bear {jobs.IDEMPOTENT}: "true": nobody has said that it may run twice')
    conditions = part_of(source, "/status/conditions")
    listed = conditions if isinstance(conditions, Sequence) else ()
    if not any(part_of(one, "/type") == "Failed" and part_of(one, "/status") == "True" for one in listed):
        return Failed(message=f"Job {params.job} has not failed: there is nothing to run again")
    spec = jobs.limited(jobs.copied(part_of(source, "/spec")), params.deadline_seconds)
    return jobs.made(live, spec, {}, f"runs again what Job {params.job} ran")


def needs(params: RerunJob, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To make a Job, and to see Jobs."""
    return jobs.RUN_JOBS


KIND: Final = StepKind(
    name="rerunJob",
    params=RerunJob,
    impact=StepImpact.DISRUPTIVE,
    rights=jobs.RUN_JOBS,
    granted_by=jobs.GRANTED_BY,
    needs=needs,
    plan=plan,
    goes_on=True,
    outputs=jobs.OUTPUTS,
)
