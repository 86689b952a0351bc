"""Telling: a run that a person asked for waits for approval, and those whom its target's owner names hear of it.

The rule this module protects: what is sent stands on the Remediation before, so that a restart tells nobody twice and forgets nobody.
"""

from __future__ import annotations

from prunella.api.incident import Incident
from prunella.api.incident_telling import Message
from prunella.api.remediation import Remediation
from prunella.core.draft import Draft
from prunella.core.healing.guards import self_service
from prunella.core.incident import ownership
from prunella.core.people import requested

from .gather import Gatherer
from .incidents.mailbox import Mailbox
from .outbox import Outbox
from .ports import Clock, View
from .runs.once import Once


class Telling:
    """Stores and sends the messages of requests."""

    def __init__(self, *, view: View, gatherer: Gatherer, once: Once, outbox: Outbox, clock: Clock) -> None:
        self._view = view
        self._gatherer = gatherer
        self._once = once
        self._outbox = outbox
        self._clock = clock

    async def tell(self, request: Remediation, mail: Mailbox) -> bool:
        """Whether something new was stored. What is stored is sent, while the run waits."""
        if not requested.waits(request):
            self._outbox.forget(request.metadata.uid)
            return False
        incident = self_service.stand_in(request, (), ())
        messages = requested.received(request, self._outbox.deliveries(request.metadata.uid), self._clock.now())
        if not requested.told(request):
            world = await self._gatherer.world(incident, mail, attempts=())
            owner = ownership.find_owner(world, Draft(status=incident.status, now=world.now))
            messages = requested.tell(world, _with(request, messages), owner)
        if messages != request.status.messages:
            await self._once.put(_with(request, messages))
            return True
        self._send(incident, request)
        return False

    def _send(self, incident: Incident, request: Remediation) -> None:
        policy = self._view.healing_policy()
        self._outbox.send(requested.carrying(incident, request), policy.spec.receivers if policy is not None else None)

    def forget(self, uid: str) -> None:
        """The run is over: what was not sent is not needed any more."""
        self._outbox.forget(uid)

    async def close(self) -> None:
        """Stop sending. What was not confirmed is still Pending on its Remediation."""
        await self._outbox.close()


def _with(request: Remediation, messages: tuple[Message, ...]) -> Remediation:
    return request.model_copy(update={"status": request.status.model_copy(update={"messages": messages})})
