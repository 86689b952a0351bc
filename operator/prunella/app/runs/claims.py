"""Takes off what attempts that have ended left of field ownership: the process died before it, or the API server did not take it.

The rule this module protects: it is found by the attempts, so that neither a restart nor an outage makes a claim stay. Nothing is written beside an
attempt that is at work, while the kill switch forbids it, or where nothing is left.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from prunella.api.healing_policy import HealingPolicy
from prunella.api.remediation import Remediation
from prunella.app.errors import PrunellaError
from prunella.app.ports import Clock, Executor, Live, Store, View
from prunella.core.healing.guards import guards
from prunella.core.healing.runs import claims

from .hand_back import HandBack

log = logging.getLogger(__name__)
PAUSE: Final = timedelta(seconds=60)
LONGEST_PAUSE: Final = timedelta(hours=1)
"""How long a claim is left alone that could not be taken off: twice as long each time."""


class Claims:
    """Looks for those that stand."""

    def __init__(self, view: View, store: Store, live: Live, executor: Executor, clock: Clock, operator_namespace: str) -> None:
        self._view = view
        self._store = store
        self._clock = clock
        self._operator_namespace = operator_namespace
        self._hand_back = HandBack(live, executor, operator_namespace)
        self._again: dict[str, tuple[datetime, timedelta]] = {}
        """By uid: when an attempt's claim is tried again, and how long that was."""

    async def look(self) -> None:
        """Take off the claims that stand of attempts that have ended."""
        now, known = self._clock.now(), tuple(self._view.remediations())
        owing = [one for one in known if one.status.claim_time is not None]
        due = [one for one in owing if claims.left(one, known, now) and self._pause_over(one, now)]
        for one in due:
            try:
                await self._take_off(one, now)
            except PrunellaError as error:  # one that can't be taken off now holds up none of the others
                log.warning("A claim on fields could not be taken off", extra={"remediation": one.metadata.name, "why": str(error)})
                self._put_off(one, now)
        uids = {one.metadata.uid for one in owing}
        self._again = {uid: pause for uid, pause in self._again.items() if uid in uids}

    async def _take_off(self, cached: Remediation, now: datetime) -> None:
        """Do it and store that. What dies in between is done again, and finds nothing to do."""
        namespace = cached.metadata.namespace or ""
        policy = await self._store.healing_policy()
        where = cached.spec.target_ref.namespace or self._operator_namespace
        if guards.paused(policy if isinstance(policy, HealingPolicy) else None, where) is not None:
            return
        fresh = await self._store.remediation(namespace, cached.metadata.name)
        if fresh is None or fresh.metadata.uid != cached.metadata.uid or not claims.left(fresh, (), now):
            return  # the cache is behind
        if not await self._hand_back.tried(fresh):
            self._put_off(fresh, now)
            return
        await self._store.put_remediation_status(fresh.model_copy(update={"status": fresh.status.model_copy(update={"claim_time": None})}))
        log.info("Field ownership was handed back later", extra={"remediation": f"{namespace}/{fresh.metadata.name}"})

    def _put_off(self, remediation: Remediation, now: datetime) -> None:
        _, before = self._again.get(remediation.metadata.uid, (now, PAUSE / 2))
        pause = min(before * 2, LONGEST_PAUSE)
        self._again[remediation.metadata.uid] = (now + pause, pause)

    def _pause_over(self, remediation: Remediation, now: datetime) -> bool:
        again = self._again.get(remediation.metadata.uid)
        return again is None or now >= again[0]
