"""Quarantine: the revision that was rolled back is remembered in the WorkloadRecord, so that no later run chooses it."""

from __future__ import annotations

import logging
from typing import Final

from prunella.api.common import Metadata, ObjectRef
from prunella.api.names import StepState
from prunella.api.remediation import Remediation
from prunella.api.workload_record import WorkloadRecord
from prunella.app.errors import AlreadyExists, Conflict
from prunella.app.ports import Clock, Store, View
from prunella.core.healing.known import record

log = logging.getLogger(__name__)
TRIES: Final = 5


class Quarantine:
    """Writes quarantines."""

    def __init__(self, store: Store, view: View, clock: Clock) -> None:
        self._store = store
        self._view = view
        self._clock = clock

    async def add(self, remediation: Remediation) -> None:
        """Put the accused revision of an attempt that rolled it back into quarantine. Idempotent; races are settled by reading again."""
        accused = remediation.spec.accused_revision
        effect = next(
            (one for one in remediation.status.steps if one.state is StepState.APPLIED and one.intent and "toHash" in one.intent.before), None
        )
        if accused is None or effect is None or effect.intent is None:
            return
        ref = remediation.spec.target_ref
        namespace = remediation.metadata.namespace or ""
        name = record.record_name(ref.kind, ref.name)
        if _stands(self._view.record(namespace, name), ref, accused):
            return  # as each look of a proof finds it
        number = effect.intent.before.get("revision", "0")
        for _ in range(TRIES):
            stored = await self._store.record(namespace, name)
            if _stands(stored, ref, accused):
                return
            wanted = record.quarantine(
                stored,
                ref,
                revision_hash=accused,
                revision=int(number) if number.isdigit() else 0,
                incident=remediation.spec.incident_ref.name if remediation.spec.incident_ref is not None else remediation.metadata.name,
                reason=f"rolled back by {remediation.metadata.name}",
                now=self._clock.now(),
            )
            version = stored.metadata.resource_version if stored is not None else ""
            try:
                await self._store.put_record(WorkloadRecord(metadata=Metadata(name=name, namespace=namespace, resource_version=version), spec=wanted))
            except (Conflict, AlreadyExists):
                continue
            return
        log.warning("The quarantine could not be written", extra={"remediation": remediation.metadata.name})


def _stands(stored: WorkloadRecord | None, ref: ObjectRef, accused: str) -> bool:
    return stored is not None and stored.spec.target_ref.uid == ref.uid and any(one.hash == accused for one in stored.spec.quarantined)
