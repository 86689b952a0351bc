"""Self-service: whether a run that a person asks for may be taken on, and what of it is pinned.

The rule this module protects: asking is no permission. The Runbook must be for people, the target must be of the requester's namespace, what was
chosen must be permitted and the quota must have room, before anything is planned; then the plan and every guard are asked as for any other run.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import Budget
from prunella.api.incident import Hold, Incident, IncidentSpec, IncidentStatus, Reporter
from prunella.api.names import Cause, Mode
from prunella.api.remediation import Pinned, Remediation, RunbookRef
from prunella.api.runbook import Runbook
from prunella.core.healing.notation import parameters
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import filling, identity, match
from prunella.core.healing.runbooks.match import Fit
from prunella.core.healing.runbooks.plan import Plan, runbook_sha256
from prunella.core.healing.steps import registry
from prunella.core.world import World

from . import history

KINDS: Final = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1"}
NOT_PERMITTED: Final = "RunNotPermitted"


def chosen(request: Remediation, runbooks: Iterable[Runbook], operator_namespace: str) -> Runbook | Refusal:
    """The Runbook that the request names, with what was chosen, or why it is not run for it. Raises nothing: what is wrong names the field."""
    wanted = request.spec.runbook_ref
    runbook = next((one for one in runbooks if (one.metadata.namespace, one.metadata.name) == (wanted.namespace, wanted.name)), None)
    if runbook is None:
        message = f"`spec.runbookRef`: there is no Runbook {wanted.namespace}/{wanted.name}; `kubectl get runbooks -n {wanted.namespace}` lists them"
        return Refusal(reason="UnknownReference", message=message)
    return _not_for(request, runbook, operator_namespace) or _chosen(request, runbook)


def _chosen(request: Remediation, runbook: Runbook) -> Runbook | Refusal:
    """The Runbook as it is carried out with what the person chose."""
    made = filling.filled(runbook, request.spec.parameters)
    if isinstance(made, str):
        return Refusal(reason="ParameterInvalid", message=made)
    unknown = next((wrong for step in made.spec.steps if (wrong := registry.wrong_with(step)) is not None), None)
    return made if unknown is None else Refusal(reason=NOT_PERMITTED, message=f"Runbook {runbook.metadata.name} can't be used: {unknown}")


def _not_for(request: Remediation, runbook: Runbook, operator_namespace: str) -> Refusal | None:
    name, namespace, target = runbook.metadata.name, request.metadata.namespace or "", request.spec.target_ref
    if runbook.spec.self_service is None:
        message = f"Runbook {name} is not for people who ask for runs: whoever owns it sets `spec.selfService`"
        return Refusal(reason=NOT_PERMITTED, message=message)
    if not identity.reaches(runbook, namespace, operator_namespace):
        message = f"`spec.runbookRef`: Runbook {name} is for targets of {runbook.metadata.namespace} alone, and this is {namespace}"
        return Refusal(reason=NOT_PERMITTED, message=message)
    if target.namespace not in {None, namespace}:
        message = f"`spec.targetRef.namespace`: a run is for a target of its own namespace, {namespace}; leave it out"
        return Refusal(reason=NOT_PERMITTED, message=message)
    if target.api_version != KINDS.get(target.kind):
        message = f"`spec.targetRef`: a run is for a Deployment, StatefulSet or DaemonSet of apps/v1, not for a {target.kind} of {target.api_version}"
        return Refusal(reason=NOT_PERMITTED, message=message)
    wrong = parameters.wrong_with(runbook.spec.parameters, request.spec.parameters)
    return Refusal(reason="ParameterInvalid", message=wrong) if wrong is not None else match.usable(runbook, operator_namespace)


def quota(request: Remediation, runbook: Runbook, others: Sequence[Remediation], now: datetime) -> Refusal | None:
    """Whether the requester and the namespace have a run left. `others` are the Remediations of the namespace, by a live list."""
    limits = runbook.spec.self_service
    if limits is None:
        return Refusal(reason=NOT_PERMITTED, message=f"Runbook {runbook.metadata.name} is not for people who ask for runs")
    place = (request.spec.runbook_ref.namespace, request.spec.runbook_ref.name)
    runs = [
        one
        for one in others
        if one.is_request
        and one.accepted
        and one.metadata.uid != request.metadata.uid
        and (one.spec.runbook_ref.namespace, one.spec.runbook_ref.name) == place
    ]
    who, namespace = request.spec.requested_by, request.metadata.namespace
    own = [one for one in runs if one.spec.requested_by == who]
    earlier = [one for one in others if _waits(one) and one.spec.requested_by == who and _made(one) < _made(request)]
    if len(earlier) >= max(limits.per_requester.count, 1):
        message = f"{len(earlier)} requests of {who} in {namespace} wait to be judged: ask again when they are"
        return Refusal(reason="BudgetSpent", message=message)
    return _over(f"of {who} in {namespace}", limits.per_requester, own, now) or _over(f"in {namespace}", limits.per_namespace, runs, now)


def _waits(one: Remediation) -> bool:
    """Whether it is a request that was neither taken on nor refused yet."""
    return one.is_request and not one.accepted and not (one.status.phase is not None and one.status.phase.final)


def _made(one: Remediation) -> tuple[str, str]:
    created = one.metadata.creation_timestamp
    return (created.isoformat() if created is not None else "", one.metadata.name)


def _over(whose: str, limit: Budget, runs: list[Remediation], now: datetime) -> Refusal | None:
    window = timedelta(seconds=limit.window_seconds)
    recent = sorted(one.status.pinned.due_time for one in runs if one.status.pinned is not None and now - one.status.pinned.due_time < window)
    if len(recent) < limit.count:
        return None
    again = recent[len(recent) - limit.count] + window if recent and limit.count else None
    when = f"; the next one is free at {again:%H:%M:%S} UTC: ask again then" if again is not None else ""
    return Refusal(reason="BudgetSpent", message=f"{len(recent)} of {limit.count} runs in {limit.window_seconds} s are spent {whose}{when}")


def fit(request: Remediation, runbook: Runbook, world: World) -> Fit | Refusal:
    """The Runbook for this target, whatever its causes: a person says that it fits. Its kinds and labels hold all the same."""
    facts = world.workload
    if facts is None:
        return Refusal(reason="EvidenceMissing", message="the target could not be read")
    outside = match.outside(runbook.spec.match, facts.workload)
    if outside is not None:
        return Refusal(reason=NOT_PERMITTED, message=f"Runbook {runbook.metadata.name}: {outside.message}")
    return Fit(runbook=runbook, asked=dict(request.spec.parameters))


def pinned(made: Plan, world: World, now: datetime) -> Pinned:
    """What of the run is fixed before anything is done. A mode that only shows is Suggest."""
    runbook = made.runbook
    return Pinned(
        target_ref=made.subject.ref,
        runbook_ref=RunbookRef(
            namespace=runbook.metadata.namespace or "",
            name=runbook.metadata.name,
            uid=runbook.metadata.uid,
            generation=runbook.metadata.generation,
            sha256=runbook_sha256(runbook),
            service_account_name=runbook.spec.service_account_name,
        ),
        attempt=history.next_attempt(world, made),
        accused_revision=made.accused.hash if made.accused else None,
        mode=made.mode if made.mode.rank >= Mode.APPROVE.rank else Mode.SUGGEST,
        plan_hash=made.hash,
        due_time=now,
    )


def stand_in(request: Remediation, open_ones: Iterable[Incident], all_of_target: Iterable[Incident]) -> Incident:
    """The run as the guards know a story: it is no Incident, nobody is paged for it, and it is never stored.

    What people said of Incidents about the target holds for it too: a hold, and that they looked after an attempt went wrong.
    """
    hold: Hold | None = next((one.spec.hold for one in open_ones if one.spec.hold is not None), None)
    retried = max((one.status.last_handled_retry_time for one in all_of_target if one.status.last_handled_retry_time is not None), default=None)
    ref = request.spec.target_ref.model_copy(update={"namespace": request.metadata.namespace})
    return Incident(
        metadata=request.metadata,
        spec=IncidentSpec(title=f"a run of {request.spec.runbook_ref.name}"[:256], target_ref=ref, hold=hold),
        status=IncidentStatus(cause=Cause.REPORTED, last_handled_retry_time=retried),
    )


def gone_wrong(request: Remediation) -> Incident:
    """What is reported of a run whose effect can't be known, or did not do what it should: from here on it is a fault as any other."""
    target: ObjectRef = request.spec.target_ref
    how = str(request.status.outcome or "Unknown")
    title = f"{how}: run {request.metadata.name} of {request.spec.runbook_ref.name}, which {request.spec.requested_by} asked for"
    return Incident(
        metadata=request.metadata.model_copy(
            update={
                "name": f"{request.metadata.name[:230].rstrip('-.')}-{request.metadata.uid[:5]}",
                "uid": "",
                "resource_version": "",
                "labels": {},
                "annotations": {},
            }
        ),
        spec=IncidentSpec(title=title[:256], target_ref=target, reporters=(Reporter(name=request.spec.requested_by),)),
    )
