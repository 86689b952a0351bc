"""See objects that are no workloads: run their detector on each change and when a dwell ends, and open an Incident for what is found.

Level-triggered: what is remembered here can be thrown away. A thing that can't be seen, because its kind is not served or may not be
read, is unknown: it opens nothing and ends nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final, Protocol

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident
from prunella.api.names import SourceKind
from prunella.core.facts import UNKNOWN, Finding, Look, UnknownT
from prunella.core.healing.known import reruns
from prunella.core.incident import correlate
from prunella.core.subject import Thing
from prunella.core.things.cron_job import CronJob
from prunella.core.things.detect import detect, is_thing
from prunella.core.things.job import Job
from prunella.core.things.node import Node
from prunella.core.things.past import NO_PAST, Past, proved, remember
from prunella.core.things.service import Service
from prunella.core.things.sighting import At, Sighting
from prunella.core.things.terminating import Space
from prunella.core.things.tls_secret import TlsSecret
from prunella.core.world import GONE, NOT_A_WORKLOAD, Absent

from .around import targets
from .certificates import Certificates, Secrets
from .intake import Intake
from .keys import IncidentKey, WorkloadKey
from .ports import Clock, Live, Tenure, View

BREATH: Final = 50
"""So many are looked at before others have their turn: there may be tens of thousands of Jobs."""


class Reads(Live, Secrets, Protocol):
    """Quorum reads, those of named Secrets among them."""


class Things:
    """Turns changes of things into findings and Incidents. `wake` puts an Incident's key on its queue; who does not lead only looks."""

    def __init__(
        self,
        view: View,
        live: Reads,
        intake: Intake,
        clock: Clock,
        tenure: Tenure,
        wake: Callable[[IncidentKey], None],
        namespaces: Collection[str] = (),
    ) -> None:
        """`namespaces`: those whose Incidents are watched; empty where all are."""
        self._view = view
        self._live = live
        self._intake = intake
        self._clock = clock
        self._tenure = tenure
        self._wake = wake
        self.certificates = Certificates(view, live, clock, tenure, namespaces)
        self._looks = 0
        self._pasts: dict[WorkloadKey, Past] = {}
        self._found: dict[WorkloadKey, Finding] = {}
        """What was found last, so that an Incident is woken when it is gone."""

    def places(self) -> Iterator[WorkloadKey]:
        """Everything that is to be looked at."""
        yield from (WorkloadKey(one.kind, one.namespace, one.name) for one in list(self._view.things()))
        yield from self.certificates.known()

    def sees(self, kind: str, namespace: str) -> bool:
        """Whether what is known of those can be believed. A Secret is read and not watched: one that could not be read is no target at all."""
        return kind == TlsSecret.kind or self._view.sees(kind, namespace, self._clock.now())

    def looks_at(self, incident: Incident) -> bool:
        """Whether the Incident is about a thing. A Secret is one only while it is named, or where it was: this process found the fault."""
        ref = targets.full_ref(incident)
        if not is_thing(ref):
            return False
        return ref.kind != TlsSecret.kind or incident.source_kind is SourceKind.WATCH or self.certificates.names(ref.namespace or "", ref.name)

    def hidden(self, incident: Incident) -> str:
        """Why the Incident's target can't be seen until somebody mends that; empty where it can, or may be by the next moment."""
        ref = targets.full_ref(incident)
        return self.certificates.hidden(ref.namespace or "", ref.name) if ref.kind == TlsSecret.kind and self.looks_at(incident) else ""

    def finding(self, thing: Thing) -> Finding | UnknownT | None:
        """The finding of this thing now; UNKNOWN where neither a fault nor its end can be told."""
        sight = self._sight(thing)
        return sight.finding if sight.settled else UNKNOWN

    def ran_again(self, thing: Thing) -> bool:
        """Whether a run of a Job or CronJob was complete that an attempt made."""
        key = WorkloadKey(thing.kind, thing.namespace, thing.name)
        return isinstance(thing, Job | CronJob) and self._ran_again(key, thing.uid) is not None

    async def target(self, ref: ObjectRef, *, live: bool = False) -> Look | Thing | Absent | UnknownT:
        """The thing that an Incident is about. It is gone only if the API server says so.

        `live`: as the API server shows it now. What belongs to it (a Job's pods, what answers for a Service) is the cache's all the same.
        """
        kind, namespace, name = ref.kind, ref.namespace or "", ref.name
        if kind == TlsSecret.kind:
            return await self.certificates.target(ref, live=live)
        if not self._view.sees(kind, namespace, self._clock.now()):
            return UNKNOWN
        if live and kind != Space.kind:
            return await self._look(ref)
        known = self._view.thing(kind, namespace, name)
        if known is not None and ref.uid in {None, known.uid}:
            return known
        read = await self._live.raw(ref)
        if read is None:
            return GONE
        return NOT_A_WORKLOAD if kind == Space.kind and read is not UNKNOWN else UNKNOWN  # only a Namespace that is going is a thing

    async def _look(self, ref: ObjectRef) -> Look | Absent | UnknownT:
        read = await self._live.look(ref)
        if read is None:
            return GONE
        if isinstance(read, Look) and isinstance(read.facts, Thing):
            return replace(read, facts=self._view.whole(read.facts))
        return UNKNOWN

    async def observe(self, key: WorkloadKey) -> datetime | None:
        """Look at one thing. Returns when to look again without a change."""
        if key.kind != TlsSecret.kind:
            return await self._observe(key)
        read_again = await self.certificates.look(key)
        changes = await self._observe(key)
        self._wake_incidents(key)  # nothing else tells them that it can be read again, or no more
        return min((time for time in (read_again, changes) if time is not None), default=None)

    async def _observe(self, key: WorkloadKey) -> datetime | None:
        self._looks += 1
        if self._looks % BREATH == 0:
            await asyncio.sleep(0)
        now, thing = self._clock.now(), self._known(key)
        if thing is None:
            self._found.pop(key, None)
            self._pasts.pop(key, None)
            self._wake_incidents(key)
            return None
        past = remember(self._pasts.get(key), thing, now)
        if past is not None:
            self._pasts[key] = past
        sight = self._sight(thing)
        finding, before = sight.finding, self._found.get(key)
        if not self._tenure.leads:
            return sight.look_again
        if finding is not None and sight.opens and finding.open_time <= now and self._takes_objects(thing):
            await self._intake.found(finding)
        if finding is not None or before is not None:
            self._wake_incidents(key)
        if finding is not None:
            self._found[key] = finding
        else:
            self._found.pop(key, None)
        return sight.look_again

    def _known(self, key: WorkloadKey) -> Thing | None:
        return self.certificates.get(key.namespace, key.name) if key.kind == TlsSecret.kind else self._view.thing(*key)

    def _sight(self, thing: Thing) -> Sighting:
        policy = self._view.healing_policy()
        patience: dict[str, int] = {one.cause: one.open_after_seconds for one in policy.spec.detectors} if policy is not None else {}
        key = WorkloadKey(thing.kind, thing.namespace, thing.name)
        now, past = self._clock.now(), self._pasts.get(key, NO_PAST)
        past = proved(past, thing, self._view.incidents_of(*key), now) if isinstance(thing, Service | Node) else past
        at = At(now=now, open_after_seconds=patience, past=past)
        sight = detect(thing, at)
        if sight.finding is not None and isinstance(thing, Job | CronJob):
            sight = detect(thing, replace(at, past=replace(past, ran_again_time=self._ran_again(key, thing.uid))))
        return _steady(sight, self._found.get(key), now)

    def _ran_again(self, key: WorkloadKey, uid: str) -> datetime | None:
        """When a run of it was complete that an attempt made. Nothing was attempted at what never had an Incident: that is told without a search."""
        if not any(True for _ in self._view.incidents_of(*key)):
            return None
        return reruns.completed_time((one for one in self._view.remediations() if one.metadata.namespace == key.namespace), uid)

    def _takes_objects(self, thing: Thing) -> bool:
        """A namespace that is being deleted takes no Incident: what holds it up is told of the namespace itself."""
        namespace = self._view.namespace(thing.namespace) if thing.namespace else None
        return not thing.namespace or (namespace is not None and not namespace.deleting)

    def _wake_incidents(self, key: WorkloadKey) -> None:
        for incident in self._view.incidents_of(*key):
            if correlate.is_open(incident, self._clock.now()):
                self._wake(IncidentKey(incident.metadata.namespace or "", incident.metadata.name))


def _steady(sight: Sighting, before: Finding | None, now: datetime) -> Sighting:
    """What does not say since when it holds, holds since it was first seen."""
    finding = sight.finding
    if finding is None or before is None or (finding.cause, finding.subject.uid) != (before.cause, before.subject.uid):
        return sight
    began, due = min(before.started_time, finding.started_time), min(before.open_time, finding.open_time)
    again = [time for time in (sight.look_again, due) if time is not None and time > now]
    return replace(sight, finding=replace(finding, started_time=began, open_time=due), look_again=min(again, default=None))
