"""createJobFrom: a CronJob's Job now, as `kubectl create job --from` makes it, where people have said that it may run twice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prunella.api.base import Name, WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.refusal import Refusal

from . import jobs
from .step import WORKLOADS, LiveFacts, Next, Right, StepKind, cannot


class CreateJobFrom(WireModel):
    """Run a CronJob's Job now, once, and wait until it is complete. The CronJob must bear prunella.dev/idempotent: "true"."""

    cron_job: Name | None = None
    """A CronJob of the target's namespace; if absent, the target itself, which that success makes well."""
    deadline_seconds: jobs.DeadlineSeconds = 300
    """After so long the Job is stopped, and has failed; sooner where the CronJob says so."""


def plan(params: CreateJobFrom, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:
    """The Job, once; then what becomes of it."""
    if done:
        return jobs.followed(live, done)
    source = jobs.source(live, jobs.CRON_JOB, params.cron_job)
    if not isinstance(source, Mapping):
        return source
    name = str(part_of(source, "/metadata/name"))
    refused = _refused(live, source, f"CronJob {name}")
    if refused is not None:
        return refused
    annotations = {**_texts(source, "annotations"), "cronjob.kubernetes.io/instantiate": "manual"}
    metadata = {"labels": _texts(source, "labels"), "annotations": annotations}
    spec = jobs.limited(jobs.copied(part_of(source, "/spec/jobTemplate/spec")), params.deadline_seconds)
    return jobs.made(live, spec, metadata, f"runs what CronJob {name} runs", source)


def _texts(source: Json, key: str) -> dict[str, object]:
    """Labels or annotations that the CronJob gives to its Jobs."""
    found = part_of(source, f"/spec/jobTemplate/metadata/{key}")
    return dict(found) if isinstance(found, Mapping) else {}


def _refused(live: LiveFacts, source: Json, what: str) -> Next | None:
    once = jobs.once_only(live, source, what)
    if once is not None:
        return once
    if part_of(source, "/spec/suspend") is True:
        return Refusal(reason="HumanOverride", message=f"{what} is suspended: that is somebody's decision")
    if part_of(source, "/spec/concurrencyPolicy") in {"Forbid", "Replace"} and part_of(source, "/status/active"):
        return cannot(live, source, f"{what} runs right now, and its concurrencyPolicy permits no second Job")
    return None


def needs(params: CreateJobFrom, kind: str) -> tuple[Right, ...]:  # noqa: ARG001 - every step has one shape
    """To read CronJobs, to make a Job, and to see what becomes of it."""
    return (jobs.READ_CRON_JOBS, *jobs.RUN_JOBS)


KIND: Final = StepKind(
    name="createJobFrom",
    params=CreateJobFrom,
    impact=StepImpact.DISRUPTIVE,
    kinds=WORKLOADS | {jobs.CRON_JOB},
    rights=(jobs.READ_CRON_JOBS, *jobs.RUN_JOBS),
    granted_by=jobs.GRANTED_BY,
    needs=needs,
    plan=plan,
    goes_on=True,
    outputs=jobs.OUTPUTS,
)
