"""Reconcile: one Incident's key in, one decision stored. All status writes of an Incident go through here: read, decide, compare and swap.

The same call heals a missed event, a lost write and a restart. Counters alone are not worth a write: they ride along, or wait ten seconds.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from prunella.api.common import Metadata
from prunella.api.incident import Incident
from prunella.api.marks import INCIDENT_LABEL, PART_OF_LABEL, TARGET_LABEL
from prunella.api.remediation import Remediation
from prunella.core import draft as wishes
from prunella.core.decide import decide
from prunella.core.draft import Draft
from prunella.core.facts import AlertFacts
from prunella.core.incident import correlate
from prunella.core.world import GONE, World

from .beside import beside
from .errors import AlreadyExists, Conflict, Retryable
from .gather import Gatherer
from .in_line import Line
from .incidents import rest
from .incidents.keep import Keeper
from .incidents.mailbox import Mailbox
from .incidents.pace import Pace
from .incidents.prepare import Preparer
from .incidents.publish import Publisher
from .incidents.versions import Versions
from .keys import IncidentKey
from .listing import attempts_of
from .outbox import Outbox
from .ports import Clock, Store, Telemetry, View
from .remediate import SETTLE_RETRY, Runner
from .runs.orphans import Orphans
from .runs.shadows import Shadows

log = logging.getLogger(__name__)
TRIES: Final = 20
QUESTIONS: Final = 2
TAKEN: Final = timedelta(seconds=1)
"""When to look again where an attempt's name is taken, and the cache may not show by whom yet."""


