"""Pods that can't even be created: a quota is spent, a policy or a webhook refuses them, their account is missing.

Only a Deployment's status tells; a StatefulSet and a DaemonSet leave it to Events.

The rule this module protects: who refuses is in the message alone. It accuses the newest revision only of what its template brought: an account
that is missing, or privileges that the namespace does not grant. And a refusal that hurts nobody is none.
"""

from __future__ import annotations

import re
from typing import Final

from prunella.api.names import Cause
from prunella.core.facts import Revision, Workload, WorkloadCondition

from .look import Look, Symptom, quote

_ACCOUNT: Final = re.compile(r'looking up service account \S+: serviceaccount "([^"\s]+)" not found')
_PRIVILEGES: Final = 'violates PodSecurity "'
_PREAMBLE: Final = re.compile(r'^pods (?:"[^"]*" )?is forbidden: (?:error looking up service account \S+: )?')
"""What the API server says before it comes to the point."""


def replica_creation_failed(look: Look) -> Symptom | None:
    """ReplicaCreationFailed: the controller says that it could not create a pod, and pods are missing."""
    workload = look.facts.workload
    refused = refusal(workload)
    if refused is None:
        return None
    if workload.available >= workload.desired and not look.incomplete:
        return None  # an old word: everything is there
    since = refused.last_transition_time or refused.last_update_time or look.now
    point = quote(_PREAMBLE.sub("", refused.message, count=1))
    return Symptom(
        cause=Cause.REPLICA_CREATION_FAILED,
        pods=(),
        what=f"can't create pods ({point or refused.reason})",
        started_time=since,
        open_time=look.open_after(Cause.REPLICA_CREATION_FAILED, since),
        accused=look.newest if look.newest is not None and _brought(look, look.newest, refused.message) else None,
    )


def refusal(workload: Workload) -> WorkloadCondition | None:
    """What a Deployment's controller says now of a pod that it could not create."""
    said = workload.condition("ReplicaFailure")
    return said if said is not None and said.status == "True" and said.reason == "FailedCreate" else None


def _brought(look: Look, newest: Revision, message: str) -> bool:
    """Whether a pod of the newest revision was refused, for what no revision before asks for. A pod is called as its ReplicaSet is, and more."""
    if not message.startswith(f'pods "{newest.name}-'):
        return False
    account = _ACCOUNT.search(message)
    if account is not None:
        return account[1] == newest.demands.account and look.brought(lambda demands: demands.account)
    return _PRIVILEGES in message and look.brought(lambda demands: demands.privileges)
