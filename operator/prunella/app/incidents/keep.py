"""Keep: what was decided about an Incident is stored if it tells something, and waits if it only counts.

The rules this module protects: an alert leaves the mailbox once it stands on its Incident, and not before; and a write whose answer was lost is
recognised on the Incident, so that what it took in is not counted again. Counters alone are not worth a write: they ride along, or wait ten seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.app.keys import IncidentKey
from prunella.app.ports import Clock, Store
from prunella.core.draft import Draft
from prunella.core.incident.material import replanned, rides, tells_something

from .mailbox import Mailbox, Unanswered
from .publish import Publisher
from .put import put_status
from .versions import Versions

FLUSH: Final = timedelta(seconds=10)
MAIL_CAP: Final = 2000
"""So many alerts that only count are written at once."""


class Keeper:
    """Stores decisions. `again` puts a key on the queue at an instant."""

    def __init__(
        self, *, store: Store, publisher: Publisher, versions: Versions, clock: Clock, again: Callable[[IncidentKey, datetime], None]
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._versions = versions
        self._clock = clock
        self._again = again

    async def recognise(self, mail: Mailbox, incident: Incident) -> None:
        """An Incident was read: where it shows what was sent last, that was stored though no answer came, and is told and counted now."""
        sent = mail.unanswered
        if sent is None or not sent.stands_on(incident):
            return
        mail.stored(sent.alerts)
        self._publisher.count(sent.draft.counts)
        await self._publisher.publish(sent.before, incident)

    async def keep(self, key: IncidentKey, mail: Mailbox, taken: Mailbox, incident: Incident, draft: Draft) -> Incident:
        """The Incident as it is stored now. `taken` is what of the mailbox the decision took in. Raises Conflict, Retryable, OutcomeUnknown."""
        force = self._flush_due(mail, draft)
        if tells_something(incident.status, draft.status) or (force and draft.status != incident.status):
            mail.unanswered = Unanswered(incident, draft, taken.alerts)
            stored = await put_status(self._store, incident, draft.status)
            mail.stored(taken.alerts)
            self._versions.wrote(key, stored.metadata.resource_version)
            await self._publisher.publish(incident, stored)
            return stored
        if draft.status == incident.status:
            # What came in tells nothing that does not stand there already: nothing waits to be written.
            mail.known(taken.alerts)
        elif (taken.alerts or taken.deliveries or replanned(incident.status, draft.status)) and not rides(draft.status):
            # Only counts, receipts or the plan changed. While an attempt is under way they ride on its next write; else they wait for a while.
            mail.dirty_since = mail.dirty_since or self._clock.now()
            self._again(key, mail.dirty_since + FLUSH)
        return incident

    def _flush_due(self, mail: Mailbox, draft: Draft) -> bool:
        if len(mail.alerts) >= MAIL_CAP:
            return True
        return mail.dirty_since is not None and self._clock.now() - mail.dirty_since >= FLUSH and not rides(draft.status)
