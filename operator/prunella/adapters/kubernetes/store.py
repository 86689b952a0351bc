"""Our own kinds in the API server, which is the only store: live reads, compare-and-swap writes.

The rule this module protects: a create is an election and a replacement is a compare-and-swap; nothing of ours is overwritten unseen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import pydantic

from prunella.api.base import WireModel, micro_time
from prunella.api.common import Condition, Metadata, ObjectRef
from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.api.runbook_status import Shadow
from prunella.api.workload_record import WorkloadRecord
from prunella.app.errors import OutcomeUnknown, Permanent, PrunellaError, Retryable
from prunella.app.listing import Listing
from prunella.core.facts import UNKNOWN, UnknownT

from . import resources
from .answers import Answer
from .client import Api
from .events import Events
from .resources import MERGE_PATCH, Call, Resource

M = TypeVar("M", bound=WireModel)

_BY_KIND: Final = {resource.kind: resource for resource in resources.OWN}
_PAGE: Final = "500"


class Objects:
    """The port `Store`."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._events = Events(api)

    async def incident(self, namespace: str, name: str) -> Incident | None:
        """A live read; None where it is not there."""
        return await self._get(resources.INCIDENT, Incident, namespace, name)

    async def create_incident(self, incident: Incident) -> Incident:
        """The election. Raises AlreadyExists for all but one."""
        return await self._create(resources.INCIDENT, Incident, incident)

    async def put_incident_status(self, incident: Incident) -> Incident:
        """Replace the status if the resourceVersion is still that one. Raises Conflict."""
        return await self._put_status(resources.INCIDENT, Incident, incident)

    async def remediation(self, namespace: str, name: str) -> Remediation | None:
        """A live read; None where it is not there."""
        return await self._get(resources.REMEDIATION, Remediation, namespace, name)

    async def remediations_of(self, incident: Incident) -> Sequence[Remediation]:
        """Attempts of that very Incident, by uid, in the order of their numbers."""
        return (await self.remediations_in(incident.metadata.namespace or "")).of(incident)

    async def remediations_in(self, namespace: str) -> Listing:
        """All attempts of a namespace, read live. Raises Permanent where one can't be read: it might hold the target."""
        found: list[Remediation] = []
        token = version = ""
        while True:
            query = {"limit": _PAGE, **({"continue": token} if token else {})}
            answer = await self._api.ask(resources.REMEDIATION.call("list", namespace, query=query))
            if answer is None:
                raise Permanent("The API server does not serve remediations.prunella.dev: are the CRDs installed?")
            body = answer.object()
            found += [_read(Remediation, stored) for stored in body.get("items") or ()]
            meta = body.get("metadata", {})
            version = version or str(meta.get("resourceVersion", ""))  # of the first page: whatever comes later, no more than that is promised
            token = meta.get("continue") or ""
            if not token:
                return Listing(tuple(found), version)

    async def create_remediation(self, remediation: Remediation) -> Remediation:
        """The election of an attempt. Raises AlreadyExists for all but one."""
        return await self._create(resources.REMEDIATION, Remediation, remediation)

    async def put_remediation_status(self, remediation: Remediation) -> Remediation:
        """Replace the status if the resourceVersion is still that one. Raises Conflict."""
        return await self._put_status(resources.REMEDIATION, Remediation, remediation)

    async def record(self, namespace: str, name: str) -> WorkloadRecord | None:
        """A live read; None where it is not there."""
        return await self._get(resources.WORKLOAD_RECORD, WorkloadRecord, namespace, name)

    async def put_record(self, record: WorkloadRecord) -> WorkloadRecord:
        """Create it (no resourceVersion) or replace that version. Raises AlreadyExists, Conflict."""
        if not record.metadata.resource_version:
            return await self._create(resources.WORKLOAD_RECORD, WorkloadRecord, record)
        meta = record.metadata
        body = {**_head(resources.WORKLOAD_RECORD, _versioned(meta)), "spec": record.spec.wire()}
        answer = await self._write(resources.WORKLOAD_RECORD.call("update", meta.namespace, meta.name, body=body))
        return _read(WorkloadRecord, answer.object())

    async def healing_policy(self) -> HealingPolicy | UnknownT | None:
        """The kill switch, read live. UNKNOWN where it could not be read."""
        try:
            return await self._get(resources.HEALING_POLICY, HealingPolicy, None, resources.POLICY_NAME)
        except PrunellaError:
            return UNKNOWN

    async def put_conditions(self, kind: str, namespace: str | None, name: str, generation: int, conditions: Sequence[Condition]) -> None:
        """Conditions and observedGeneration of a kind that people apply."""
        status = {"observedGeneration": generation, "conditions": [condition.wire() for condition in conditions]}
        await self._patch_status(_BY_KIND[kind], namespace, name, status)

    async def runbook(self, namespace: str, name: str) -> Runbook | None:
        """A live read; None where it is not there."""
        return await self._get(_BY_KIND["Runbook"], Runbook, namespace, name)

    async def put_shadow(self, runbook: Runbook, shadow: Shadow) -> None:
        """What a Runbook would have done, if its resourceVersion is still that one. Raises Conflict."""
        meta = runbook.metadata
        await self._patch_status(_BY_KIND["Runbook"], meta.namespace, meta.name, {"shadow": shadow.wire()}, version=meta.resource_version)

    async def put_storm(self, since: datetime | None, message: str | None, ended: datetime | None) -> None:
        """Since when the storm brake is on, or when it went off."""
        times = {"stormSinceTime": since, "stormEndedTime": ended}
        status = {"stormMessage": message, **{name: micro_time(time) if time else None for name, time in times.items()}}
        await self._patch_status(resources.HEALING_POLICY, None, resources.POLICY_NAME, status)

    async def emit_event(
        self, *, regarding: ObjectRef, name: str, reason: str, message: str, warning: bool, time: datetime, related: ObjectRef | None = None
    ) -> None:
        """Tell `kubectl describe`. Never raises: an Event is a courtesy."""
        await self._events.emit(regarding=regarding, name=name, reason=reason, message=message, warning=warning, time=time, related=related)

    async def _get(self, resource: Resource, model: type[M], namespace: str | None, name: str) -> M | None:
        answer = await self._api.ask(resource.call("get", namespace, name))
        return _read(model, answer.object()) if answer else None

    async def _create(self, resource: Resource, model: type[M], made: Incident | Remediation | WorkloadRecord) -> M:
        meta = made.metadata
        fresh = {"name": meta.name, "namespace": meta.namespace, "labels": meta.labels, "annotations": meta.annotations}
        body = {**_head(resource, {key: value for key, value in fresh.items() if value}), "spec": made.spec.wire()}
        answer = await self._write(resource.call("create", meta.namespace, body=body))
        return _read(model, answer.object())

    async def _put_status(self, resource: Resource, model: type[M], made: Incident | Remediation) -> M:
        # The API server takes nothing but status here; spec is sent because the schema asks for it.
        body = {**_head(resource, _versioned(made.metadata)), "spec": made.spec.wire(), "status": made.status.wire()}
        answer = await self._write(resource.call("update", made.metadata.namespace, made.metadata.name, "status", body=body))
        return _read(model, answer.object())

    async def _patch_status(self, resource: Resource, namespace: str | None, name: str, status: Mapping[str, object], version: str = "") -> None:
        body = {"status": status, **({"metadata": {"resourceVersion": version}} if version else {})}
        await self._write(resource.call("patch", namespace, name, "status", body=body, content_type=MERGE_PATCH))

    async def _write(self, call: Call) -> Answer:
        try:
            answer = await self._api.ask(call)
        except OutcomeUnknown as error:
            # Unlike an effect, a write to our own kinds tells by reading it again whether it was done.
            raise Retryable(str(error)) from error
        if answer is None:
            raise Permanent(f"The API server does not know how to {call.words}")
        return answer


def _head(resource: Resource, metadata: Mapping[str, object]) -> dict[str, object]:
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _versioned(meta: Metadata) -> dict[str, object]:
    kept = {"name": meta.name, "namespace": meta.namespace, "uid": meta.uid, "resourceVersion": meta.resource_version}
    return {**{key: value for key, value in kept.items() if value}, "labels": meta.labels, "annotations": meta.annotations}


def _read(model: type[M], stored: Mapping[str, Any]) -> M:
    try:
        return model.read(stored)
    except pydantic.ValidationError as error:
        meta = stored.get("metadata", {})
        where = "/".join(filter(None, (meta.get("namespace"), meta.get("name"))))
        raise Permanent(f"{model.__name__} {where} can't be read: {error.errors(include_url=False, include_input=False)[0]['msg']}") from error
