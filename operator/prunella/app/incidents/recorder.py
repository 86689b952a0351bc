"""Record without leading: a standby that is sent alerts keeps them on their Incidents, and leaves every conclusion to the leader.

The rule this module protects: an alert that is answered with 200 stands in the API server, whichever replica was asked. What only counts a known
alert up is written within ten seconds, or with the next alert that says something new. Incidents are written in their turn, as the leader does it: a
standby that writes as fast as alerts come in has no time left to become the leader.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from prunella.api.incident import Incident
from prunella.app.errors import Conflict, PrunellaError, Retryable
from prunella.app.keys import IncidentKey
from prunella.app.ports import Clock, Store
from prunella.core import decide
from prunella.core.facts import AlertFacts
from prunella.core.incident.material import tells_something
from prunella.core.incident.sources import is_opener

from .mailbox import Unanswered
from .pace import Pace
from .publish import Publisher

log = logging.getLogger(__name__)
TRIES: Final = 20
FLUSH_SECONDS: Final = 10.0
PARTING_SECONDS: Final = 3.0


@dataclass(eq=False)
class _Body:
    """Alerts that came together. `kept` once they stand on the Incident, or only count up what stands there."""

    alerts: Sequence[AlertFacts]
    kept: bool = False


@dataclass
class _Post:
    """What waits for one Incident, and who writes."""

    bodies: list[_Body] = field(default_factory=list)
    counts: list[AlertFacts] = field(default_factory=list)
    """What only counts up, and is written later."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    timer: asyncio.TimerHandle | None = None
    unanswered: tuple[Unanswered, frozenset[_Body]] | None = None
    """What was sent last, and for whom, until it is known to be stored."""

    def known(self, bodies: frozenset[_Body], counted: int, waits: Sequence[AlertFacts] = ()) -> None:
        """What they brought stands on the Incident, but for what only counts up and `waits`."""
        self.counts[:counted] = waits
        self.bodies = [one for one in self.bodies if one not in bodies]
        for body in bodies:
            body.kept = True
        self.unanswered = None


class Recorder:
    """Keeps alerts. `polled` says whether the leader asks Alertmanager."""

    def __init__(self, store: Store, publisher: Publisher, clock: Clock, pace: Pace, *, polled: bool) -> None:
        self._store = store
        self._publisher = publisher
        self._clock = clock
        self._pace = pace
        self._polled = polled
        self._posts: defaultdict[IncidentKey, _Post] = defaultdict(_Post)
        self._flushes: set[asyncio.Task[None]] = set()

    async def keep(self, key: IncidentKey, alerts: Sequence[AlertFacts]) -> None:
        """Returns once they stand on the Incident, or only count up what stands there. Raises Retryable where they could not be stored."""
        post, body = self._posts[key], _Body(alerts)
        post.bodies.append(body)
        try:
            await self._pace.decide(key, post.lock, lambda: body.kept, lambda: self._write(key, all_of_it=False))
        except PrunellaError:
            if body in post.bodies:
                post.bodies.remove(body)  # they are sent again
            raise
        finally:
            self._tidy(key)

    async def close(self) -> None:
        """Let nobody wait for a turn any longer, and write what waits, if that is done soon: it is only counts."""
        self._pace.close()
        for post in self._posts.values():
            if post.timer is not None:
                post.timer.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PARTING_SECONDS):
                await asyncio.gather(*(self._flush(key) for key in list(self._posts)), *self._flushes)

    async def _write(self, key: IncidentKey, *, all_of_it: bool) -> None:
        """Write what everybody brought; whoever calls has the lock."""
        post = self._posts[key]
        for _ in range(TRIES):
            if not post.bodies and not post.counts:
                return
            incident = await self._store.incident(*key)
            if incident is None:
                post.counts.clear()  # they only counted up what is gone
                if not post.bodies:
                    return
                raise Retryable(f"Incident {key.name} is gone: its alerts have to be sent again", delay=1.0)
            await self._recognise(post, incident)
            try:
                await self._merge(key, post, incident, all_of_it=all_of_it)
            except Conflict:
                continue
            return
        raise Retryable(f"Incident {key.name} changed {TRIES} times meanwhile", delay=0.5)

    async def _recognise(self, post: _Post, incident: Incident) -> None:
        """Where the Incident shows what was sent last, that was stored though no answer came, and is not counted again."""
        if post.unanswered is None or not post.unanswered[0].stands_on(incident):
            return
        sent, bodies = post.unanswered
        post.known(bodies, len(sent.alerts))
        self._publisher.count(sent.draft.counts)
        await self._publisher.publish(sent.before, incident)

    async def _merge(self, key: IncidentKey, post: _Post, incident: Incident, *, all_of_it: bool) -> None:
        bodies, counted = frozenset(post.bodies), len(post.counts)
        taken = (*post.counts, *(alert for body in post.bodies for alert in body.alerts))
        opening = incident.spec.source.signal if incident.spec.source is not None else None
        waits = False
        if any(opening is None or not is_opener(opening, alert) for alert in taken):
            draft = decide.keep(incident, taken, self._clock.now(), polled=self._polled)
            if tells_something(incident.status, draft.status) or (all_of_it and draft.status != incident.status):
                post.unanswered = (Unanswered(incident, draft, tuple(post.counts)), bodies)
                stored = await self._store.put_incident_status(incident.model_copy(update={"status": draft.status}))
                self._publisher.count(draft.counts)
                await self._publisher.publish(incident, stored)
            else:
                waits = draft.status != incident.status
        post.known(bodies, counted, taken if waits else ())
        self._pace.took(key)
        if waits:
            self._later(key, post)

    def _later(self, key: IncidentKey, post: _Post) -> None:
        if post.timer is None:
            post.timer = asyncio.get_running_loop().call_later(FLUSH_SECONDS, self._due, key)

    def _due(self, key: IncidentKey) -> None:
        task = asyncio.create_task(self._flush(key), name=f"count alerts of {key.name}")
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self, key: IncidentKey) -> None:
        post = self._posts.get(key)
        if post is None:
            return
        post.timer = None
        try:
            async with post.lock:
                await self._write(key, all_of_it=True)
        except PrunellaError as error:
            log.warning("Repeats of known alerts could not be counted", extra={"incident": f"{key.namespace}/{key.name}", "why": str(error)})
            self._later(key, post)
        self._tidy(key)

    def _tidy(self, key: IncidentKey) -> None:
        post = self._posts.get(key)
        if post is not None and not post.bodies and not post.counts and not post.lock.locked():
            del self._posts[key]
