"""In line: an Incident that waits for its turn, or whose attempt is being proved, is kept as it was read last, and not read again for each look.

Two hundred in line would else be read, each with its attempts, many times a second for nothing; a proof reads its target live all the same. The
rule this module protects: what is kept is believed only for as long as whoever is last in line would wait for its next look, only while every watch
is heard of and shows that very version of the Incident and of its attempts, and only where nothing follows from it but the next look. As soon as
anything else does (the turn has come, the proof is over, a page is due, somebody said a word), everything is read anew and decided by that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.incident import Incident
from prunella.api.names import MessageState, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.core.decide import decide
from prunella.core.draft import Draft
from prunella.core.healing.guards.turns import LATEST
from prunella.core.incident.material import replanned, tells_something
from prunella.core.world import Delivery

from .around import turns
from .gather import Gatherer
from .incidents.mailbox import Mailbox
from .incidents.versions import Versions
from .keys import IncidentKey
from .outbox import Outbox
from .ports import Clock, View
from .remediate import Runner

SOONEST: Final = timedelta(milliseconds=20)
BELIEVED: Final = LATEST
"""A watch that died unnoticed hides a person's word for no longer than the last in line waited for its look anyway."""
MOST: Final = 500
"""So many are kept; whoever stands in line behind them is read at each look."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """As it was read last, or stored since, and when."""

    incident: Incident
    attempts: tuple[Remediation, ...]
    time: datetime


class Line:
    """Looks at those that wait. `again` puts a key on the queue at an instant."""

    def __init__(
        self,
        *,
        view: View,
        gatherer: Gatherer,
        runner: Runner,
        outbox: Outbox,
        versions: Versions,
        clock: Clock,
        again: Callable[[IncidentKey, datetime], None],
    ) -> None:
        self._view = view
        self._gatherer = gatherer
        self._runner = runner
        self._outbox = outbox
        self._versions = versions
        self._clock = clock
        self._again = again
        self._kept: dict[IncidentKey, _Kept] = {}

    def decided(self, key: IncidentKey, incident: Incident, draft: Draft, attempts: Sequence[Remediation]) -> None:
        """An Incident as it was read live or stored since, and what was just decided about it and its attempts."""
        self._tell_turns(incident, draft)
        rests = turns.waits(draft.status) if all(_over(one) for one in attempts) else _proved(attempts)
        if rests and draft.attempt is None and len(self._kept) < MOST:
            self._kept[key] = _Kept(incident, tuple(attempts), self._clock.now())

    def rest(self, key: IncidentKey, draft: Draft) -> None:
        """Nothing more follows now: it is looked at again when the decision says."""
        if draft.look_again is not None:
            self._again(key, max(draft.look_again, self._clock.now() + SOONEST))

    async def look(self, key: IncidentKey, mail: Mailbox) -> Incident | None:
        """The Incident, where all that follows is that it goes on waiting or being proved; its next look is set. None: it must be read."""
        kept = self._kept.pop(key, None)
        receipts = self._outbox.deliveries(kept.incident.metadata.uid) if kept is not None else ()
        if kept is None or _brings_something(kept, mail, receipts) or not self._stands(key, kept):
            return None
        self._versions.read(key, kept.incident.metadata.resource_version)
        known = Mailbox(preparation=mail.preparation, answers=mail.answers, deliveries=list(receipts))
        world = await self._gatherer.world(kept.incident, known, attempts=kept.attempts)
        draft = decide(world)
        if not world.watch_fresh or not _only_waits(kept, draft):
            return None
        if _proved(kept.attempts):
            judged = kept.incident.model_copy(update={"status": draft.status})
            moved, look = await self._runner.drive(judged, mail, None, kept.attempts)
            if moved:
                return None
            draft = draft.again(look)
        self._tell_turns(kept.incident, draft)
        self._kept[key] = kept
        self.rest(key, draft)
        return kept.incident

    def forget(self, key: IncidentKey) -> None:
        """The Incident is gone."""
        self._kept.pop(key, None)

    def _tell_turns(self, incident: Incident, draft: Draft) -> None:
        """By the status as it was decided: what rides along stands nowhere yet, and is true all the same."""
        self._gatherer.turns.decided(incident.model_copy(update={"status": draft.status}), draft.look_again)

    def _stands(self, key: IncidentKey, kept: _Kept) -> bool:
        """Whether it was read lately, and the watches show just that: of the Incident, of its attempts, and of none that an earlier one left."""
        now, shown = self._clock.now(), self._view.incident(*key)
        if now - kept.time >= BELIEVED or self._view.silent_kinds(now) or shown is None or _version(shown) != _version(kept.incident):
            return False
        named = [one for one in self._view.remediations() if one.spec.incident_ref is not None and _story(one) == key]
        own = {_version(one) for one in named if one.story_uid == kept.incident.metadata.uid}
        left_behind = any(one.story_uid != kept.incident.metadata.uid and not _over(one) for one in named)
        return own == {_version(one) for one in kept.attempts} and not left_behind


def _brings_something(kept: _Kept, mail: Mailbox, receipts: Sequence[Delivery]) -> bool:
    """Whether something came in that is to be stored, or a message is to be sent. While a heal is proved, receipts ride on the write that ends it."""
    came = bool(mail.alerts) or mail.capture is not None or mail.dirty_since is not None
    sent = {one.key for one in receipts if one.final} if _proved(kept.attempts) else set()
    pending = any(one.state is MessageState.PENDING and one.key not in sent for one in kept.incident.status.escalation.messages)
    return came or pending or len(receipts) > len(sent)


def _only_waits(kept: _Kept, draft: Draft) -> bool:
    """Whether there is nothing to do, to ask, to count or to write."""
    before = kept.incident.status
    acts = draft.needs or draft.attempt is not None or draft.counts or not (turns.waits(draft.status) or _proved(kept.attempts))
    return not acts and not tells_something(before, draft.status) and not replanned(before, draft.status)


def _proved(attempts: Sequence[Remediation]) -> bool:
    """Whether one of them is being proved, and the others are over."""
    running = [one for one in attempts if not _over(one)]
    return len(running) == 1 and running[0].status.phase is RemediationPhase.VERIFYING and running[0].status.ending is None


def _version(one: Incident | Remediation) -> tuple[str, str]:
    return (one.metadata.uid, one.metadata.resource_version)


def _story(one: Remediation) -> tuple[str, str]:
    ref = one.spec.incident_ref
    return (one.metadata.namespace or "", ref.name if ref is not None else "")


def _over(one: Remediation) -> bool:
    return one.status.phase is not None and one.status.phase.final
