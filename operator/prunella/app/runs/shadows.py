"""Shadows: what a Runbook would have done is added up in its status, once for each Incident.

The rule this module protects: an Incident is counted by its uid and under the version that was read, so that a crash, a second look or another
replica counts nothing twice. Nothing but the Runbook's status is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prunella.api.incident import Incident
from prunella.api.runbook import Runbook
from prunella.api.runbook_status import Shadow
from prunella.app.errors import Conflict, Retryable
from prunella.app.ports import Store, View
from prunella.core.healing.runs import shadow

TRIES: Final = 3


class Shadows:
    """Counts verdicts."""

    def __init__(self, view: View, store: Store) -> None:
        self._view = view
        self._store = store

    async def count(self, incident: Incident) -> None:
        """Add the Incident's verdict to its Runbook, if there is one that does not stand there yet. Raises Retryable."""
        plan = incident.status.shadow
        if plan is None or plan.verdict is None:
            return
        place = (plan.runbook_ref.namespace, plan.runbook_ref.name)
        known = next((one for one in self._view.runbooks() if (one.metadata.namespace, one.metadata.name) == place), None)
        if known is not None:
            await self._put(known, lambda runbook: shadow.counted(runbook, incident))

    async def renew(self, runbook: Runbook) -> None:
        """A Runbook that was changed begins anew. Raises Retryable."""
        await self._put(runbook, shadow.renewed)

    async def _put(self, known: Runbook, make: Callable[[Runbook], Shadow | None]) -> None:
        """What the cache shows may be old: it is made anew of what is read before every write."""
        if make(known) is None:
            return
        for _ in range(TRIES):
            fresh = await self._store.runbook(known.metadata.namespace or "", known.metadata.name)
            made = make(fresh) if fresh is not None else None
            if fresh is None or made is None:
                return
            try:
                await self._store.put_shadow(fresh, made)
            except Conflict:
                continue
            return
        raise Retryable(f"Runbook {known.metadata.name} changed {TRIES} times meanwhile", delay=1.0)