class Reconciler:
    """Decides about Incidents. `again` puts a key on the queue at an instant."""

    def __init__(
        self,
        *,
        store: Store,
        gatherer: Gatherer,
        preparer: Preparer,
        publisher: Publisher,
        runner: Runner,
        orphans: Orphans,
        clock: Clock,
        telemetry: Telemetry,
        again: Callable[[IncidentKey, datetime], None],
        outbox: Outbox,
        view: View,
        pace: Pace,
    ) -> None:
        self._store = store
        self._gatherer = gatherer
        self._preparer = preparer
        self._publisher = publisher
        self._runner = runner
        self._orphans = orphans
        self._clock = clock
        self._telemetry = telemetry
        self._again = again
        self._outbox = outbox
        self._view = view
        self._pace = pace
        self._shadows = Shadows(view, store)
        self._locks: defaultdict[IncidentKey, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._mail: defaultdict[IncidentKey, Mailbox] = defaultdict(Mailbox)
        self._uids: dict[IncidentKey, str] = {}
        self._at_work = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._parking = False
        self._versions = Versions()
        self._keeper = Keeper(store=store, publisher=publisher, versions=self._versions, clock=clock, again=again)
        self._line = Line(view=view, gatherer=gatherer, runner=runner, outbox=outbox, versions=self._versions, clock=clock, again=again)

    async def deliver_alerts(self, key: IncidentKey, alerts: Sequence[AlertFacts]) -> None:
        """Put alerts on an Incident; returns once they are stored, in the Incident's turn. Raises Retryable or Conflict where they could not be."""
        mail = self._mail[key]
        mine = mail.put(alerts)

        def over() -> bool:
            return mail.judged >= mine or self._mail.get(key) is not mail

        try:
            await self._pace.decide(key, self._locks[key], over, lambda: self._pass(key))
        except Exception:
            mail.refuse(alerts)
            raise
        if mail.judged < mine:
            raise Retryable(f"Incident {key.name} was deleted meanwhile", delay=1.0)

    async def reconcile(self, key: IncidentKey) -> None:
        """Bring one Incident up to date with what is known. Raises Retryable once the process is ending."""
        known, mail = self._view.incident(*key), self._mail.get(key)
        if known is not None and not (mail and mail.alerts) and not rest.restless(known, self._clock.now()):
            return
        left = self._pace.gives_way() if known is None or known.status.observed_generation is None else 0.0
        if left > 0:
            self._again(key, self._clock.now() + timedelta(seconds=left))
            return
        async with self._locks[key]:
            await self._pass(key)

    def knows(self, key: IncidentKey, version: str) -> bool:
        """Whether the event of that version tells nothing that must be looked at: we wrote it, or are at it."""
        return self._versions.known(key, version)

    async def _pass(self, key: IncidentKey) -> None:
        async with self._working():
            started = asyncio.get_running_loop().time()
            self._versions.begin(key)
            try:
                incident = await self._line.look(key, self._mail[key]) or await self._settle(key)
            except BaseException:
                if self._versions.fail(key):
                    self._again(key, self._clock.now())
                raise
            if self._versions.end(key):
                self._again(key, self._clock.now())
            self._telemetry.observe("reconcile_duration_seconds", asyncio.get_running_loop().time() - started)
        if incident is None:
            self._forget(key)

    async def park(self) -> None:
        """Begin nothing more; returns once every step under way has stored what became of it, and nothing is being sent."""
        self._parking = True
        self._pace.close()
        await self._idle.wait()
        await self._outbox.close()

    @asynccontextmanager
    async def _working(self) -> AsyncIterator[None]:
        self._at_work += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._idle.set()

    async def _settle(self, key: IncidentKey) -> Incident | None:
        """Decide, store and act until nothing more follows at once."""
        for _ in range(TRIES):
            if self._parking:
                raise Retryable("this process is ending: whoever leads next goes on", delay=5.0)
            async with beside(self._store.remediations_in(key.namespace)) as listing:
                incident = await self._store.incident(*key)
                if not await self._orphans.settle(key, incident):
                    self._again(key, self._clock.now() + SETTLE_RETRY)
                if incident is None:
                    return None
                self._uids[key] = incident.metadata.uid
                self._versions.read(key, incident.metadata.resource_version)
                attempts = await attempts_of(incident, listing, self._store)
            try:
                incident, draft = await self._decide(key, incident, attempts)
            except Conflict:
                continue
            self._publisher.count(draft.counts)
            await self._shadows.count(incident)
            made = await self._create(incident, draft.attempt) if draft.attempt is not None else None
            taken = draft.attempt is not None and made is None
            if taken:
                draft = draft.again(self._clock.now() + TAKEN)
            # By the status as it was decided: what rides along stands nowhere yet, and is true all the same.
            judged = incident.model_copy(update={"status": draft.status})
            moved, look = await self._runner.drive(judged, self._mail[key], made, None if taken else attempts)
            draft = draft.again(look)
            self._line.decided(key, incident, draft, attempts)
            if not moved:
                self._line.rest(key, draft)
                return incident
        raise Retryable(f"Incident {key.name} changed {TRIES} times meanwhile", delay=0.5)

    async def _decide(self, key: IncidentKey, incident: Incident, attempts: tuple[Remediation, ...]) -> tuple[Incident, Draft]:
        """Decide and store: the Incident as it is stored now, and the decision."""
        mail = self._mail[key]
        await self._keeper.recognise(mail, incident)
        received = mail.received
        taken = Mailbox(
            alerts=list(mail.alerts),
            deliveries=list(self._outbox.deliveries(incident.metadata.uid)),
            capture=mail.capture,
            preparation=mail.preparation,
            answers=mail.answers,
        )
        world = await self._gatherer.world(incident, taken, attempts=attempts)
        draft = decide(world)
        for _ in range(QUESTIONS):
            if not draft.needs:
                break
            world = await self._answer(world, draft)
            draft = decide(world)
        mail.preparation, mail.answers = world.preparation, world.answers
        stored = await self._keeper.keep(key, mail, taken, incident, draft)
        mail.judged = received
        if taken.alerts:
            self._pace.took(key)
        self._hand_over(stored)
        return stored, draft

    def _hand_over(self, incident: Incident) -> None:
        """What the stored Incident says is Pending goes to the outbox."""
        policy = self._view.healing_policy()
        self._outbox.send(incident, policy.spec.receivers if policy is not None else None)

    async def _answer(self, world: World, draft: Draft) -> World:
        for need in draft.needs:
            match need:
                case wishes.CaptureEvidence():
                    world = replace(world, capture=await self._preparer.capture(world))
                case wishes.Prepare():
                    world = replace(world, preparation=await self._preparer.prepare(world, need))
                case wishes.AskBlockers():
                    world = replace(world, answers=await self._preparer.ask_blockers(need))
                case wishes.PollAlerts():
                    active = await self._gatherer.poll()
                    world = replace(world, active_alerts=active, polled_time=self._gatherer.polled_time)
                case wishes.ConfirmTarget():
                    read = await self._preparer.confirm(need.target)
                    world = replace(world, target=GONE if read is None else read)
        return world

    async def _create(self, incident: Incident, attempt: wishes.Attempt) -> Remediation | None:
        """The create is the election. None where the name is taken."""
        metadata = Metadata(
            name=attempt.name,
            namespace=incident.metadata.namespace,
            labels={
                PART_OF_LABEL: "prunella",
                TARGET_LABEL: incident.metadata.labels.get(TARGET_LABEL) or correlate.label_value(incident.spec.target_ref.name),
                INCIDENT_LABEL: correlate.label_value(incident.metadata.name),
            },
        )
        try:
            return await self._store.create_remediation(Remediation(metadata=metadata, spec=attempt.spec))
        except AlreadyExists:
            # Somebody else has this attempt, or an answer was lost: the live list of the next pass says which.
            log.info("The attempt exists already", extra={"remediation": attempt.name})
            return None

    def _forget(self, key: IncidentKey) -> None:
        uid = self._uids.pop(key, None)
        if uid is not None:
            self._outbox.forget(uid)
            self._gatherer.forget(uid)
        self._versions.forget(key)
        self._line.forget(key)
        self._locks.pop(key, None)
        self._mail.pop(key, None)
