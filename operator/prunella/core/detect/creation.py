"""Pods that can't even be created: a quota is spent, a policy or a webhook refuses them, their account is missing.

Only a Deployment's status tells; a StatefulSet and a DaemonSet leave it to Events.

The rule this module protects: it accuses nobody, for who refuses is in the message alone; and a refusal that hurts nobody is none.
"""

from __future__ import annotations

from prunella.api.names import Cause
from prunella.core.facts import Workload, WorkloadCondition

from .look import Look, Symptom, quote


def replica_creation_failed(look: Look) -> Symptom | None:
    """ReplicaCreationFailed: the controller says that it could not create a pod, and pods are missing."""
    workload = look.facts.workload
    refused = refusal(workload)
    if refused is None:
        return None
    if workload.available >= workload.desired and not look.incomplete:
        return None  # an old word: everything is there
    since = refused.last_transition_time or refused.last_update_time or look.now
    return Symptom(
        cause=Cause.REPLICA_CREATION_FAILED,
        pods=(),
        what=f"can't create pods ({quote(refused.message) or refused.reason})",
        started_time=since,
        open_time=look.open_after(Cause.REPLICA_CREATION_FAILED, since),
    )


def refusal(workload: Workload) -> WorkloadCondition | None:
    """What a Deployment's controller says now of a pod that it could not create."""
    said = workload.condition("ReplicaFailure")
    return said if said is not None and said.status == "True" and said.reason == "FailedCreate" else None
