"""Gather: everything that one decision may know, read in one place. A failed read is UNKNOWN, never missing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from prunella.api.healing_policy import HealingPolicy
from prunella.api.incident import Incident
from prunella.api.names import SignalState, SourceKind
from prunella.api.remediation import Remediation
from prunella.api.workload_record import WorkloadRecord
from prunella.core.facts import UNKNOWN, AlertFacts, Finding, Look, NamespaceFacts, UnknownT, WorkloadFacts
from prunella.core.healing.known import record
from prunella.core.incident import correlate
from prunella.core.subject import Thing, namespace_of
from prunella.core.world import GONE, NOT_A_WORKLOAD, Absent, Evaluate, World, ZoneOf, rule_key

from .around import targets
from .around.around import Around
from .around.attempts import Attempts
from .around.turns import Turns
from .errors import PrunellaError
from .incidents.mailbox import Mailbox
from .keys import WorkloadKey
from .observe import Observer
from .ports import AlertSource, Clock, Live, Queries, Store, View
from .things import Things

KINDS: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
ALERT_FRESH: Final = timedelta(seconds=600)


class _Read(NamedTuple):
    """What was asked for one decision."""

    target: WorkloadFacts | Thing | Absent | UnknownT
    raw: Mapping[str, object] | None
    policy: HealingPolicy | UnknownT
    record: WorkloadRecord | UnknownT | None
    namespace: NamespaceFacts | UnknownT
    rules: Mapping[str, int]
    healthy: bool
    remediations: tuple[Remediation, ...]


class Gatherer:
    """Builds a World. `live` reads the target, the policy and the namespace from the API server instead of the cache; `proof` the target alone."""

    def __init__(
        self,
        *,
        view: View,
        store: Store,
        live: Live,
        observer: Observer,
        things: Things,
        alerts: AlertSource,
        queries: Queries,
        clock: Clock,
        evaluate: Evaluate,
        zone_of: ZoneOf,
        operator_namespace: str,
        lagging: Callable[[], bool],
    ) -> None:
        self._view = view
        self._store = store
        self._live = live
        self._observer = observer
        self._things = things
        self._alerts = alerts
        self._queries = queries
        self._clock = clock
        self._evaluate = evaluate
        self._zone_of = zone_of
        self.operator_namespace = operator_namespace
        self._lagging = lagging
        self.attempts = Attempts(view, clock)
        self.turns = Turns(clock)
        self.around = Around(view, operator_namespace)
        self._unseen: dict[str, datetime] = {}
        self.active_alerts: Mapping[str, AlertFacts] | UnknownT = UNKNOWN
        self.polled_time: datetime | None = None
        self.alert_time: datetime | None = None
        self.listening_since = clock.now()
        """Since when a source of alerts that says nothing is heard to: before, it may have spoken to another process."""
        self.storm_since: datetime | None = None
        self.control_plane_ok = True

    async def poll(self) -> Mapping[str, AlertFacts] | UnknownT:
        """Ask every Alertmanager now."""
        answer = await self._alerts.active()
        if answer is not UNKNOWN:
            self.active_alerts = answer
            self.polled_time = self.alert_time = self._clock.now()
        return answer

    async def world(
        self,
        incident: Incident,
        mail: Mailbox,
        *,
        live: bool = False,
        proof: bool = False,
        own_remediation_uid: str = "",
        attempts: Sequence[Remediation] | None = None,
    ) -> World:
        """All that one decision about this Incident may know. `attempts` are the Incident's, where they were read with it; else they are read now."""
        now = self._clock.now()
        fresh = not self._lagging() and self._heard_of(incident, now)
        read = await self._read(incident, mail, live=live, proof=proof, attempts=attempts)
        facts = read.target if isinstance(read.target, WorkloadFacts) else None
        seen = replace(self._seen(incident, read, now, fresh=fresh), alerts=tuple(mail.alerts), own_remediation_uid=own_remediation_uid)
        return self.around.joined(self._with_history(self._with_mail(seen, mail), facts))

    def _seen(self, incident: Incident, read: _Read, now: datetime, *, fresh: bool) -> World:
        """What was read and what is in memory, without what came in for the Incident; `fresh` as every watch that counts for it is heard of."""
        namespace = incident.target_namespace
        facts = read.target if isinstance(read.target, WorkloadFacts) else None
        self.listening_since = min(self.listening_since, now)  # a clock may be put back
        heard = [time for time in self._heard(incident) if abs(now - time) <= ALERT_FRESH]
        return World(
            now=now,
            incident=incident,
            target=read.target,
            raw=read.raw,
            finding=self._finding(read.target, fresh=fresh),
            unseen_since=self._unseen_since(incident.metadata.uid, now, seen=fresh and read.target is not UNKNOWN),
            active_alerts=self.active_alerts,
            polled_time=self.polled_time,
            record=_of(read.record, facts),
            policy=read.policy,
            namespace=read.namespace,
            entries=tuple(self._view.entries(namespace)),
            escalation_policies=tuple(self._view.escalation_policies()),
            runbooks=tuple(self._view.runbooks()),
            operator_namespace=self.operator_namespace,
            remediations=read.remediations,
            ran_again=isinstance(read.target, Thing) and self._things.ran_again(read.target),
            duplicates=self._duplicates(incident, read.target, now),
            alert_rules=read.rules,
            autoscaled=any((one.target_kind, one.target_name) == _place(incident) for one in self._view.autoscalers(namespace)),
            control_plane_ok=read.healthy,
            watch_fresh=fresh,
            hidden=self._things.hidden(incident),
            alert_source_fresh=bool(heard),
            alert_source_silent_time=max([self.listening_since, *heard]) + ALERT_FRESH,
            evaluate=self._evaluate,
            zone_of=self._zone_of,
        )

    def _heard(self, incident: Incident) -> Iterable[datetime]:
        """When a source of alerts was heard: by this process, or by another replica, which stored it on the Incident."""
        if self.alert_time is not None:
            yield self.alert_time
        yield from (one.last_seen_time for one in incident.status.signals if one.source is SourceKind.ALERTMANAGER)

    async def _read(self, incident: Incident, mail: Mailbox, *, live: bool, proof: bool, attempts: Sequence[Remediation] | None) -> _Read:
        """Everything that may have to be asked for, at once: what a decision waits for is the slowest answer, not their sum."""
        (target, policy, stored, namespace), (rules, healthy, remediations) = await asyncio.gather(
            asyncio.gather(
                self._target(incident, live=live or proof),
                self._policy(live=live),
                self._record(incident, live=live),
                self._namespace_facts(incident.target_namespace, live=live),
            ),
            asyncio.gather(self._rules(incident, mail.alerts), self._healthy(live=live), self._attempts(incident, attempts)),
        )
        facts, raw = (target.facts, target.raw) if isinstance(target, Look) else (target, None)
        return _Read(facts, raw, policy, stored, namespace, rules, healthy, tuple(remediations))

    async def _attempts(self, incident: Incident, known: Sequence[Remediation] | None) -> Sequence[Remediation]:
        return known if known is not None else await self._store.remediations_of(incident)

    def _with_mail(self, seen: World, mail: Mailbox) -> World:
        return replace(seen, preparation=mail.preparation, answers=mail.answers, capture=mail.capture, deliveries=tuple(mail.deliveries))

    async def _policy(self, *, live: bool) -> HealingPolicy | UnknownT:
        policy = await self._store.healing_policy() if live else self._view.healing_policy()
        return policy if isinstance(policy, HealingPolicy) else UNKNOWN

    async def _healthy(self, *, live: bool) -> bool:
        return await self._live.healthy() if live else self.control_plane_ok

    def _with_history(self, seen: World, facts: WorkloadFacts | None) -> World:
        """What happened so far: attempts, open Incidents, and what was seen of the target."""
        key = WorkloadKey(facts.workload.kind, facts.workload.namespace, facts.workload.name) if facts else None
        sight = self._observer.sight(key) if key else None
        same = sight is not None and facts is not None and sight.uid == facts.workload.uid
        newest = facts.newest.hash if facts and facts.newest else ""
        return replace(
            seen,
            all_remediations=self.attempts.all(),
            waiting=self.turns.waiting(),
            storm_since=self.storm_since,
            healthy_since=sight.healthy_since if sight and same else None,
            config_changes=self._observer.configs.changes(facts.workload.uid) if facts else (),
            restart_sights=dict(sight.restarts) if sight and same else {},
            began_before_our_eyes=bool(sight and same and newest in sight.began_before_our_eyes),
        )

    def _finding(self, target: WorkloadFacts | Thing | Absent | UnknownT, *, fresh: bool) -> Finding | UnknownT | None:
        """What the detectors see; UNKNOWN where the watch is stale or the target could not be read."""
        if not fresh or target is UNKNOWN:
            return UNKNOWN
        if isinstance(target, Thing):
            return self._things.finding(target)
        return self._observer.finding(target) if isinstance(target, WorkloadFacts) else None

    def _unseen_since(self, uid: str, now: datetime, *, seen: bool) -> datetime | None:
        """Since when an Incident's target can't be seen. Kept in memory: after a restart a silence begins anew."""
        if seen:
            self._unseen.pop(uid, None)
            return None
        return self._unseen.setdefault(uid, now)

    def forget(self, uid: str) -> None:
        """The Incident is gone."""
        self._unseen.pop(uid, None)
        self.turns.forget(uid)

    def _heard_of(self, incident: Incident, now: datetime) -> bool:
        """Whether what the cache says of the target can be believed. A thing asks for its own kind alone, and no other asks for a thing's."""
        ref = incident.spec.target_ref
        if self._things.looks_at(incident):
            return self._things.sees(ref.kind, namespace_of(ref, incident.target_namespace))
        return not self._view.silent_kinds(now)

    async def _target(self, incident: Incident, *, live: bool) -> Look | WorkloadFacts | Thing | Absent | UnknownT:
        ref = incident.spec.target_ref
        if self._things.looks_at(incident):
            return await self._things.target(targets.full_ref(incident), live=live)
        if ref.kind not in KINDS:
            return NOT_A_WORKLOAD
        cached = self._view.workload(ref.kind, incident.target_namespace, ref.name)
        same = cached is not None and ref.uid in {None, cached.workload.uid}
        if same and not live and cached is not None:
            return cached
        wanted = ref.model_copy(update={"namespace": incident.target_namespace})
        read = await self._live.look(wanted)
        return GONE if read is None else read

    async def _record(self, incident: Incident, *, live: bool) -> WorkloadRecord | UnknownT | None:
        ref, namespace = incident.spec.target_ref, incident.target_namespace
        if ref.kind not in KINDS:
            return None
        name = record.record_name(ref.kind, ref.name)
        try:
            return await self._store.record(namespace, name) if live else self._view.record(namespace, name)
        except PrunellaError:
            return UNKNOWN

    async def _namespace_facts(self, name: str, *, live: bool) -> NamespaceFacts | UnknownT:
        found = await self._live.namespace(name) if live else self._view.namespace(name)
        return found if isinstance(found, NamespaceFacts) else UNKNOWN

    async def _rules(self, incident: Incident, alerts: Sequence[AlertFacts]) -> dict[str, int]:
        firing = (one for one in incident.status.signals if one.source is SourceKind.ALERTMANAGER and one.state is SignalState.FIRING)
        told = [one.labels for one in firing] + [dict(one.labels) for one in alerts if one.state == "firing"]
        wanted = {rule_key(labels): labels for labels in told if labels.get("alertname")}
        known: dict[str, int] = {}
        for key, labels in sorted(wanted.items()):
            seconds = await self._queries.rule_for_seconds(labels["alertname"], labels.get("severity", ""))
            if isinstance(seconds, int):
                known[key] = seconds
        return known

    def _duplicates(self, incident: Incident, target: WorkloadFacts | Thing | Absent | UnknownT, now: datetime) -> tuple[Incident, ...]:
        uid = target.workload.uid if isinstance(target, WorkloadFacts) else target.uid if isinstance(target, Thing) else None
        mine = targets.full_ref(incident, uid)
        name = incident.metadata.name
        others = [
            one
            for one in targets.about(self._view.incidents_of(mine.kind, mine.namespace or "", mine.name), mine)
            if one.metadata.uid != incident.metadata.uid and (correlate.is_open(one, now) or _merged_into(one, name))
        ]
        return tuple(sorted(others, key=lambda one: (one.metadata.creation_timestamp or now, one.metadata.name)))


def _place(incident: Incident) -> tuple[str, str]:
    return (incident.spec.target_ref.kind, incident.spec.target_ref.name)


def _merged_into(incident: Incident, name: str) -> bool:
    """A duplicate that has ended already still has its reporter to hand over."""
    return incident.status.merged_into is not None and incident.status.merged_into.name == name


def _of(stored: WorkloadRecord | UnknownT | None, facts: WorkloadFacts | None) -> WorkloadRecord | UnknownT | None:
    """The record, if it is of this very object."""
    if isinstance(stored, WorkloadRecord) and (facts is None or stored.spec.target_ref.uid != facts.workload.uid):
        return None
    return stored
