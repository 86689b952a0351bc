"""rerunJob: a Job that failed runs again under a new name, where people have said that it may run twice. The failed one stays as it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from prunella.api.base import Name, WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.effect import part_of

from . import jobs
from .step import WORKLOADS, Failed, LiveFacts, Next, Right, StepKind


class RerunJob(WireModel):
    """Run a Job that failed again, once, and wait until it is complete. It must bear prunella.dev/idempotent: "true"."""

    job: Name | None = None
    """A Job of the target's namespace; if absent, the target itself, which that success makes well."""
    deadline_seconds: jobs.DeadlineSeconds = 300
    """After so long the new one is stopped, and has failed; sooner where the Job says so."""


def plan(params: RerunJob, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The Job, once; then what becomes of it."""
    if done:
        return jobs.followed(live, done)
    source = jobs.source(live, jobs.JOB, params.job)
    if not isinstance(source, Mapping):
        return source
    name = str(part_of(source, "/metadata/name"))
    once = jobs.once_only(live, source, f"Job {name}")
    if once is not None:
        return once
    conditions = part_of(source, "/status/conditions")
    listed = conditions if isinstance(conditions, Sequence) else ()
    if not any(part_of(one, "/type") == "Failed" and part_of(one, "/status") == "True" for one in listed):
        return Failed(message=f"Job {name} has not failed: there is nothing to run again")
    spec = jobs.limited(jobs.copied(part_of(source, "/spec")), params.deadline_seconds)
    return jobs.made(live, spec, {}, f"runs again what Job {name} ran", source)


def needs(params: RerunJob, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To make a Job, and to see Jobs."""
    return jobs.RUN_JOBS


KIND: Final = StepKind(
    name="rerunJob",
    params=RerunJob,
    impact=StepImpact.DISRUPTIVE,
    kinds=WORKLOADS | {jobs.JOB},
    rights=jobs.RUN_JOBS,
    granted_by=jobs.GRANTED_BY,
    needs=needs,
    plan=plan,
    goes_on=True,
    outputs=jobs.OUTPUTS,
)
