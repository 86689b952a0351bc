"""Publish: Events and metrics of what was just stored. Events are a courtesy: the timeline in status is the record.

An Event bears the Incident's name and the sequence of its timeline entry, so that a repeat is the same Event.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from prunella.api.base import API_VERSION
from prunella.api.common import ObjectRef
from prunella.api.incident import Incident
from prunella.app.ports import Store, Telemetry
from prunella.core.draft import Count

log = logging.getLogger(__name__)
EVENTS: Final = {
    "Opened": True,
    "PriorityAssessed": False,
    "Acknowledged": False,
    "RemediationSuggested": False,
    "RemediationBlocked": True,
    "AwaitingApproval": True,
    "Approved": False,
    "ApprovalExpired": True,
    "RemediationStarted": False,
    "RolledBack": False,
    "Frozen": True,
    "Restarted": False,
    "PodsDeleted": False,
    "Changed": False,
    "Verified": False,
    "RemediationFailed": True,
    "RemediationUnknown": True,
    "Escalated": True,
    "PageFailed": True,
    "NobodyReachable": True,
    "Mitigated": False,
    "Resolved": False,
    "Reopened": True,
    "Cancelled": False,
    "BreakerOpened": True,
}
"""Timeline entries that become an Event, and whether it is a Warning."""

ON_WORKLOAD: Final = frozenset({"RolledBack", "Frozen", "Restarted", "PodsDeleted", "Changed", "RemediationBlocked"})


class Publisher:
    """Emits Events and counts numbers."""

    def __init__(self, store: Store, telemetry: Telemetry) -> None:
        self._store = store
        self._telemetry = telemetry

    async def publish(self, before: Incident, stored: Incident) -> None:
        """Events of the timeline entries that are new since `before`."""
        known = before.status.timeline[-1].sequence if before.status.timeline else 0
        incident = ObjectRef(
            api_version=API_VERSION, kind="Incident", namespace=stored.metadata.namespace, name=stored.metadata.name, uid=stored.metadata.uid
        )
        target = stored.spec.target_ref.model_copy(update={"namespace": stored.target_namespace})
        for entry in stored.status.timeline:
            if entry.sequence <= known:
                continue
            log.info(entry.what, extra={"incident": f"{stored.metadata.namespace}/{stored.metadata.name}", "said": entry.message, "by": entry.by})
            if entry.what not in EVENTS:
                continue
            name = f"{stored.metadata.name}.{entry.sequence:06d}"
            warning = EVENTS[entry.what]
            await self._store.emit_event(regarding=incident, name=name, reason=entry.what, message=entry.message, warning=warning, time=entry.time)
            if entry.what in ON_WORKLOAD and target.api_version == "apps/v1":
                await self._store.emit_event(
                    regarding=target, name=f"{name}.w", reason=entry.what, message=entry.message, warning=warning, time=entry.time, related=incident
                )

    def count(self, counts: Iterable[Count]) -> None:
        """Numbers of a decision that was stored."""
        for one in counts:
            if one.value is None:
                self._telemetry.count(one.metric, 1, **dict(one.labels))
            else:
                self._telemetry.observe(one.metric, one.value, **dict(one.labels))
