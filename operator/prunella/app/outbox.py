"""The outbox: what the stored Incident says is Pending gets sent, and what became of it goes back to the next decision.

The rules this module protects: nothing is sent that is not stored; the same message is never under way twice; two messages to one receiver about
one Incident keep their order, so that a stand-down never overtakes its page; and a receipt is kept until the stored message shows it, so that
neither a failed status write nor a stale copy of the Incident sends again. After a crash the stored Pending message is sent once more under the
same key: at most one visible repeat, never a loss.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from prunella.api.healing_policy import Receiver, ReceiverMethod
from prunella.api.incident import Incident, Message
from prunella.api.names import MessageState
from prunella.core.people.message import Envelope
from prunella.core.world import Delivery

from .errors import Permanent, Retryable
from .ports import Clock, Telemetry, Tenure

TRIES: Final = 3
"""Tries of one method before the next one gets its turn."""
BACK_OFF: Final = (1.0, 5.0)
"""Seconds before the next try; a receiver that asks for more (Retry-After) gets more, up to `LONGEST_WAIT`."""
LONGEST_WAIT: Final = 60.0
LONGEST_WAIT_WITH_ANOTHER_WAY: Final = 10.0
"""A method that asks for a longer pause gives way to the next one, where there is one: a page is not for the receiver's convenience."""
LONGEST_SECONDS: Final = 10.0
"""How long one delivery may take: it is begun only while this process is the leader for longer than that."""
CONCURRENT: Final = 64
"""Deliveries under way at once, over all Incidents."""
CONCURRENT_PER_RECEIVER: Final = 4
"""Of these at one receiver, so that one that hangs in a storm keeps no place from the others."""

Slip = tuple[str, str]
"""Uid of the Incident and key of the message: one message of the outbox."""
Envelop = Callable[[Incident, Message, datetime], Envelope]
Requeue = Callable[[str, str], None]
"""Namespace and name of the Incident that should be decided on again."""

_log = logging.getLogger(__name__)


