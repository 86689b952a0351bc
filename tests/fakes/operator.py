"""The operator over fakes, in virtual time: everything wired as `compose` wires it, with the queue's part played by the test.

`run` serves what is due, moves the clock to the next thing that will be due, and so on. A fresh Operator on the same API server and cluster is a
restarted process: what only lived in memory is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from tests.core.incident_builders import ladder, receivers

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.hands import Hands
from prunella.adapters.zones import zone_of
from prunella.api.common import Metadata, NamespacedRef
from prunella.api.healing_policy import HealingPolicy, HealingPolicySpec
from prunella.api.incident import Incident
from prunella.api.names import Mode
from prunella.api.remediation import Remediation
from prunella.app.around.configs import Configs
from prunella.app.brake import Brake
from prunella.app.commons import Commons
from prunella.app.errors import Conflict, OutcomeUnknown, Retryable
from prunella.app.gather import Gatherer
from prunella.app.incidents.pace import Pace
from prunella.app.incidents.prepare import Preparer
from prunella.app.incidents.publish import Publisher
from prunella.app.incidents.recorder import Recorder
from prunella.app.intake import Intake
from prunella.app.keys import IncidentKey, RequestKey, WorkloadKey
from prunella.app.observe import Observer
from prunella.app.outbox import Outbox
from prunella.app.reconcile import Reconciler
from prunella.app.remediate import Runner
from prunella.app.requests import Requests
from prunella.app.runs.leftovers import Leftovers
from prunella.app.runs.once import Once
from prunella.app.runs.orphans import Orphans
from prunella.app.runs.permit import Permit
from prunella.app.runs.prove import Prover
from prunella.app.runs.quarantine import Quarantine
from prunella.app.things import Things
from prunella.core.facts import AlertFacts
from prunella.core.people import requested
from prunella.core.people.message import envelope
from prunella.core.things.detect import KINDS as THINGS

from .api import FakeApi, Stored
from .clock import ManualClock
from .cluster import FakeCluster, FakeWorkload
from .config_maps import FakeConfigMaps
from .outside import FakeAlertmanager, FakeCalls, FakeDeliver, FakeQueries, FakeSilences, FakeTelemetry
from .tenure import Sole
from .view import FakeView

HOT = 150
"""So many servings at one instant are a loop without an end."""


@lru_cache(maxsize=1)
def cel() -> CelEvaluate:
    """One engine for all: it keeps nothing but compiled expressions."""
    return CelEvaluate()


@dataclass
class Place:
    """What outlives the operator: the API server, the cluster, the outside."""

    clock: ManualClock = field(default_factory=ManualClock)
    alertmanager: FakeAlertmanager = field(default_factory=FakeAlertmanager)
    queries: FakeQueries = field(default_factory=FakeQueries)
    deliver: FakeDeliver = field(default_factory=FakeDeliver)
    silences: FakeSilences = field(default_factory=FakeSilences)
    calls: FakeCalls = field(default_factory=FakeCalls)
    telemetry: FakeTelemetry = field(default_factory=FakeTelemetry)
    lagging: bool = False
    """Whether the heartbeat lags: what the watches say may be old."""

    def __post_init__(self) -> None:
        self.api = FakeApi(self.clock)
        self.cluster = FakeCluster(self.clock)
        self.view = FakeView(self.api, self.cluster)
        self.cluster.ours = self.api.as_json
        self.config_maps = FakeConfigMaps(self.cluster)

    def policy(self, **changes: Any) -> None:
        """HealingPolicy `default`: Auto, receivers and a default escalation, as a user would set them."""
        ref = NamespacedRef(namespace="prunella-system", name="ops")
        names = ("primary", "secondary", "ops", "releases")
        spec = HealingPolicySpec(**({"mode": Mode.AUTO, "receivers": receivers(*names), "default_escalation_policy_ref": ref} | changes))
        self.api.apply(HealingPolicy(metadata=Metadata(name="default"), spec=spec))


def shop(*runbooks: Any, namespace_mode: str = "Auto", **policy: Any) -> Place:
    """A place with an opted-in namespace `shop`, an escalation policy and these Runbooks."""
    place = Place()
    place.cluster.namespaces["shop"] = {"prunella.dev/mode": namespace_mode} if namespace_mode else {}
    place.policy(**policy)
    place.api.apply(ladder(name="ops", namespace="prunella-system"))
    for runbook in runbooks:
        place.api.apply(runbook)
    return place


class Operator:
    """One process. `place` is what it works on. Alerts wait for nobody's turn unless a pace is given."""

    def __init__(self, place: Place, tenure: Sole | None = None, pace: Pace | None = None) -> None:
        self.place = place
        self.pace = pace or Pace(turn=0)
        self.tenure = tenure or Sole()
        self.pending: dict[IncidentKey | RequestKey | WorkloadKey, str] = {}
        """What waits to be served. A version: woken by nothing but the event of that version."""
        self.timers: dict[IncidentKey | RequestKey | WorkloadKey, datetime] = {}
        self.retries: list[Exception] = []
        self.served = 0
        place.api.changed = self._stored
        place.cluster.changed = self._moved
        place.cluster.touched = lambda where: self.wake(WorkloadKey(*where))
        self._wire(place)
        self.intake.remember()
        for one in [*place.cluster.workloads.values()]:
            self._moved(one)
        for where in list(place.cluster.things):
            self.wake(WorkloadKey(*where))
        for stored in list(place.api.objects.values()):
            self._stored(stored)

    def _wire(self, place: Place) -> None:
        clock, api, view, cluster = place.clock, place.api, place.view, place.cluster
        self.intake = Intake(
            view, api, clock, place.telemetry, place.queries, operator_namespace="prunella-system", wake=self.wake, rush=self.pace.rush
        )
        self.observer = Observer(view, api, self.intake, clock, self.tenure, Configs(place.config_maps), self.wake)
        self.things = Things(view, cluster, self.intake, clock, self.tenure, self.wake)
        self.gatherer = Gatherer(
            view=view,
            store=api,
            live=cluster,
            observer=self.observer,
            things=self.things,
            alerts=place.alertmanager,
            queries=place.queries,
            clock=clock,
            evaluate=cel(),
            zone_of=zone_of,
            operator_namespace="prunella-system",
            lagging=lambda: place.lagging,
        )
        hands = Hands(cluster, place.silences, place.calls, self.tenure)
        preparer = Preparer(cluster, hands, clock, place.queries, self.gatherer.poll)
        quarantine = Quarantine(api, view, clock)
        once = Once(api, cluster, hands, quarantine, clock, place.telemetry, self.tenure, "prunella-system")
        prover = Prover(gatherer=self.gatherer, live=cluster, queries=place.queries, once=once, quarantine=quarantine, clock=clock)
        permit = Permit(api, self.gatherer, preparer)
        runner = Runner(view=view, store=api, gatherer=self.gatherer, preparer=preparer, permit=permit, once=once, prover=prover, clock=clock)
        self.outbox = Outbox(
            deliver=place.deliver,
            clock=clock,
            telemetry=place.telemetry,
            tenure=self.tenure,
            envelope=lambda incident, message, _: envelope(incident, message),
            requeue=lambda namespace, name: self.wake(IncidentKey(namespace, name)),
        )
        self.asking = Outbox(
            deliver=place.deliver,
            clock=clock,
            telemetry=place.telemetry,
            tenure=self.tenure,
            envelope=lambda incident, message, _: requested.envelope(incident, message),
            requeue=lambda namespace, name: self.wake(RequestKey(namespace, name)),
        )
        self.reconciler = Reconciler(
            store=api,
            gatherer=self.gatherer,
            preparer=preparer,
            publisher=Publisher(api, place.telemetry),
            runner=runner,
            orphans=Orphans(view, api, once, prover),
            clock=clock,
            telemetry=place.telemetry,
            again=self.wake_at,
            outbox=self.outbox,
            view=view,
            pace=self.pace,
        )
        self.requests = Requests(
            view=view,
            store=api,
            gatherer=self.gatherer,
            preparer=preparer,
            runner=runner,
            once=once,
            clock=clock,
            telemetry=place.telemetry,
            queue=Woken(self),
            outbox=self.asking,
        )
        self.recorder = Recorder(api, Publisher(api, place.telemetry), clock, Pace(turn=0), polled=False)
        self.intake.deliver = self._deliver
        self.brake = Brake(view, api, self.gatherer, clock, place.telemetry)
        self.brake.wake_all = self.wake_all
        self.commons = Commons(view, self.gatherer.around, self.intake, clock, self.wake)
        self.leftovers = Leftovers(view, api, place.cluster, place.cluster, clock, "prunella-system")

    async def _deliver(self, key: IncidentKey, alerts: Sequence[AlertFacts]) -> None:
        await (self.reconciler.deliver_alerts if self.tenure.leads else self.recorder.keep)(key, alerts)

    def wake(self, key: IncidentKey | RequestKey | WorkloadKey) -> None:
        if self.tenure.leads or isinstance(key, WorkloadKey):
            self.pending[key] = ""

    def wake_at(self, key: IncidentKey | RequestKey | WorkloadKey, at: datetime) -> None:
        """An earlier timer of the key stands."""
        self.timers[key] = min(at, self.timers.get(key, at))

    def wake_all(self) -> None:
        for incident in self.place.api.all(Incident):
            self.wake(IncidentKey(incident.metadata.namespace or "", incident.metadata.name))
        self.requests.wake()

    def _stored(self, one: Stored) -> None:
        """What the watches tell."""
        namespace = one.metadata.namespace or ""
        if isinstance(one, Incident):
            key = IncidentKey(namespace, one.metadata.name)
            self.pending[key] = "" if self.pending.get(key) == "" else one.metadata.resource_version
        elif isinstance(one, Remediation):
            ref = one.spec.incident_ref
            self.wake(RequestKey(namespace, one.metadata.name) if ref is None else IncidentKey(namespace, ref.name))
        elif type(one).__name__ != "WorkloadRecord":
            for key in self.things.certificates.known():
                self.wake(key)
            self.wake_all()

    def _moved(self, one: FakeWorkload) -> None:
        self.wake(WorkloadKey(one.kind, one.namespace, one.name))

    async def take(self, *alerts: Mapping[str, Any], truncated: int = 0) -> None:
        """A webhook body."""
        self.gatherer.alert_time = self.place.clock.now()
        await self.intake.alerts(alerts, self.place.clock.now(), truncated)

    async def settle(self) -> None:
        """Serve everything that is due now, and let messages arrive."""
        served = 0
        while True:
            while self.pending:
                served += 1
                assert served < HOT, f"a loop without an end: {list(self.pending)}"
                key = next(iter(self.pending))
                version = self.pending.pop(key)
                if isinstance(key, IncidentKey) and self.reconciler.knows(key, version):
                    continue
                await self._serve(key)
                if not isinstance(key, WorkloadKey):
                    await self.brake.look()
                    await self.commons.look()
            await self.leftovers.look()
            if self.outbox.idle() and self.asking.idle() and not self.pending:
                break
            await asyncio.sleep(0)
        self.served += served

    async def _serve(self, key: IncidentKey | RequestKey | WorkloadKey) -> None:
        try:
            if isinstance(key, WorkloadKey):
                again = await (self.things if key.kind in THINGS else self.observer).observe(key)
                if again is not None:
                    self.wake_at(key, again)
            elif isinstance(key, RequestKey):
                await self.requests.serve(key)
            else:
                await self.reconciler.reconcile(key)
        except Conflict as error:
            self.retries.append(error)
            self.wake_at(key, self.place.clock.now() + timedelta(seconds=0.05))
        except Retryable as error:
            self.retries.append(error)
            self.wake_at(key, self.place.clock.now() + timedelta(seconds=error.delay))
        except OutcomeUnknown as error:
            self.retries.append(error)
            self.wake_at(key, self.place.clock.now() + timedelta(seconds=1))

    async def run(self, seconds: float) -> None:
        """Live for so long."""
        clock = self.place.clock
        end = clock.now() + timedelta(seconds=seconds)
        await self.settle()
        while True:
            known = [*self.timers.values(), *(time for time in (self.place.cluster.next_change(),) if time is not None)]
            due = min((time for time in known if time <= end), default=None)
            if due is None:
                break
            moves = self.place.cluster.next_change()
            clock.set(due)
            if moves is not None and moves <= clock.now():
                for one in list(self.place.cluster.workloads.values()):
                    self._moved(one)
            for key in [key for key, at in self.timers.items() if at <= clock.now()]:
                del self.timers[key]
                self.wake(key)
            await self.settle()
        clock.set(end)
        await self.settle()

    async def close(self) -> None:
        await self.outbox.close()
        await self.asking.close()
        await self.recorder.close()

    # what tests read

    @property
    def incident(self) -> Incident:
        return self.place.api.one(Incident)

    @property
    def remediations(self) -> Sequence[Remediation]:
        return sorted(self.place.api.all(Remediation), key=lambda one: one.metadata.name)

    def condition(self, type_: str) -> tuple[str, str]:
        found = next((one for one in self.incident.status.conditions if one.type == type_), None)
        return (found.status.value, found.reason) if found else ("", "")

    def told(self) -> list[str]:
        return [one.what for one in self.incident.status.timeline]


@dataclass(frozen=True)
class Woken:
    """The queue of requests, played by the test as well."""

    operator: Operator

    def add(self, key: RequestKey) -> None:
        self.operator.wake(key)

    def add_at(self, key: RequestKey, at: datetime) -> None:
        self.operator.wake_at(key, at)
