"""What the steps that run a Job have in common: its name, its limits, and what has become of it.

The rules this module protects: a Job is never retried by its controller, ends by its deadline, and is kept for a day, so that what became of it can
be read; its success is what the cluster says, and a Job that is gone has none.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from prunella.api.common import ObjectRef
from prunella.api.marks import IDEMPOTENT_ANNOTATION
from prunella.api.names import StepState
from prunella.api.remediation import StepStatus
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.creation import Create
from prunella.core.healing.effects.effect import Json, part_of
from prunella.core.healing.known import reruns
from prunella.core.things.job import name_of

from .step import SETTLE, Ask, Done, Failed, Listed, LiveFacts, Next, Note, Right, Wait, cannot

BATCH: Final = "batch/v1"
JOB: Final = "Job"
CRON_JOB: Final = "CronJob"
LOOK: Final = timedelta(seconds=5)
KEPT_SECONDS: Final = 86_400
GRANTED_BY: Final = "manifests/run-jobs"
"""Apart from what opting in grants: whoever makes a Job chooses its image and its account."""
RUN_JOBS: Final = (Right(verb="create", group="batch", resource="jobs"), Right(verb="list", group="batch", resource="jobs"))
READ_CRON_JOBS: Final = Right(verb="list", group="batch", resource="cronjobs")
OUTPUTS: Final[Mapping[str, str]] = {reruns.JOB: "The Job's name.", reruns.COMPLETED: "When it was complete."}
_OF_A_RUN: Final = ("controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name")
"""Labels that the Job controller gives."""

DeadlineSeconds = Annotated[int, Field(ge=10, le=540)]


def made(live: LiveFacts, spec: Mapping[str, object], metadata: Mapping[str, object], does: str, runs: Json | None = None) -> Create:
    """The Job of this intent; `runs` is what it runs again."""
    name = name_of(live.intent_id or "dry-run")
    uid = part_of(runs, "/metadata/uid") if runs is not None else None
    return Create(
        target=ObjectRef(api_version=BATCH, kind=JOB, namespace=live.subject.namespace, name=name),
        manifest={"apiVersion": BATCH, "kind": JOB, "metadata": dict(metadata), "spec": dict(spec)},
        does=f"Job {name} {does}",
        before={reruns.RUNS: uid} if isinstance(uid, str) else {},
    )


def limited(spec: Mapping[str, object], seconds: int) -> dict[str, object]:
    """The spec of a Job with the limits that hold for every one of ours."""
    own = spec.get("activeDeadlineSeconds")
    deadline = min(own, seconds) if isinstance(own, int) else seconds
    return {**spec, "backoffLimit": 0, "activeDeadlineSeconds": deadline, "ttlSecondsAfterFinished": KEPT_SECONDS}


def copied(spec: object) -> dict[str, Any]:
    """The spec of a Job for another one: without what belongs to a run."""
    found: dict[str, Any] = copy.deepcopy(_plain(spec)) if isinstance(spec, Mapping) else {}
    for key in ("selector", "manualSelector", "suspend"):
        found.pop(key, None)
    metadata = part_of(found, "/template/metadata")
    labels = metadata.get("labels") if isinstance(metadata, dict) else None
    if isinstance(metadata, dict) and isinstance(labels, dict):
        metadata["labels"] = {key: value for key, value in labels.items() if key not in _OF_A_RUN}
    return found


def once_only(live: LiveFacts, source: Json, what: str) -> Next | None:
    """Why it may not run twice: nobody has said that it may. None where people have."""
    annotations = part_of(source, "/metadata/annotations")
    if isinstance(annotations, Mapping) and annotations.get(IDEMPOTENT_ANNOTATION) == "true":
        return None
    return cannot(live, source, f'{what} does not bear {IDEMPOTENT_ANNOTATION}: "true": nobody has said that it may run twice')


def source(live: LiveFacts, kind: str, name: str | None) -> Json | Next:
    """What is run: the target itself, as it was judged, or the Job or CronJob of that name beside it."""
    target = live.subject
    if target.kind == kind and name in {None, target.name}:
        return live.raw
    if name is None:
        return Failed(message=f"{target.short} is no {kind}, and the step names none")
    return found(live, kind, name)


def found(live: LiveFacts, kind: str, name: str) -> Json | Next:
    """The Job or CronJob of that name in the target's namespace; what the step wants where it is not known, or not there."""
    asked = Listed(BATCH, kind, live.subject.namespace)
    listed = live.answers.get(asked)
    if listed is None:
        return Ask(reads=(asked,))
    if isinstance(listed, UnknownT):
        return Wait(until_time=live.now + SETTLE, message=f"the {kind}s of the namespace could not be read")
    one = next((one for one in listed if part_of(one, "/metadata/name") == name), None)
    return one if one is not None else Failed(message=f"there is no {kind} {name} in {asked.namespace}")


def followed(live: LiveFacts, done: Sequence[StepStatus]) -> Next:
    """What has become of the Job that the step made."""
    if any(one.outcome is not None and reruns.JOB in one.outcome.after for one in done):
        return Done(message="the Job is complete")
    made_by = next((one for one in done if one.intent is not None and one.state is StepState.APPLIED), None)
    name = made_by.intent.target_ref.name if made_by is not None and made_by.intent is not None else ""
    job = found(live, JOB, name)
    if isinstance(job, Failed):
        return Failed(message=f"Job {name} is gone: whether it did its work can't be told")
    if not isinstance(job, Mapping):
        return job
    listed = part_of(job, "/status/conditions")
    for one in listed if isinstance(listed, Sequence) else ():
        if part_of(one, "/status") == "True" and part_of(one, "/type") == "Complete":
            return Note(message=f"Job {name} is complete", outputs=_complete(job, name))
        if part_of(one, "/status") == "True" and part_of(one, "/type") == "Failed":
            return Failed(message=f"Job {name} failed: {part_of(one, '/reason') or 'no reason'}: {part_of(one, '/message') or 'no message'}"[:1024])
    return Wait(until_time=live.now + LOOK, message=f"Job {name} is at work")


def _complete(job: Json, name: str) -> dict[str, str]:
    time = part_of(job, "/status/completionTime")
    return {reruns.JOB: name, **({reruns.COMPLETED: time} if isinstance(time, str) else {})}


def _plain(value: object) -> Any:
    """A copy that can be changed."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
