"""Which Incidents are about a target. A person may leave the target's namespace and uid out; the operator never does."""

from __future__ import annotations

from collections.abc import Iterable

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident
from prunella.core.healing import reruns
from prunella.core.incident import correlate
from prunella.core.subject import namespace_of
from prunella.core.things.job import Job

from .ports import View


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
        made_by = next((one for one in view.remediations() if reruns.made(one, thing.intent)), None)
        return made_by.spec.target_ref if made_by is not None else thing.ref
    return thing.ref if thing is not None else None


def ended_for_good(view: View, ref: ObjectRef) -> bool:
    """Whether it is a Job that failed and that an attempt ran again with success: an alert about it tells of what is over."""
    thing = view.thing(ref.kind, ref.namespace or "", ref.name) if ref.kind == Job.kind else None
    if not isinstance(thing, Job) or thing.failed_time is None or thing.uid != ref.uid:
        return False
    return reruns.completed_time(view.remediations(), thing.uid) is not None


def about(incidents: Iterable[Incident], target: ObjectRef) -> list[Incident]:
    """The Incidents of a target, each with its whole reference, so that they compare equal."""
    found = []
    for one in incidents:
        ref = full_ref(one, target.uid)
        if correlate.same_target(ref, target):
            found.append(one.model_copy(update={"spec": one.spec.model_copy(update={"target_ref": ref})}))
    return found
