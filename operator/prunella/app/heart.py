"""The heart: what runs while the operator runs. Queues are served, loops repeat, changes wake what they touch.

Order of a start: Prunella's CRDs and namespace, the cache whole, the lease, then everything else. Nothing is decided before the cache is whole, and
nothing by a standby: it keeps its view warm, keeps the alerts that it is sent, and waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from prunella.core.things.detect import KINDS as THINGS
from prunella.core.things.tls_secret import TlsSecret

from . import readiness
from .brake import Brake
from .commons import Commons
from .errors import Permanent, PrunellaError, Retryable
from .gather import Gatherer
from .gauges import Gauges
from .incidents import rest
from .intake import Intake
from .keys import IncidentKey, RequestKey, WorkloadKey
from .observe import Observer
from .polling import Polling
from .ports import Clock, Election, Live, Telemetry, View
from .queues import Queues
from .readiness import Readiness
from .reconcile import Reconciler
from .requests import Requests
from .runs.leftovers import Leftovers
from .things import Things

log = logging.getLogger(__name__)
WORKERS: Final = 16
HEALTH_SECONDS: Final = 10.0
BRAKE_SECONDS: Final = 0.25
COMMONS_SECONDS: Final = 1.0
LEFTOVERS_SECONDS: Final = 5.0
GAUGE_SECONDS: Final = 10.0
RESYNC_SECONDS: Final = 300.0
PARTING_SECONDS: Final = 12.0
"""How long steps under way may take to store their outcome when the process is told to end: one request, and a little."""
PEOPLE_APPLY: Final = frozenset({"Runbook", "EscalationPolicy", "CatalogEntry", "HealingPolicy"})


class Cache(View, Protocol):
    """The view, with its life."""

    async def run(self) -> None:
        """List and watch for ever."""

    async def until_synced(self) -> None:
        """Until every kind was listed once."""


@dataclass(kw_only=True)
class Organs:
    """Everything that the heart keeps going."""

    cache: Cache
    live: Live
    intake: Intake
    observer: Observer
    things: Things
    gatherer: Gatherer
    reconciler: Reconciler
    requests: Requests
    readiness: Readiness
    brake: Brake
    commons: Commons
    leftovers: Leftovers
    queues: Queues
    clock: Clock
    telemetry: Telemetry
    election: Election


class Heart:
    """Runs the organs. `missing_kinds` says what the cluster lacks before a start; `kopf` and `heartbeat` run until cancelled, on the leader only."""

    def __init__(
        self,
        organs: Organs,
        *,
        missing_kinds: Callable[[], Awaitable[Sequence[str]]],
        kopf: Callable[[], Awaitable[None]],
        heartbeat: Callable[[], Awaitable[None]],
        polls: bool,
        crds_timeout_seconds: int,
    ) -> None:
        self._organs = organs
        self._missing_kinds = missing_kinds
        self._kopf = kopf
        self._heartbeat = heartbeat
        self._polls = polls
        self._crds_timeout_seconds = crds_timeout_seconds
        self._polling = Polling(organs.gatherer, organs.intake, organs.election)
        self._gauges = Gauges(organs.cache, organs.telemetry, organs.queues.incidents, organs.queues.workloads)
        self.problems: list[str] = ["starting"]

    async def run(self) -> None:
        """Serve until cancelled, then let go. Raises Permanent where the CRDs or the namespace did not come, Lost where the lease was lost."""
        life = asyncio.ensure_future(self._live())
        try:
            await asyncio.shield(life)
        except asyncio.CancelledError:
            await self._part()
            raise
        finally:
            life.cancel()
            await asyncio.wait({life})

    async def _live(self) -> None:
        organs = self._organs
        async with asyncio.TaskGroup() as group:
            group.create_task(self._every(HEALTH_SECONDS, self._look_at_control_plane))
            await self._wait_for_kinds()
            self.problems = ["the cache is not whole yet"]
            group.create_task(organs.cache.run())
            await organs.cache.until_synced()
            organs.intake.remember()
            self.problems = []
            log.info("Ready")
            group.create_task(organs.queues.workloads.run(WORKERS))
            if self._polls:
                group.create_task(self._polling.run())
            await organs.election.campaign()
            group.create_task(organs.election.keep(self._look_at_everything))
            self._lead(group)

    def _lead(self, group: asyncio.TaskGroup) -> None:
        """What only one of all replicas does. It begins with a look at everything, and rests while the lease can't be renewed."""
        organs, rested = self._organs, self._organs.election.until_leading
        organs.intake.remember()
        organs.gatherer.listening_since = organs.clock.now()
        group.create_task(organs.queues.incidents.run(WORKERS, rested))
        group.create_task(organs.queues.requests.run(WORKERS, rested))
        group.create_task(organs.queues.policies.run(1, rested))
        group.create_task(self._every(BRAKE_SECONDS, organs.brake.look, rested))
        group.create_task(self._every(COMMONS_SECONDS, organs.commons.look, rested))
        group.create_task(self._every(LEFTOVERS_SECONDS, organs.leftovers.look, rested))
        group.create_task(self._every(RESYNC_SECONDS, self._resync))
        group.create_task(self._every(GAUGE_SECONDS, self._gauges.give))
        self.poll_now()
        group.create_task(self._run(self._kopf, "Kopf"))
        group.create_task(self._run(self._heartbeat, "The heartbeat"))

    async def _part(self) -> None:
        """Told to end: nothing new is begun, what is under way stores its outcome, and only then may the next one lead."""
        self.problems = ["it is ending"]
        if not self._organs.election.leads:
            return
        try:
            async with asyncio.timeout(PARTING_SECONDS):
                await asyncio.gather(self._organs.reconciler.park(), self._organs.requests.park())
        except TimeoutError:
            log.warning("A step is still under way: the lease is left to run out")
        else:
            await self._organs.election.release()

    def changed(self, kind: str, namespace: str, name: str) -> None:
        """An object of a watched kind changed: it is woken, or what refers to it."""
        if kind in PEOPLE_APPLY:
            self._wake_policies()
            self._wake_certificates()
            self.wake_all()
        elif kind == "Incident":
            self._incident_changed(namespace, name)
            self._wake_parent(namespace, name)
        elif kind == "Remediation" and self._organs.election.leads:
            self._organs.queues.incidents.add(IncidentKey(namespace, name.rpartition("-")[0]))  # an attempt is called <incident>-<n>
            self._organs.requests.changed(RequestKey(namespace, name))
        elif kind == "WorkloadRecord":
            workload_kind, _, workload = name.partition("-")
            for key_kind in ("Deployment", "StatefulSet", "DaemonSet"):
                if key_kind.lower() == workload_kind:
                    self._organs.queues.workloads.add(WorkloadKey(key_kind, namespace, workload))
        elif kind == "Namespace":
            for facts in list(self._organs.cache.workloads()):
                if facts.workload.namespace == name:
                    self._organs.queues.workloads.add(WorkloadKey(facts.workload.kind, name, facts.workload.name))
            self.wake_all()

    def _incident_changed(self, namespace: str, name: str) -> None:
        """What we have just written ourselves tells us nothing."""
        key, stored = IncidentKey(namespace, name), self._organs.cache.incident(namespace, name)
        version = stored.metadata.resource_version if stored is not None else ""
        if self._organs.election.leads and not self._organs.reconciler.knows(key, version):
            self._organs.queues.incidents.add(key)

    def _wake_parent(self, namespace: str, name: str) -> None:
        """What a duplicate hands over is taken when its parent is decided."""
        if not self._organs.election.leads:
            return
        duplicate = self._organs.cache.incident(namespace, name)
        merged = duplicate.status.merged_into if duplicate is not None else None
        if merged is not None:
            self._organs.queues.incidents.add(IncidentKey(merged.namespace or namespace, merged.name))

    def workload_changed(self, kind: str, namespace: str, name: str) -> None:
        """A workload, one of its revisions or one of its pods changed; or a thing, or what belongs to it."""
        self._organs.queues.workloads.add(WorkloadKey(kind, namespace, name))

    async def observe(self, key: WorkloadKey) -> None:
        """Serve the key of a workload or of a thing."""
        again = await (self._organs.things if key.kind in THINGS else self._organs.observer).observe(key)
        if again is not None:
            self._organs.queues.workloads.add_at(key, again)
        if key.kind == TlsSecret.kind and self._organs.election.leads:
            self._organs.queues.policies.add(readiness.THE_POLICY)  # there it is told why one can't be read

    async def take_alerts(self, alerts: Sequence[Mapping[str, Any]], received: datetime, truncated: int) -> None:
        """Serve a webhook body. Raises Retryable where it could not be stored."""
        if self.problems:
            raise Retryable(f"not ready: {self.problems[0]}", delay=2.0)
        self._organs.gatherer.alert_time = received
        await self._organs.intake.alerts(alerts, received, truncated)
        if truncated:
            self.poll_now()

    def poll_now(self) -> None:
        """Ask Alertmanager at once."""
        self._polling.now()

    def unhealthy(self) -> list[str]:
        """Reasons to restart the process: a watch is silent although the API server answers. An outage of the API server is none."""
        if self.problems or not self._organs.gatherer.control_plane_ok:
            return []
        silent = self._organs.cache.silent_kinds(self._organs.clock.now())
        return [f"the watch of {kind} is silent although the API server answers" for kind in silent]

    async def _wait_for_kinds(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._crds_timeout_seconds
        while missing := list(await self._missing_kinds()):
            if self.problems != missing:
                log.info("Waiting for Prunella's CRDs and namespace", extra={"missing": "; ".join(missing)})
            self.problems = missing
            if loop.time() > deadline:
                raise Permanent(f"Gave up after {self._crds_timeout_seconds} s: {missing[0]}")
            await asyncio.sleep(1)

    async def _run(self, part: Callable[[], Awaitable[None]], name: str) -> None:
        await part()
        raise PrunellaError(f"{name} ended by itself: the process must be started anew")

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]], rested: Callable[[], Awaitable[None]] | None = None) -> None:
        """Repeat for ever, each time after `rested`; a failure is logged and does not end it."""
        while True:
            try:
                if rested is not None:
                    await rested()
                await act()
            except PrunellaError as error:
                log.warning("A repeated task failed and is tried again", extra={"task": getattr(act, "__name__", ""), "error": str(error)})
            await asyncio.sleep(seconds)

    async def _look_at_control_plane(self) -> None:
        self._organs.gatherer.control_plane_ok = await self._organs.live.healthy()

    async def _resync(self) -> None:
        """What an event did not tell is found here."""
        self._look_at_everything()

    def _look_at_everything(self) -> None:
        """Workloads and things too: what is seen of one while nobody leads opens no Incident."""
        for facts in list(self._organs.cache.workloads()):
            self.workload_changed(facts.workload.kind, facts.workload.namespace, facts.workload.name)
        for key in self._organs.things.places():
            self._organs.queues.workloads.add(key)
        self._wake_policies()
        self.wake_all()

    def wake_all(self) -> None:
        """Every Incident about which something may still be decided or told is decided again."""
        if not self._organs.election.leads:
            return
        now = self._organs.clock.now()
        for incident in self._organs.cache.incidents():
            if rest.restless(incident, now):
                self._organs.queues.incidents.add(IncidentKey(incident.metadata.namespace or "", incident.metadata.name))
        self._organs.requests.wake()

    def _wake_policies(self) -> None:
        """Each change may make another object ready."""
        if not self._organs.election.leads:
            return
        for key in readiness.everything(self._organs.cache):
            self._organs.queues.policies.add(key)

    def _wake_certificates(self) -> None:
        """The HealingPolicy names the Secrets that are read."""
        for key in self._organs.things.certificates.known():
            self._organs.queues.workloads.add(key)
