"""See: run the detectors on each change of a workload and when a dwell ends, remember what worked, and open an Incident for what is found.

Level-triggered: everything here can be thrown away and is found again from the cache. What must survive stands in WorkloadRecords and Incidents.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from prunella.api.common import Metadata
from prunella.api.healing_policy import HealingPolicySpec
from prunella.api.names import Cause
from prunella.api.workload_record import WorkloadRecord, WorkloadRecordSpec
from prunella.core.detect.detect import Detection, Settings, Surroundings, continued, detect
from prunella.core.facts import UNKNOWN, Finding, UnknownT, Workload, WorkloadFacts
from prunella.core.healing.known import known_config, known_good, record
from prunella.core.incident import correlate

from .around.configs import Configs
from .around.surroundings import at_zero, bare, nodes_of_leaving
from .errors import AlreadyExists, Conflict
from .intake import Intake
from .keys import IncidentKey, WorkloadKey
from .ports import Clock, Store, Tenure, View

log = logging.getLogger(__name__)
PULL_CAUSES: Final = frozenset({Cause.ROLLOUT_IMAGE_PULL, Cause.REGISTRY_UNREACHABLE})


RELEASE_SECONDS: Final = 3600
"""A quarantined revision that somebody applied again and that stays healthy so long is good after all."""


@dataclass
class Sight:
    """What was seen of one workload, newest last. Lost with the process."""

    uid: str
    detection: Detection
    memory: record.Memory
    newest_hash: str = ""
    healthy_since: datetime | None = None
    began_before_our_eyes: set[str] = field(default_factory=set)
    restarts: dict[int, datetime] = field(default_factory=dict)
    """When so many restarts of the accused revision's failing container were first seen."""
    accused: str = ""


