"""The objects of the files that are no workloads and that a Runbook may act on, each with what belongs to it.

The rule it protects: whom a fault is told of is told as the operator tells it: a Job of a CronJob speaks for nobody, and its alert is the CronJob's.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from prunella.api.common import ObjectRef
from prunella.core.facts import Pod, Seen, subject_of
from prunella.core.subject import Place, Thing
from prunella.core.things.autoscaler import AutoscalerFacts
from prunella.core.things.certificate import Certificate
from prunella.core.things.claim import Claim
from prunella.core.things.cron_job import CronJob
from prunella.core.things.job import Job
from prunella.core.things.node import Node

from .recorded import Recorded

KINDS: Final = (Node.kind, Job.kind, CronJob.kind, Claim.kind, AutoscalerFacts.kind, Certificate.kind)
"""As they are told of."""
_GRANTED: Final = {Node.kind: "nodes", Job.kind: "run-jobs", CronJob.kind: "run-jobs"}
"""By kind of target, the folder of manifests that grants what its steps need, where that is not `opt-in`."""


def things_of(held: Recorded) -> list[Thing]:
    """What is judged, in the order of kinds and names."""
    jobs = [_with_pods(one, held.of.get("Pod", [])) for one in held.of.get(Job.kind, ())]
    crons = (replace(one, jobs=tuple(job for job in jobs if job.owner_uid == one.uid)) for one in held.of.get(CronJob.kind, ()))
    alone = (one for one in jobs if not one.of_cron_job and not one.intent)
    # An autoscaler that is well is told of with the workload that it scales.
    limited = (one for one in held.of.get(AutoscalerFacts.kind, ()) if one.uid and (one.limited is not None or one.inactive is not None))
    return [*held.of.get(Node.kind, ()), *alone, *crons, *held.of.get(Claim.kind, ()), *limited, *held.of.get(Certificate.kind, ())]


def granted(targets: list[Seen]) -> list[str]:
    """The folders of manifests whose rights are supposed."""
    return list(dict.fromkeys(_GRANTED.get(subject_of(one).kind, "opt-in") for one in targets))


def refs(held: Recorded, targets: list[Seen]) -> dict[Place, ObjectRef]:
    """By kind, namespace and name, whom an alert that names such an object is about."""
    found = {_place(one): one.ref for one in map(subject_of, targets) if isinstance(one, Thing)}
    of_crons = ((one, (CronJob.kind, one.namespace, one.owner_name)) for one in held.of.get(Job.kind, ()) if one.of_cron_job)
    return found | {_place(one): found[where] for one, where in of_crons if where in found}


def _place(one: Thing) -> Place:
    return (one.kind, one.namespace, one.name)


def _with_pods(job: Job, pods: list[Pod]) -> Job:
    return replace(job, pods=tuple(pod for pod in pods if pod.owner_uid == job.uid))
