"""Compose: the only place where objects are wired. Reading it once shows the whole operator."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import kopf

from prunella import __version__, handlers
from prunella.adapters.absent import NoPrometheus
from prunella.adapters.alertmanager.poll import AlertmanagerPoll
from prunella.adapters.alertmanager.webhook_body import decode_webhook
from prunella.adapters.cel import CelEvaluate
from prunella.adapters.clock import SystemClock, SystemTicks
from prunella.adapters.generators import closed_in_order
from prunella.adapters.hands import hands
from prunella.adapters.kubernetes import discovery
from prunella.adapters.kubernetes.cache import Cache
from prunella.adapters.kubernetes.client import Api, connect
from prunella.adapters.kubernetes.config_maps import KeptConfigMaps
from prunella.adapters.kubernetes.heartbeat import Heartbeat
from prunella.adapters.kubernetes.lease import LeaderLease
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.secrets import reader
from prunella.adapters.kubernetes.store import Objects
from prunella.adapters.notify.deliver import Transports
from prunella.adapters.prometheus import PrometheusQueries
from prunella.adapters.telemetry import PrometheusTelemetry
from prunella.adapters.watchdog import Watchdog
from prunella.adapters.zones import zone_of
from prunella.app.around.configs import Configs
from prunella.app.brake import Brake
from prunella.app.commons import Commons
from prunella.app.errors import Lost
from prunella.app.gather import Gatherer
from prunella.app.heart import Heart, Organs
from prunella.app.incidents.pace import Pace
from prunella.app.incidents.prepare import Preparer
from prunella.app.incidents.publish import Publisher
from prunella.app.incidents.recorder import Recorder
from prunella.app.incidents.rush import Rush
from prunella.app.intake import Intake
from prunella.app.keys import IncidentKey, RequestKey
from prunella.app.leadership import Elector
from prunella.app.observe import Observer
from prunella.app.outbox import Outbox
from prunella.app.ports import Election, Queries
from prunella.app.queue import Queue
from prunella.app.queues import Queues
from prunella.app.readiness import Readiness
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
from prunella.core.people import message, requested
from prunella.settings import Settings
from prunella.web.alertmanager import AlertmanagerWebhook
from prunella.web.probes import Probes
from prunella.web.server import Server, application, serve
from prunella.web.tokens import Tokens

log = logging.getLogger(__name__)
KINDS: Final = ("incidents", "remediations", "runbooks", "escalationpolicies", "catalogentries", "workloadrecords", "healingpolicies")


Elect = Callable[[Api, PrometheusTelemetry, Settings, Callable[[], int]], Election]
"""Makes what decides whether this process leads; the last is the highest epoch that any stored object bears."""


class Operator:
    """Everything wired, from the outside in. What only the leader may write goes through a session that asks whether it is one."""

    def __init__(self, settings: Settings, api: Api, telemetry: PrometheusTelemetry, take_signals: Callable[[], None], elect: Elect) -> None:
        self._settings = settings
        self._take_signals = take_signals
        self._api = api
        self._telemetry = telemetry
        self._lease_api = api.apart()  # a renewal that waits for a connection is none
        self._election = elect(self._lease_api, telemetry, settings, lambda: max((one.status.epoch for one in self._cache.remediations()), default=0))
        self._leaders_api = api.for_leader(self._election)
        self._clock = SystemClock()
        self._evaluate = CelEvaluate()
        self._cache = Cache(api, self._clock, telemetry, namespaces=settings.watch_namespaces, operator_namespace=settings.namespace)
        self._heartbeat = Heartbeat(self._leaders_api, self._clock, telemetry, namespace=settings.namespace)
        self._store = Objects(self._leaders_api)
        self._live = LiveReads(api)
        known = self._cache.healing_policy
        self._executor = hands(self._leaders_api, settings.namespace, settings.alertmanager_urls, known, self._clock, self._election)
        self._prometheus = PrometheusQueries(settings.prometheus_url, self._clock) if settings.prometheus_url else None
        self._queries: Queries = self._prometheus or NoPrometheus()
        self._queues = Queues(
            Queue("incidents", self._clock, telemetry),
            Queue("workloads", self._clock, telemetry),
            Queue("policies", self._clock, telemetry),
            Queue("requests", self._clock, telemetry),
        )
        transports = Transports(reader(api, settings.namespace), self._clock)
        sending = partial(Outbox, deliver=transports, clock=self._clock, telemetry=telemetry, tenure=self._election)
        self._outbox = sending(
            envelope=lambda incident, one, _: message.envelope(incident, one),
            requeue=lambda namespace, name: self._queues.incidents.add(IncidentKey(namespace, name)),
        )
        self._asking = sending(
            envelope=lambda incident, one, _: requested.envelope(incident, one),
            requeue=lambda namespace, name: self._queues.requests.add(RequestKey(namespace, name)),
        )
        kept, self._rush = Objects(api), Rush()
        self._recorder = Recorder(kept, Publisher(kept, telemetry), self._clock, Pace(rush=self._rush), polled=bool(settings.alertmanager_urls))
        self._heart = self._living()
        self._listener: Server | None = None

    def _living(self) -> Heart:
        """Seeing, recording and deciding around the acting part."""
        intake = self._recording()
        configs = Configs(KeptConfigMaps(self._api, self._leaders_api))
        observer = Observer(self._cache, self._store, intake, self._clock, self._election, configs, self._wake)
        things = Things(self._cache, self._live, intake, self._clock, self._election, self._wake, self._settings.incident_namespaces)
        gatherer = Gatherer(
            view=self._cache,
            store=self._store,
            live=self._live,
            observer=observer,
            things=things,
            alerts=AlertmanagerPoll(self._settings.alertmanager_urls, self._clock, self._telemetry),
            queries=self._queries,
            clock=self._clock,
            evaluate=self._evaluate,
            zone_of=zone_of,
            operator_namespace=self._settings.namespace,
            lagging=self._heartbeat.lagging,
        )
        reconciler, requests = self._deciding(gatherer)
        organs = Organs(
            cache=self._cache,
            live=self._live,
            intake=intake,
            observer=observer,
            things=things,
            gatherer=gatherer,
            reconciler=reconciler,
            requests=requests,
            readiness=Readiness(self._cache, self._store, self._clock, self._evaluate, zone_of, self._settings.namespace, things.certificates),
            brake=Brake(self._cache, self._store, gatherer, self._clock, self._telemetry),
            commons=Commons(self._cache, gatherer.around, intake, self._clock, self._wake),
            leftovers=Leftovers(self._cache, self._store, self._live, self._executor, self._clock, self._settings.namespace),
            queues=self._queues,
            clock=self._clock,
            telemetry=self._telemetry,
            election=self._election,
        )
        return self._connected(organs)

    def _connected(self, organs: Organs) -> Heart:
        """The heart around them, and the arrows back: what is woken by what."""
        heart = Heart(
            organs,
            missing_kinds=lambda: discovery.missing(self._api, KINDS, self._settings.namespace),
            kopf=self._kopf,
            polls=bool(self._settings.alertmanager_urls),
            heartbeat=self._heartbeat.run,
            crds_timeout_seconds=self._settings.crds_timeout_seconds,
        )
        organs.brake.wake_all = heart.wake_all

        async def deliver(key: IncidentKey, alerts: Sequence[AlertFacts]) -> None:
            await (organs.reconciler.deliver_alerts if self._election.leads else self._recorder.keep)(key, alerts)

        organs.intake.deliver = deliver
        self._queues.incidents.handle = organs.reconciler.reconcile
        self._queues.workloads.handle = heart.observe
        self._queues.policies.handle = organs.readiness.settle
        self._queues.requests.handle = organs.requests.serve
        self._cache.subscribe(on_change=heart.changed, on_workload_change=heart.workload_changed)
        return heart

    def _recording(self) -> Intake:
        store, namespace = Objects(self._api), self._settings.namespace
        return Intake(self._cache, store, self._clock, self._telemetry, self._queries, operator_namespace=namespace, wake=self._wake, rush=self._rush)

    def _wake(self, key: IncidentKey) -> None:
        """Nobody serves Incidents on a standby."""
        if self._election.leads:
            self._queues.incidents.add(key)

    def _deciding(self, gatherer: Gatherer) -> tuple[Reconciler, Requests]:
        """Deciding around the attempts: those at faults, and those that people ask for."""
        preparer = Preparer(self._live, self._executor, self._clock, self._queries, gatherer.poll)
        quarantine = Quarantine(self._store, self._cache, self._clock)
        once = Once(self._store, self._live, self._executor, quarantine, self._clock, self._telemetry, self._election, gatherer.operator_namespace)
        prover = Prover(gatherer=gatherer, live=self._live, queries=self._queries, once=once, quarantine=quarantine, clock=self._clock)
        permit = Permit(self._store, gatherer, preparer)
        runner = Runner(
            view=self._cache, store=self._store, gatherer=gatherer, preparer=preparer, permit=permit, once=once, prover=prover, clock=self._clock
        )
        requests = Requests(
            view=self._cache,
            store=self._store,
            gatherer=gatherer,
            preparer=preparer,
            runner=runner,
            once=once,
            clock=self._clock,
            telemetry=self._telemetry,
            queue=self._queues.requests,
            outbox=self._asking,
        )
        reconciler = Reconciler(
            view=self._cache,
            store=self._store,
            gatherer=gatherer,
            preparer=preparer,
            publisher=Publisher(self._store, self._telemetry),
            runner=runner,
            orphans=Orphans(self._cache, self._store, once, prover),
            outbox=self._outbox,
            clock=self._clock,
            telemetry=self._telemetry,
            again=self._queues.incidents.add_at,
            pace=Pace(rush=self._rush),
        )
        return reconciler, requests

    async def run(self) -> None:
        """Listen, so that probes answer, and live until cancelled."""
        webhook = AlertmanagerWebhook(
            tokens=Tokens(self._settings.token_dir),
            decode=decode_webhook,
            intake=self._heart.take_alerts,
            poll_now=self._heart.poll_now,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        probes = Probes(alive=self._heart.unhealthy, ready=lambda: self._heart.problems, expose=self._telemetry.expose)
        self._listener = await serve(application([*webhook.routes(), *probes.routes()]), self._settings.listen, self._settings.tls_dir)
        with Watchdog(self._election.overdue):
            await self._heart.run()

    async def close(self) -> None:
        """Let go of listeners and connections."""
        if self._listener is not None:
            await self._listener.stop()
        await asyncio.gather(self._outbox.close(), self._asking.close())
        await self._recorder.close()
        if self._prometheus is not None:
            self._prometheus.close()
        for api in (self._leaders_api, self._lease_api, self._api):
            await api.close()

    async def _kopf(self) -> None:
        registry = kopf.OperatorRegistry()
        handlers.register(registry, self._queues.policies.add)
        handlers.login(registry, self._api.session_of_its_own)
        namespaces = self._settings.watch_namespaces
        ours = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry, settings=handlers.settings(), standalone=True, clusterwide=not namespaces, namespaces=namespaces
        )
        self._take_signals()  # Kopf has just taken SIGTERM and SIGINT for itself, and would end under us while everything else goes on
        await kopf.run_tasks(tasks, ignored=ours)


def by_lease(api: Api, telemetry: PrometheusTelemetry, settings: Settings, floor: Callable[[], int]) -> Elector:
    """Elect by the Lease, under a name that no other process has, nor this one after a restart."""
    identity = f"{os.environ.get('POD_UID') or socket.gethostname()}/{secrets.token_hex(4)}"
    lease = LeaderLease(api, SystemClock(), namespace=settings.namespace)
    return Elector(lease, SystemTicks(), telemetry, identity=identity, floor=floor)


async def start(settings: Settings, take_signals: Callable[[], None], *, elect: Elect = by_lease) -> None:
    """Connect and run until cancelled. Raises Permanent with a sentence where it can't. `take_signals` makes SIGTERM and SIGINT cancel it.

    A process that lost the leadership ends here, at once and without farewell: somebody else acts now.
    """
    take_signals()
    telemetry = PrometheusTelemetry(__version__)
    api = await connect(settings.kubeconfig, settings.context, telemetry)
    operator = Operator(settings, api, telemetry, take_signals, elect)
    async with closed_in_order():  # Kopf leaves its watches half read where it is stopped while it lists
        try:
            await operator.run()
        except* Lost as lost:
            log.error("The process ends, to start anew as a standby: %s", lost.exceptions[0])  # noqa: TRY400 - where it was raised tells nobody anything
            os._exit(1)
        finally:
            await operator.close()