class Deliver(Protocol):
    """The transports. Raises Retryable (with delay) or Permanent."""

    async def deliver(self, method: ReceiverMethod, envelope: Envelope) -> None:
        """Send one message by one method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Failure:
    """Why the methods so far did not deliver."""

    errors: tuple[str, ...] = ()
    attempts: int = 0
    method: str = ""

    def plus(self, method: str, error: str) -> _Failure:
        return _Failure(errors=(*self.errors, f"{method}: {error}"), attempts=self.attempts, method=method)

    def tried(self, method: str) -> _Failure:
        return _Failure(errors=self.errors, attempts=self.attempts + 1, method=method)

    @property
    def text(self) -> str:
        return "; ".join(self.errors)[:1024]


class Outbox:
    """Sends Pending messages and remembers receipts until the store has them."""

    def __init__(
        self,
        *,
        deliver: Deliver,
        clock: Clock,
        telemetry: Telemetry,
        tenure: Tenure,
        envelope: Envelop,
        requeue: Requeue,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._deliver = deliver
        self._clock = clock
        self._telemetry = telemetry
        self._tenure = tenure
        self._envelope = envelope
        self._requeue = requeue
        self._sleep = sleep
        self._under_way: dict[Slip, asyncio.Task[None]] = {}
        self._receipts: dict[Slip, Delivery] = {}
        self._finished: set[Slip] = set()
        self._wanted: dict[str, frozenset[str]] = {}
        self._turns: dict[tuple[str, str], asyncio.Lock] = {}
        self._room = asyncio.Semaphore(CONCURRENT)
        self._rooms: dict[str, asyncio.Semaphore] = {}

    def send(self, incident: Incident, receivers: Sequence[Receiver] | None) -> None:
        """Start whatever the stored Incident has Pending and nobody is sending. Give it the Incident as the API server answered the last write.

        `receivers` are those of the HealingPolicy; None means that it is not known now, and everything stays Pending.
        """
        uid = incident.metadata.uid
        self._settle(incident)
        pending = {message.key: message for message in incident.status.escalation.messages if message.state is MessageState.PENDING}
        self._wanted[uid] = frozenset(pending)
        if receivers is None:
            return
        by_name = {receiver.name: receiver for receiver in receivers}
        for key, message in pending.items():
            slip = (uid, key)
            if slip in self._under_way or slip in self._finished:
                continue
            task = asyncio.create_task(self._carry(incident, message, by_name.get(message.receiver)), name=f"send {key}")
            self._under_way[slip] = task
            task.add_done_callback(partial(self._ended, slip, incident))

    def deliveries(self, uid: str) -> tuple[Delivery, ...]:
        """Receipts of an Incident that the store does not show yet, for `World.deliveries`."""
        return tuple(receipt for (owner, _), receipt in self._receipts.items() if owner == uid)

    def forget(self, uid: str) -> None:
        """The Incident is gone: let go of what is known about it. What is under way ends at its next pause."""
        self._wanted.pop(uid, None)
        self._receipts = {slip: receipt for slip, receipt in self._receipts.items() if slip[0] != uid}
        self._finished = {slip for slip in self._finished if slip[0] != uid}

    def idle(self) -> bool:
        """Whether nothing is under way."""
        return not self._under_way

    async def close(self) -> None:
        """Stop sending, because another replica may begin to. What was not confirmed is still Pending in the store."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _settle(self, incident: Incident) -> None:
        """Drop the receipts that the stored messages show."""
        stored = {message.key: message for message in incident.status.escalation.messages}
        for slip in [slip for slip in self._receipts if slip[0] == incident.metadata.uid]:
            if _shown(self._receipts[slip], stored.get(slip[1])):
                del self._receipts[slip]

    def _is_wanted(self, slip: Slip) -> bool:
        return slip[1] in self._wanted.get(slip[0], frozenset())

    def _ended(self, slip: Slip, incident: Incident, task: asyncio.Task[None]) -> None:
        self._under_way.pop(slip, None)
        if not any(uid == slip[0] for uid, _ in self._under_way):
            self._turns = {turn: lock for turn, lock in self._turns.items() if turn[0] != slip[0]}
        error = None if task.cancelled() else task.exception()
        if error is None:
            return
        # A fault of ours must not leave a page unsent and unseen: it fails like any other, and a person sees why.
        _log.error("A message could not be sent", exc_info=error, extra={"incident": incident.metadata.name, "message_key": slip[1]})
        failed = Delivery(key=slip[1], delivered=False, error=f"internal error ({type(error).__name__}); see the log", time=self._clock.now())
        self._put(slip, incident, failed)

    async def _carry(self, incident: Incident, message: Message, receiver: Receiver | None) -> None:
        """One message by all of its receiver's methods in order, in its turn."""
        slip = (incident.metadata.uid, message.key)
        if receiver is None:
            why = f"HealingPolicy `default` names no receiver '{message.receiver}'; add it to spec.receivers"
            self._count(message.receiver, "Failed")
            self._put(slip, incident, Delivery(key=message.key, delivered=False, error=why, time=self._clock.now()))
            return
        async with self._turn(slip[0], receiver.name):
            failure = _Failure()
            for number, method in enumerate(receiver.methods, start=1):
                last = number == len(receiver.methods)
                answer = await self._by(method, slip, incident, message, failure, last=last)
                if answer is None:
                    return
                failure = answer
                self._report_failure(slip, incident, message, failure, final=last)

    async def _by(
        self, method: ReceiverMethod, slip: Slip, incident: Incident, message: Message, failure: _Failure, *, last: bool
    ) -> _Failure | None:
        """One method, a few tries. None where it is delivered, or nobody wants it any more; else the failure so far."""
        why = ""
        for number in range(TRIES):
            try:
                async with self._room_of(message.receiver), self._room:
                    while not self._tenure.covers(LONGEST_SECONDS):
                        await self._sleep(BACK_OFF[0])
                    if not self._is_wanted(slip):
                        return None
                    failure = failure.tried(method.name)
                    await self._deliver.deliver(method, self._envelope(incident, message, self._clock.now()))
            except Permanent as error:
                return failure.plus(method.name, str(error))
            except Retryable as error:
                why = str(error)
                if not last and error.delay > LONGEST_WAIT_WITH_ANOTHER_WAY:
                    break
                if number + 1 < TRIES:
                    self._count(message.receiver, "Retried")
                    await self._sleep(min(max(error.delay, BACK_OFF[number]), LONGEST_WAIT))
                continue
            self._count(message.receiver, "Delivered")
            done = Delivery(
                key=message.key, delivered=True, method=method.name, error=failure.text, attempts=failure.attempts, time=self._clock.now()
            )
            self._put(slip, incident, done)
            return None
        return failure.plus(method.name, why)

    def _report_failure(self, slip: Slip, incident: Incident, message: Message, failure: _Failure, *, final: bool) -> None:
        told = {"incident": incident.metadata.name, "message_key": message.key, "receiver": message.receiver, "why": failure.errors[-1]}
        _log.warning("A method of a receiver did not deliver", extra=told)
        if final:
            self._count(message.receiver, "Failed")
        receipt = Delivery(
            key=message.key,
            delivered=False,
            method=failure.method,
            error=failure.text,
            final=final,
            attempts=failure.attempts,
            time=self._clock.now(),
        )
        self._put(slip, incident, receipt)

    def _room_of(self, receiver: str) -> asyncio.Semaphore:
        return self._rooms.setdefault(receiver, asyncio.Semaphore(CONCURRENT_PER_RECEIVER))

    def _turn(self, uid: str, receiver: str) -> asyncio.Lock:
        return self._turns.setdefault((uid, receiver), asyncio.Lock())

    def _put(self, slip: Slip, incident: Incident, receipt: Delivery) -> None:
        self._receipts[slip] = receipt
        if receipt.final:
            self._finished.add(slip)
        self._requeue(incident.metadata.namespace or "", incident.metadata.name)

    def _count(self, channel: str, outcome: str) -> None:
        self._telemetry.count("notifications_total", channel=channel, outcome=outcome)


def _shown(receipt: Delivery, message: Message | None) -> bool:
    """Whether the store knows what the receipt says. What arrived after it was withdrawn is not known yet: it disturbed somebody."""
    if message is None:
        return not receipt.delivered
    return message.state is not MessageState.PENDING or (not receipt.final and message.attempts >= receipt.attempts)
