"""Put: a decision is stored on its Incident, also where somebody labels or annotates that Incident all the time.

A decision takes longer than a write, so whoever writes all the time is always first. What others write beside spec and status is no part of the
decision: it holds, and is stored at once upon the newer version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from prunella.api.incident import Incident, IncidentStatus
from prunella.app.errors import Conflict
from prunella.app.ports import Store

AGAIN: Final = 5
OURS: Final = "prunella.dev/"


async def put_status(store: Store, decided: Incident, status: IncidentStatus) -> Incident:
    """Replace the status of the Incident that was decided on. Raises Conflict where anything changed of which decisions are made."""
    wanted = decided.model_copy(update={"status": status})
    for _ in range(AGAIN):
        try:
            return await store.put_incident_status(wanted)
        except Conflict:
            newer = await store.incident(decided.metadata.namespace or "", decided.metadata.name)
            if newer is None or _basis(newer) != _basis(decided):
                raise
            wanted = wanted.model_copy(update={"metadata": newer.metadata})
    return await store.put_incident_status(wanted)


def _basis(incident: Incident) -> tuple[object, ...]:
    """All of an Incident that decisions are made of."""
    metadata = incident.metadata
    return metadata.uid, metadata.deletion_timestamp, incident.spec, incident.status, _ours(metadata.labels), _ours(metadata.annotations)


def _ours(marks: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in marks.items() if key.startswith(OURS)}
