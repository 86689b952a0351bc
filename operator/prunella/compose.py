"""Compose: the only place where objects are wired. Reading it once shows the whole operator.

Order of a start: web (so that probes answer), our kinds in discovery, the cache, then Kopf and the workers. Nothing is decided before the cache
is whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import aiohttp
import kopf

from prunella import __version__, handlers
from prunella.adapters.absent import NoPrometheus
from prunella.adapters.alertmanager.poll import AlertmanagerPoll
from prunella.adapters.alertmanager.webhook_body import decode_webhook
from prunella.adapters.cel import CelEvaluate
from prunella.adapters.clock import SystemClock
from prunella.adapters.kubernetes.cache import Cache
from prunella.adapters.kubernetes.client import Api, connect
from prunella.adapters.kubernetes.discovery import missing_kinds
from prunella.adapters.kubernetes.executor import Effects
from prunella.adapters.kubernetes.reads import LiveReads
from prunella.adapters.kubernetes.secrets import reader
from prunella.adapters.kubernetes.store import Objects
from prunella.adapters.notify.deliver import Transports
from prunella.adapters.prometheus import PrometheusQueries
from prunella.adapters.telemetry import PrometheusTelemetry
from prunella.app.brake import Brake
from prunella.app.errors import Permanent, PrunellaError
from prunella.app.gather import Gatherer
from prunella.app.intake import Intake
from prunella.app.keys import IncidentKey, WorkloadKey
from prunella.app.observe import Observer
from prunella.app.once import Once
from prunella.app.outbox import Outbox
from prunella.app.permit import Permit
from prunella.app.ports import Queries
from prunella.app.prepare import Preparer
from prunella.app.prove import Prover
from prunella.app.publish import Publisher
from prunella.app.quarantine import Quarantine
from prunella.app.queue import Queue
from prunella.app.readiness import PolicyKey, Readiness
from prunella.app.reconcile import Reconciler
from prunella.app.remediate import Runner
from prunella.core.facts import UnknownT
from prunella.core.people.message import envelope
from prunella.web.alertmanager import AlertmanagerWebhook
from prunella.web.probes import Probes
from prunella.web.server import Server, application, serve
from prunella.web.tokens import Tokens

log = logging.getLogger(__name__)
WORKERS: Final = 16
POLL_SECONDS: Final = 30.0
HEALTH_SECONDS: Final = 10.0
BRAKE_SECONDS: Final = 0.25
RESYNC_SECONDS: Final = 300.0
KINDS: Final = ("incidents", "remediations", "runbooks", "escalationpolicies", "catalogentries", "workloadrecords", "healingpolicies")
PEOPLE_APPLY: Final = frozenset(handlers.PEOPLE_APPLY.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where things are. How to behave stands in resources."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str = "prunella-system"
    watch_namespaces: tuple[str, ...] = ()
    listen: str = ":8080"
    token_dir: str | None = None
    tls_dir: str | None = None
    prometheus_url: str | None = None
    alertmanager_urls: tuple[str, ...] = ()
    crds_timeout_seconds: int = 300


class Operator:
    """Everything wired. `run` serves until it is cancelled."""

    def __init__(self, settings: Settings, api: Api, telemetry: PrometheusTelemetry) -> None:
        self._settings = settings
        self._api = api
        self._telemetry = telemetry
        self._clock = SystemClock()
        self._problems: list[str] = ["starting"]
        self._poll_now = asyncio.Event()
        evaluate = CelEvaluate()
        self._cache = Cache(api, self._clock, telemetry, namespaces=settings.watch_namespaces, operator_namespace=settings.namespace)
        self._live = LiveReads(api)
        store = Objects(api)
        executor = Effects(api)
        self._queries: Queries = PrometheusQueries(settings.prometheus_url, self._clock) if settings.prometheus_url else NoPrometheus()
        self._incidents: Queue[IncidentKey] = Queue("incidents", self._reconcile, self._clock, telemetry)
        self._workloads: Queue[WorkloadKey] = Queue("workloads", self._observe, self._clock, telemetry)
        self._policies: Queue[PolicyKey] = Queue("policies", self._settle, self._clock, telemetry)
        self._intake = Intake(
            self._cache,
            store,
            self._clock,
            telemetry,
            self._queries,
            operator_namespace=settings.namespace,
            deliver=self._deliver_alerts,
            wake=self._incidents.add,
        )
        self._observer = Observer(self._cache, store, self._intake, self._clock, self._incidents.add)
        self._gatherer = Gatherer(
            view=self._cache,
            store=store,
            live=self._live,
            observer=self._observer,
            alerts=AlertmanagerPoll(settings.alertmanager_urls, self._clock, telemetry),
            queries=self._queries,
            clock=self._clock,
            evaluate=evaluate,
            operator_namespace=settings.namespace,
        )
        self._outbox = Outbox(
            deliver=Transports(reader(api, settings.namespace), self._clock),
            clock=self._clock,
            telemetry=telemetry,
            envelope=envelope,
            requeue=lambda namespace, name: self._incidents.add(IncidentKey(namespace, name)),
        )
        self._reconciler = self._acting(store, executor)
        self._readiness = Readiness(self._cache, store, self._clock, evaluate, settings.namespace)
        self._brake = Brake(self._cache, store, self._gatherer, self._clock, telemetry, self._wake_all)
        self._cache.subscribe(on_change=self._changed, on_workload_change=self._workload_changed)
        self._listener: Server | None = None

    async def _serve(self) -> None:
        webhook = AlertmanagerWebhook(
            tokens=Tokens(Path(self._settings.token_dir) if self._settings.token_dir else None),
            decode=decode_webhook,
            intake=self._take_alerts,
            poll_now=self._poll_now.set,
            clock=self._clock,
            telemetry=self._telemetry,
        )
        probes = Probes(alive=self._unhealthy, ready=lambda: self._problems, expose=self._telemetry.expose)
        tls = Path(self._settings.tls_dir) if self._settings.tls_dir else None
        self._listener = await serve(application([*webhook.routes(), *probes.routes()]), self._settings.listen, tls)

    def _acting(self, store: Objects, executor: Effects) -> Reconciler:
        preparer = Preparer(self._live, executor, self._clock)
        quarantine = Quarantine(store, self._clock)
        once = Once(store, executor, quarantine, self._clock, self._telemetry)
        prover = Prover(
            gatherer=self._gatherer,
            live=self._live,
            executor=executor,
            queries=self._queries,
            once=once,
            quarantine=quarantine,
            clock=self._clock,
        )
        runner = Runner(
            view=self._cache,
            store=store,
            gatherer=self._gatherer,
            preparer=preparer,
            permit=Permit(self._gatherer, preparer),
            once=once,
            prover=prover,
            clock=self._clock,
        )
        return Reconciler(
            store=store,
            gatherer=self._gatherer,
            preparer=preparer,
            publisher=Publisher(store, self._telemetry),
            runner=runner,
            clock=self._clock,
            telemetry=self._telemetry,
            again=self._incidents.add_at,
            outbox=self._outbox,
            view=self._cache,
        )

    async def run(self) -> None:
        """Serve until cancelled. Raises Permanent where our kinds did not come in time."""
        async with asyncio.TaskGroup() as group:
            await self._serve()
            group.create_task(self._every(HEALTH_SECONDS, self._look_at_control_plane))
            await self._wait_for_kinds()
            self._problems = ["the cache is not whole yet"]
            group.create_task(self._cache.run())
            await self._cache.until_synced()
            self._problems = []
            log.info("Ready")
            for queue, workers in ((self._incidents, WORKERS), (self._workloads, WORKERS), (self._policies, 1)):
                group.create_task(queue.run(workers))
            group.create_task(self._every(BRAKE_SECONDS, self._brake.look))
            group.create_task(self._every(RESYNC_SECONDS, self._resync))
            if self._settings.alertmanager_urls:
                group.create_task(self._poll_for_ever())
            group.create_task(self._kopf())

    async def close(self) -> None:
        """Let go of connections and listeners."""
        if self._listener is not None:
            await self._listener.stop()
        await self._outbox.close()
        await self._api.close()

    async def _wait_for_kinds(self) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._settings.crds_timeout_seconds
        while True:
            missing = await missing_kinds(self._api, KINDS)
            if not missing:
                return
            if self._problems != missing:
                log.info("Waiting for our kinds", extra={"missing": missing})
            self._problems = missing
            if loop.time() > deadline:
                raise Permanent(f"Gave up after {self._settings.crds_timeout_seconds} s: {missing[0]}")
            await asyncio.sleep(1)

    async def _kopf(self) -> None:
        registry = kopf.OperatorRegistry()
        handlers.register(registry, self._incidents.add, self._policies.add)
        handlers.login(registry, self._session)
        namespaces = self._settings.watch_namespaces
        await kopf.operator(registry=registry, settings=handlers.settings(), standalone=True, clusterwide=not namespaces, namespaces=namespaces or ())
        raise PrunellaError("Kopf ended")

    async def _session(self) -> tuple[str, aiohttp.ClientSession]:
        credentials = self._api.credentials
        header = await credentials.authorization()
        headers = {"Authorization": header} if header else {}
        connector = aiohttp.TCPConnector(limit=0, ssl=credentials.tls) if credentials.tls else aiohttp.TCPConnector(limit=0)
        return credentials.server, aiohttp.ClientSession(connector=connector, headers=headers, trust_env=False)

    async def _every(self, seconds: float, act: Callable[[], Awaitable[Any]]) -> None:
        """Repeat for ever; a failure is logged and does not end it."""
        while True:
            try:
                await act()
            except PrunellaError as error:
                log.warning("A repeated task failed and is tried again", extra={"task": getattr(act, "__name__", ""), "error": str(error)})
            await asyncio.sleep(seconds)

    async def _reconcile(self, key: IncidentKey) -> None:
        await self._reconciler.reconcile(key)

    async def _deliver_alerts(self, key: IncidentKey, alerts: Any) -> None:
        await self._reconciler.deliver_alerts(key, alerts)

    async def _observe(self, key: WorkloadKey) -> None:
        again = await self._observer.observe(key)
        if again is not None:
            self._workloads.add_at(key, again)

    async def _settle(self, key: PolicyKey) -> None:
        await self._readiness.settle(key)

    async def _take_alerts(self, alerts: Any, received: Any, truncated: int) -> None:
        if self._problems:
            raise PrunellaError("not ready: " + self._problems[0])
        self._gatherer.alert_time = received
        await self._intake.alerts(alerts, received, truncated)

    async def _poll_for_ever(self) -> None:
        """Every half minute, and at once where a webhook body could not be taken."""
        while True:
            self._poll_now.clear()
            try:
                await self._poll()
            except PrunellaError as error:
                log.warning("The poll's alerts could not be taken in", extra={"error": str(error)})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._poll_now.wait(), POLL_SECONDS)

    async def _poll(self) -> None:
        active = await self._gatherer.poll()
        if not isinstance(active, UnknownT):
            await self._intake.polled(active)

    async def _look_at_control_plane(self) -> None:
        self._gatherer.control_plane_ok = await self._live.healthy()

    async def _resync(self) -> None:
        """Everything once more: what an event did not tell is found here."""
        for facts in list(self._cache.workloads()):
            self._workloads.add(WorkloadKey(facts.workload.kind, facts.workload.namespace, facts.workload.name))
        self._wake_all()

    def _wake_all(self) -> None:
        for incident in self._cache.incidents():
            if incident.status.times.cancelled_time is None:
                self._incidents.add(IncidentKey(incident.metadata.namespace or "", incident.metadata.name))

    def _changed(self, kind: str, namespace: str, name: str) -> None:
        """What reconciles on an own kind's change: Kopf wakes Incidents; a policy touches everything that refers to it."""
        if kind in PEOPLE_APPLY:
            self._wake_all()
            for policy in ("Runbook", "EscalationPolicy", "CatalogEntry", "HealingPolicy"):
                self._wake_policies(policy)
        elif kind == "Namespace":
            for facts in list(self._cache.workloads()):
                if facts.workload.namespace == name:
                    self._workloads.add(WorkloadKey(facts.workload.kind, namespace or name, facts.workload.name))
            self._wake_all()

    def _wake_policies(self, kind: str) -> None:
        """References cross objects: each change may make another one ready."""
        policy = self._cache.healing_policy()
        known: dict[str, list[Any]] = {
            "Runbook": list(self._cache.runbooks()),
            "EscalationPolicy": list(self._cache.escalation_policies()),
            "HealingPolicy": [policy] if policy is not None else [],
        }
        for one in known.get(kind, []):
            self._policies.add(PolicyKey(kind, one.metadata.namespace or "", one.metadata.name))

    def _workload_changed(self, kind: str, namespace: str, name: str) -> None:
        self._workloads.add(WorkloadKey(kind, namespace, name))

    def _unhealthy(self) -> list[str]:
        """Reasons to restart the process: a watch is silent although the API server answers."""
        if self._problems or not self._gatherer.control_plane_ok:
            return []
        silent = self._cache.silent_kinds(self._clock.now())
        return [f"the watch of {kind} is silent although the API server answers" for kind in silent]


async def start(settings: Settings) -> None:
    """Connect and run until cancelled."""
    telemetry = PrometheusTelemetry(__version__)
    api = await connect(settings.kubeconfig, settings.context, telemetry)
    operator = Operator(settings, api, telemetry)
    try:
        await operator.run()
    finally:
        await operator.close()
