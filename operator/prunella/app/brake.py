"""The storm brake's keeper: looks at all open Incidents on each change, and stores on the HealingPolicy since when it is on.

What is stored survives a restart: the brake goes on holding, and its calm is counted anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from prunella.api.base import API_VERSION
from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec
from prunella.core.healing.guards.storm import StormState, brake, failed_trial

from .around.failing_now import open_incidents, opted_in_workloads
from .gather import Gatherer
from .ports import Clock, Store, Telemetry, View

log = logging.getLogger(__name__)
AGAIN: Final = timedelta(seconds=10)
"""How soon at the earliest the same is written once more: a cache that lags is one of a cluster that is busy."""


class Brake:
    """Keeps the storm brake. `wake_all` (set once it is wired) has every open Incident decided again when it goes on or off."""

    wake_all: Callable[[], None]

    def __init__(self, view: View, store: Store, gatherer: Gatherer, clock: Clock, telemetry: Telemetry) -> None:
        self._view = view
        self._store = store
        self._gatherer = gatherer
        self._clock = clock
        self._telemetry = telemetry
        self._state: StormState | None = None
        self._untold: tuple[StormState, StormState] | None = None
        """What has yet to be stored and told: a write may fail."""
        self._again = clock.now()
        """From when on what is stored may be written once more."""

    async def look(self) -> None:
        """Bring the brake up to date."""
        policy = self._view.healing_policy()
        now = self._clock.now()
        before = self._state if self._state is not None else _stored(policy)
        limits = policy.spec.storm if policy is not None else HealingPolicySpec().storm
        ended = policy.status.storm_ended_time if policy is not None else None
        trial = failed_trial(tuple(self._view.remediations()), ended, now) if ended is not None else ""
        after = brake(before, open_incidents(self._view, now), opted_in_workloads(self._view), limits, now, trial=trial)
        self._state = after
        self._gatherer.storm_since = after.since
        self._telemetry.gauge("storm_active", 1 if after.since else 0)
        if (after.since is None) != (before.since is None):
            log.warning("The storm brake changed", extra={"active": after.since is not None, "why": after.message})
            self._untold = (before, after)
            self.wake_all()
        if self._untold is not None and policy is not None:
            await self._tell(policy, *self._untold)
            self._untold = None
        elif policy is not None and after.since is not None and policy.status.storm_since_time != after.since and now >= self._again:
            # It was deleted and made again. Where the cache only lags behind our own write, this writes the same once more.
            self._again = now + AGAIN
            await self._store.put_storm(after.since, after.message or None, None)

    async def _tell(self, policy: HealingPolicy, before: StormState, after: StormState) -> None:
        self._again = self._clock.now() + AGAIN
        started = after.since is not None
        await self._store.put_storm(after.since, after.message or None, None if started else self._clock.now())
        since = after.since or before.since or self._clock.now()
        reason = "StormStarted" if started else "StormEnded"
        message = "it is calm again: attempts begin one at a time until one has healed"
        if started:
            message = f"{after.message}: no new action starts until it has been calm for {policy.spec.storm.calm_seconds} s"
        ref = ObjectRef(api_version=API_VERSION, kind="HealingPolicy", name=policy.metadata.name, uid=policy.metadata.uid)
        name = f"{policy.metadata.name}.{'storm' if started else 'calm'}.{int(since.timestamp())}"
        await self._store.emit_event(regarding=ref, name=name, reason=reason, message=message, warning=started, time=self._clock.now())


def _stored(policy: HealingPolicy | None) -> StormState:
    if policy is None or policy.status.storm_since_time is None:
        return StormState()
    return StormState(since=policy.status.storm_since_time, message=policy.status.storm_message or "")
