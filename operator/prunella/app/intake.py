"""Record: every signal becomes part of one Incident. The create under a deterministic name is the election; who loses it attaches.

The rule this module protects: an alert that is answered with 200 stands on an Incident, or was proved to need none.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from prunella.api.common import ObjectRef
from prunella.api.incident import Incident, OpeningSignal
from prunella.api.names import Cause, SourceKind
from prunella.core.around import Shared
from prunella.core.facts import UNKNOWN, AlertFacts, Finding, UnknownT
from prunella.core.incident import alert_facts, alert_target, correlate, sources

from .around import targets
from .around.bearers import Bearers
from .around.flood import Flood, together
from .around.tombstones import Tombstones
from .errors import AlreadyExists, PrunellaError, Retryable
from .incidents.rush import Rush
from .keys import IncidentKey
from .ports import Clock, Queries, Store, Telemetry, View

log = logging.getLogger(__name__)
TRIES: Final = 5
TOLD: Final = 10
"""Malformed alerts of one body that get a line in the log each; the others are counted in one."""
BREATH: Final = 50
"""So many alerts are read before others have their turn."""

_Aimed: TypeAlias = tuple[AlertFacts, alert_target.AlertTarget]
Deliver = Callable[[IncidentKey, Sequence[AlertFacts]], Awaitable[None]]
"""Hands alerts to an Incident and returns once they are stored on it."""


class Intake:
    """Opens Incidents and attaches to them. `deliver` stores alerts (set once it is wired), `wake` queues a key."""

    deliver: Deliver

    def __init__(
        self,
        view: View,
        store: Store,
        clock: Clock,
        telemetry: Telemetry,
        queries: Queries,
        *,
        operator_namespace: str,
        wake: Callable[[IncidentKey], None],
        rush: Rush,
    ) -> None:
        self._view = view
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._queries = queries
        self._namespace = operator_namespace
        self._wake = wake
        self._rush = rush
        self._tombstones = Tombstones()
        self._flood = Flood(view)

    def remember(self) -> None:
        """After a start: the newest resolve of every fingerprint that an Incident knows."""
        self._tombstones.remember(self._view.incidents())

    async def found(self, finding: Finding) -> None:
        """A watch finding that may open its Incident."""
        key, created = await self._incident(finding.subject.ref, SourceKind.WATCH, self._seen(finding), finding.summary)
        if created:
            self._wake(key)

    async def shared(self, target: ObjectRef, shared: Shared) -> None:
        """What many workloads fail for: its Incident is opened, or looked at again where it is over since a short while."""
        key, _ = await self._incident(target, SourceKind.WATCH, self._seen(shared), shared.summary)
        self._wake(key)

    def _seen(self, finding: Finding | Shared) -> OpeningSignal:
        return OpeningSignal(
            key=f"watch/{finding.cause}",
            started_time=finding.started_time,
            seen_time=self._clock.now(),
            cause=Cause(finding.cause),
            summary=finding.summary[:1024],
        )

    async def alerts(self, raw: Sequence[Mapping[str, object]], received: datetime, truncated: int) -> None:
        """Every alert of one body. Raises Retryable where one of them could not be stored; a bad member never fails the others."""
        good: list[AlertFacts] = []
        malformed = 0
        for number, one in enumerate(raw):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)  # a body of ten thousand must not hold up everything else
            alert = alert_facts.read_alert(one, received, truncated=truncated)
            if isinstance(alert, AlertFacts):
                good.append(alert)
                continue
            malformed += 1
            if malformed <= TOLD:
                log.warning("Quarantined an alert", extra={"why": alert.why})
            self._telemetry.count("alerts_received_total", result="Quarantined")
        if malformed > TOLD:
            log.warning("Quarantined more alerts of the same body", extra={"more": malformed - TOLD})
        if truncated:
            log.warning("Alertmanager truncated a group: the poll brings the rest", extra={"truncated": truncated})
        await self._take(good, len(raw))

    async def _take(self, alerts: Sequence[AlertFacts], of: int) -> None:
        """Place each of them, and store those of one Incident together. Raises Retryable once the others of the `of` alerts are stored."""
        targets_of: dict[ObjectRef, list[_Aimed]] = defaultdict(list)
        for number, alert in enumerate(alerts):
            if number % BREATH == BREATH - 1:
                await asyncio.sleep(0)
            found = self._target(alert)
            targets_of[found.ref].append((alert, found))
        groups: dict[IncidentKey, list[AlertFacts]] = defaultdict(list)
        failed: list[BaseException] = []
        bearers = Bearers(self._view)
        await asyncio.gather(*(self._place_all(aimed, bearers, groups, failed) for aimed in targets_of.values()))
        results = await asyncio.gather(*(self.deliver(key, taken) for key, taken in groups.items()), return_exceptions=True)
        failed += [result for result in results if isinstance(result, BaseException)]
        if failed:
            why = f"{len(failed)} of {of} alerts could not be stored, or the Incidents of some: {failed[0]}"
            raise Retryable(why, delay=2.0) from failed[0]

    async def _place_all(
        self, aimed: Sequence[_Aimed], bearers: Bearers, groups: dict[IncidentKey, list[AlertFacts]], failed: list[BaseException]
    ) -> None:
        """The alerts of one target, one after the other: the first may open what the others join."""
        opened: IncidentKey | None = None
        for alert, found in aimed:
            if alert.state == "resolved":
                for key in self._ended(alert, found, opened, bearers):
                    groups[key].append(alert)
                continue
            try:
                firing = await self._place(alert, found, opened)
            except PrunellaError as error:
                failed.append(error)  # the others are stored first; then it is said that this one was not
                continue
            if firing is not None:
                groups[firing].append(alert)
                opened = firing

    def _ended(self, alert: AlertFacts, found: alert_target.AlertTarget, opened: IncidentKey | None, bearers: Bearers) -> set[IncidentKey]:
        """The Incidents that a resolve is for: its target's, and where else the alert stands."""
        self._tombstones.bury(alert)
        others = together(found.ref.namespace or "") if found.by_itself else found.ref
        own = opened or self._open_of(found.ref, alert.received_time) or self._open_of(others, alert.received_time)
        keys = {*bearers.of(alert.fingerprint), *([own] if own is not None else [])}
        self._telemetry.count("alerts_received_total", result="Resolved" if keys else "ResolvedUnknown")
        return keys

    async def polled(self, active: Mapping[str, AlertFacts]) -> None:
        """The repair: what Alertmanager has active and no Incident knows is taken in; what an Incident knows is decided again.

        Raises Retryable where one of them could not be stored, after the others are.
        """
        known: dict[str, IncidentKey] = {}
        now = self._clock.now()
        for incident in self._view.incidents():
            if not correlate.is_open(incident, now):
                continue  # what fires after it was closed belongs to another one
            for signal in incident.status.signals:
                if signal.source is SourceKind.ALERTMANAGER:
                    known[signal.key.removeprefix("alert/")] = self._key(incident)
        for key in set(known.values()):
            self._wake(key)
        lost = [alert for fingerprint, alert in active.items() if fingerprint not in known and alert.state == "firing"]
        await self._take(lost, len(lost))

    async def _place(self, alert: AlertFacts, found: alert_target.AlertTarget, opened: IncidentKey | None = None) -> IncidentKey | None:
        """The Incident of an alert that fires; None where it needs none. `opened` is that of one before it, which the cache may not show yet."""
        target = found.ref
        known = opened or self._open_of(target, alert.received_time)
        past = known is None and (self._tombstones.stale(alert) or targets.tells_of_the_past(self._view, target, alert))
        if past or targets.is_an_attempts(self._view, target, alert):
            self._telemetry.count("alerts_received_total", result="Stale")
            self._telemetry.count("alerts_stale_dropped_total")
            return None
        if known is None and found.by_itself:
            known = self._flood.keeps(alert, target.namespace or "")
        if known is not None:
            self._telemetry.count("alerts_received_total", result="Attached")
            return known
        if found.by_itself:
            return await self._open_bounded(alert, self._flood.bounded(found, alert.received_time))
        key, _ = await self._open(alert, found)
        return key

    async def _open_bounded(self, alert: AlertFacts, found: alert_target.AlertTarget) -> IncidentKey:
        """The same for an alert that stands for itself, whose place among the others is taken until it is known what became of it."""
        made: IncidentKey | None = None
        try:
            key, created = await self._open(alert, found)
            made = key if created else None
        finally:
            self._flood.settled(found, made, self._clock.now())
        return key

    async def _open(self, alert: AlertFacts, found: alert_target.AlertTarget) -> tuple[IncidentKey, bool]:
        note = found.why[:512] if found.by_itself else None
        signal = (await self._signal(alert)).model_copy(update={"target_note": note})
        title = signal.summary or alert.labels.get("alertname", "alert")
        self._rush.opens()
        try:
            key, created = await self._incident(found.ref, SourceKind.ALERTMANAGER, signal, title)
        finally:
            self._rush.opened()
        self._telemetry.count("alerts_received_total", result="Opened" if created else "Attached")
        return key, created

    def _open_of(self, target: ObjectRef, now: datetime) -> IncidentKey | None:
        step = correlate.correlate(target, self._of_target(target), now)
        return self._key(step.incident) if isinstance(step, correlate.Attach) else None

    async def _rule(self, alert: AlertFacts) -> int | UnknownT:
        return await self._queries.rule_for_seconds(alert.labels.get("alertname", ""), alert.labels.get("severity", ""))

    async def _signal(self, alert: AlertFacts) -> OpeningSignal:
        name = alert.labels.get("alertname", "")
        active = alert.active_time or await self._queries.alert_active_time(name, alert.labels)
        rule = alert.rule_for_seconds if alert.rule_for_seconds is not None else await self._rule(alert)
        starts = alert.starts_time or alert.received_time
        started, lower = starts, True
        if active is not UNKNOWN and isinstance(active, datetime):
            started, lower = min(active, starts), False
        elif isinstance(rule, int):
            started, lower = starts - timedelta(seconds=rule), False
        return OpeningSignal(
            key=f"alert/{alert.fingerprint}",
            started_time=started,
            lower_bound=lower,
            seen_time=alert.received_time,
            alert_start_time=starts,
            cause=Cause.ALERT,
            summary=sources.alert_summary(alert),
            labels=sources.kept_labels(alert.labels),
        )

    def _target(self, alert: AlertFacts) -> alert_target.AlertTarget:
        return alert_target.alert_target(
            alert,
            owner_of_pod=self._view.owner_of_pod,
            workload_uid=self._uid,
            namespace_exists=self._takes_objects,
            operator_namespace=self._namespace,
            thing_ref=lambda kind, namespace, name: targets.thing_ref(self._view, kind, namespace, name),
        )

    def _takes_objects(self, name: str) -> bool:
        """Whether an Incident can be made in that namespace; one that is being deleted takes none."""
        namespace = self._view.namespace(name)
        return namespace is not None and not namespace.deleting

    def _uid(self, kind: str, namespace: str, name: str) -> str | None:
        facts = self._view.workload(kind, namespace, name)
        return facts.workload.uid if facts is not None else None

    def _of_target(self, target: ObjectRef) -> list[Incident]:
        return targets.about(self._view.incidents_of(target.kind, target.namespace or "", target.name), target)

    async def _incident(self, target: ObjectRef, source: SourceKind, signal: OpeningSignal, title: str) -> tuple[IncidentKey, bool]:
        """The target's open Incident, made where there is none. True where it was made here."""
        now = self._clock.now()
        step = correlate.correlate(target, self._of_target(target), now)
        for _ in range(TRIES):
            if isinstance(step, correlate.Attach):
                return self._key(step.incident), False
            wanted = correlate.new_incident(
                name=step.name, target=target, source=source, signal=signal, title=title, operator_namespace=self._namespace
            )
            try:
                made = await self._store.create_incident(wanted)
            except AlreadyExists:
                existing = await self._store.incident(wanted.metadata.namespace or "", step.name)
                if existing is None:
                    continue
                step = correlate.next_step(existing, target, now)
            else:
                return self._key(made), True
        raise Retryable(f"the Incident for {target.kind} {target.name} could not be opened: its names are taken", delay=1.0)

    def _key(self, incident: Incident) -> IncidentKey:
        return IncidentKey(incident.metadata.namespace or "", incident.metadata.name)