class Observer:
    """Turns changes of workloads into findings and Incidents. `wake` puts an Incident's key on its queue; who does not lead only looks."""

    def __init__(
        self, view: View, store: Store, intake: Intake, clock: Clock, tenure: Tenure, configs: Configs, wake: Callable[[IncidentKey], None]
    ) -> None:
        self._view = view
        self.configs = configs
        self._store = store
        self._intake = intake
        self._clock = clock
        self._tenure = tenure
        self._wake = wake
        self._sights: dict[WorkloadKey, Sight] = {}
        self._pulling: set[str] = set()
        """Uids of the workloads whose images can't be pulled."""
        self._started = clock.now()

    def sight(self, key: WorkloadKey) -> Sight | None:
        """What was seen of a workload last."""
        return self._sights.get(key)

    def finding(self, facts: WorkloadFacts) -> Finding | UnknownT | None:
        """The finding of these facts now; UNKNOWN while the controller has not seen the newest template, or a pod does not tell whether it fails."""
        workload = facts.workload
        sight = self._sights.get(WorkloadKey(workload.kind, workload.namespace, workload.name))
        detection = continued(self._detect(facts, self._clock.now()), _last(sight, workload.uid))
        return detection.finding if detection.settled else UNKNOWN

    async def observe(self, key: WorkloadKey) -> datetime | None:
        """Look at one workload. Returns when to look again without a change."""
        now = self._clock.now()
        facts = self._view.workload(*key)
        if facts is None or facts.workload.deleting:
            gone = self._sights.pop(key, None)
            self._pulling.discard(gone.uid if gone is not None else "")
            self.configs.forget(gone.uid if gone is not None else "")
            self._wake_incidents(key)
            return None
        await self.configs.look(facts, self._record(facts), now)
        before = self._sights.get(key)
        sight = self._look(key, facts, before, now)
        finding = sight.detection.finding
        if not self._tenure.leads:
            return sight.detection.look_again
        if finding is not None and finding.open_time <= now:
            await self._intake.found(finding)
        if self._differs(before, sight):
            self._wake_incidents(key)  # before what may fail: the next look sees no difference any more
        await self._remember(facts, sight, now)
        proof = known_config.due_time(facts, self._policy(), now)
        return min((time for time in (sight.detection.look_again, proof) if time is not None), default=None)

    def _look(self, key: WorkloadKey, facts: WorkloadFacts, before: Sight | None, now: datetime) -> Sight:
        workload = facts.workload
        if before is not None and before.uid != workload.uid:
            before = None
        detection = continued(self._detect(facts, now), _last(before, workload.uid))
        finding = detection.finding
        if finding is not None and finding.open_time > now:
            detection = replace(detection, look_again=min(finding.open_time, detection.look_again or finding.open_time))
        memory = record.remember(before.memory if before else record.Memory(uid=workload.uid), facts, now)
        sight = Sight(uid=workload.uid, detection=detection, memory=memory, newest_hash=facts.newest.hash if facts.newest else "")
        sight.began_before_our_eyes = self._eyes(facts, before)
        if known_good.healthy(facts) is True:
            since = known_good.healthy_since(facts) or now
            sight.healthy_since = (before.healthy_since if before else None) or (now if before else since)
        _count_restarts(sight, before, now)
        self._keep(key, sight)
        return sight

    def _keep(self, key: WorkloadKey, sight: Sight) -> None:
        last, finding = self._sights.get(key), sight.detection.finding
        self._sights[key] = sight
        self._pulling.discard(last.uid if last is not None else "")
        if finding is not None and finding.cause in PULL_CAUSES:
            self._pulling.add(sight.uid)

    def _eyes(self, facts: WorkloadFacts, before: Sight | None) -> set[str]:
        """Revisions whose rollout began while we watched."""
        seen = set(before.began_before_our_eyes) if before else set()
        newest = facts.newest
        if newest is None:
            return seen
        appeared = before is not None and before.newest_hash not in {"", newest.hash}
        born = facts.workload.created_time is not None and facts.workload.created_time >= self._started
        young = newest.created_time is not None and newest.created_time >= self._started
        return seen | {newest.hash} if appeared or born or young else seen

    def _detect(self, facts: WorkloadFacts, now: datetime) -> Detection:
        policy = self._policy()
        stored = self._record(facts)
        surroundings = Surroundings(
            record=stored,
            pull_failures_elsewhere=bool(self._pulling - {facts.workload.uid}),
            config_changes=self.configs.changes(facts.workload.uid),
            nodes=nodes_of_leaving(self._view, facts, now),
            bare=bare(self._view, facts, now),
            at_zero=at_zero(self._view, facts.workload, self._last_served(facts.workload, stored, now), now),
        )
        settings = Settings(open_after_seconds={one.cause: one.open_after_seconds for one in policy.detectors})
        return detect(facts, now, settings, surroundings)

    def _last_served(self, workload: Workload, stored: WorkloadRecord | None, now: datetime) -> datetime | None:
        sight = self._sights.get(WorkloadKey(workload.kind, workload.namespace, workload.name))
        memory = sight.memory if sight is not None and sight.uid == workload.uid else record.Memory()
        return record.last_served(memory, stored, now)

    def _policy(self) -> HealingPolicySpec:
        policy = self._view.healing_policy()
        return policy.spec if policy is not None else HealingPolicySpec()

    def _record(self, facts: WorkloadFacts) -> WorkloadRecord | None:
        workload = facts.workload
        stored = self._view.record(workload.namespace, record.record_name(workload.kind, workload.name))
        return stored if stored is not None and stored.spec.target_ref.uid == workload.uid else None

    async def _remember(self, facts: WorkloadFacts, sight: Sight, now: datetime) -> None:
        """Write what worked, when a new revision appeared after a healthy one. A lost race is settled by the next look."""
        workload = facts.workload
        namespace = self._view.namespace(workload.namespace)
        if namespace is None or "prunella.dev/mode" not in namespace.labels or namespace.deleting:
            return
        stored = self._view.record(workload.namespace, record.record_name(workload.kind, workload.name))
        wanted = record.record_update(stored, sight.memory, facts, self._policy(), now) or record.release(stored, facts, RELEASE_SECONDS, now)
        due = await self.configs.proved(facts, stored, self._policy(), now)
        if wanted is None and not due:
            return
        name = record.record_name(workload.kind, workload.name)
        try:
            if wanted is not None or stored is None or not record.is_of(stored, workload.ref):
                stored = await self._store.put_record(_record(workload.namespace, name, wanted or record.standing(stored, workload.ref), stored))
            if due:
                kept = await self.configs.keep(facts, stored, due, now)
                if kept != stored.spec.config_maps:
                    await self._store.put_record(_record(workload.namespace, name, stored.spec.model_copy(update={"config_maps": kept}), stored))
        except (Conflict, AlreadyExists):
            log.debug("WorkloadRecord changed meanwhile", extra={"workload": workload.short})

    def _differs(self, before: Sight | None, sight: Sight) -> bool:
        """Whether an open Incident of the workload could decide otherwise now."""
        return (
            before is None or before.detection.finding != sight.detection.finding or before.healthy_since != sight.healthy_since or _any_open(sight)
        )

    def _wake_incidents(self, key: WorkloadKey) -> None:
        for incident in self._view.incidents_of(*key):
            if correlate.is_open(incident, self._clock.now()):
                self._wake(IncidentKey(incident.metadata.namespace or "", incident.metadata.name))


def _any_open(sight: Sight) -> bool:
    return sight.detection.finding is not None


def _last(sight: Sight | None, uid: str) -> Finding | None:
    return sight.detection.finding if sight is not None and sight.uid == uid else None


def _count_restarts(sight: Sight, before: Sight | None, now: datetime) -> None:
    finding = sight.detection.finding
    if finding is None:
        return
    sight.accused = finding.accused_revision
    if before is not None and before.accused == sight.accused:
        sight.restarts = dict(before.restarts)
    sight.restarts.setdefault(finding.restarts, now)


def _record(namespace: str, name: str, spec: WorkloadRecordSpec, stored: WorkloadRecord | None) -> WorkloadRecord:
    version = stored.metadata.resource_version if stored is not None else ""
    return WorkloadRecord(metadata=Metadata(name=name, namespace=namespace, resource_version=version), spec=spec)
