"""Which Incidents are about a target. A person may leave the target's namespace and uid out; the operator never does."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident
from prunella.api.remediation import Remediation
from prunella.app.ports import View
from prunella.core.facts import AlertFacts
from prunella.core.healing.known import reruns
from prunella.core.incident import correlate
from prunella.core.subject import namespace_of
from prunella.core.things import bygone
from prunella.core.things.cron_job import CronJob
from prunella.core.things.detect import detect
from prunella.core.things.job import Job
from prunella.core.things.past import Past
from prunella.core.things.sighting import At

RUNS: Final = frozenset({Job.kind, CronJob.kind})


def full_ref(incident: Incident, uid: str | None = None) -> ObjectRef:
    """The target with its namespace, if it has one, written out and, where a person left the uid out, with that one."""
    ref = incident.spec.target_ref
    return ref.model_copy(update={"namespace": namespace_of(ref, incident.target_namespace) or None, "uid": ref.uid or uid})


def thing_ref(view: View, kind: str, namespace: str, name: str) -> ObjectRef | None:
    """Whom a fault of a thing is told of; None where there is no such thing.

    Of a Job that a schedule runs again it is the CronJob, and of one that an attempt made the target of that attempt.
    """
    thing = view.thing(kind, namespace, name)
    if isinstance(thing, Job) and thing.of_cron_job:
        owner = view.thing("CronJob", namespace, thing.owner_name)
        return owner.ref if owner is not None else thing.ref
    if isinstance(thing, Job) and thing.intent:
        made_by = _made_by(view, thing)
        return made_by.spec.target_ref if made_by is not None else thing.ref
    return thing.ref if thing is not None else None


def is_an_attempts(view: View, ref: ObjectRef, alert: AlertFacts) -> bool:
    """Whether the alert came to this target by a Job that an attempt made: what becomes of that is the attempt's to tell."""
    name, namespace = alert.labels.get(bygone.JOB_LABEL, ""), alert.labels.get("namespace", "")
    thing = view.thing(Job.kind, namespace, name) if name else None
    made_by = _made_by(view, thing) if isinstance(thing, Job) and thing.intent else None
    return made_by is not None and made_by.spec.target_ref == ref


def tells_of_the_past(view: View, ref: ObjectRef, alert: AlertFacts) -> bool:
    """Whether the alert is about a run that failed before its Job or CronJob was well again. What can't be seen is no past."""
    thing = view.thing(ref.kind, ref.namespace or "", ref.name) if ref.kind in RUNS else None
    if thing is None or thing.uid != ref.uid or not view.sees(thing.kind, thing.namespace, alert.received_time):
        return False
    time = reruns.completed_time(view.remediations(), thing.uid)
    finding = detect(thing, At(now=alert.received_time, past=Past(ran_again_time=time))).finding
    return bygone.told(thing, finding, alert.labels, ran_again=time is not None)


def _made_by(view: View, job: Job) -> Remediation | None:
    return next((one for one in view.remediations() if reruns.made(one, job.intent)), None)


def about(incidents: Iterable[Incident], target: ObjectRef) -> list[Incident]:
    """The Incidents of a target, each with its whole reference, so that they compare equal."""
    found = []
    for one in incidents:
        ref = full_ref(one, target.uid)
        if correlate.same_target(ref, target):
            found.append(one.model_copy(update={"spec": one.spec.model_copy(update={"target_ref": ref})}))
    return found
