"""Which Incidents are about a target. A person may leave the target's namespace and uid out; the operator never does."""

from __future__ import annotations

from collections.abc import Iterable

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident
from prunella.core.incident import correlate


def full_ref(incident: Incident, uid: str | None = None) -> ObjectRef:
    """The target with its namespace written out and, where a person left the uid out, with that one."""
    ref = incident.spec.target_ref
    return ref.model_copy(update={"namespace": incident.target_namespace or None, "uid": ref.uid or uid})


def about(incidents: Iterable[Incident], target: ObjectRef) -> list[Incident]:
    """The Incidents of a target, each with its whole reference, so that they compare equal."""
    found = []
    for one in incidents:
        ref = full_ref(one, target.uid)
        if correlate.same_target(ref, target):
            found.append(one.model_copy(update={"spec": one.spec.model_copy(update={"target_ref": ref})}))
    return found
