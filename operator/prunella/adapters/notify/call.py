"""The call of a receiver's webhook that is an action: at most once, and its answer counts.

The rule this module protects: what was never sent is said so; a clear answer is believed; everything else can't be known, and is never sent again.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus
from typing import Final

from prunella.api.healing_policy import HealingPolicy, Receiver
from prunella.api.step_failure import Transient
from prunella.app.errors import OutcomeUnknown, Permanent, Retryable
from prunella.app.ports import Clock
from prunella.core.healing.effects.effect import Applied, NotApplied
from prunella.core.healing.effects.outside import Call

from . import destinations
from .post import Unreached, exchange
from .secrets import ReadSecret, Secrets
from .webhook import HMAC, signature

UNSURE: Final = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT})
"""Refusals that may come after it was done: it took too long, or another try of it is at work."""


class Calls:
    """Calls receivers by their names."""

    def __init__(
        self,
        policy: Callable[[], HealingPolicy | None],
        read_secret: ReadSecret,
        clock: Clock,
        *,
        resolve: destinations.Resolve = destinations.resolve_name,
    ) -> None:
        self._policy = policy
        self._secrets = Secrets(read_secret, clock)
        self._clock = clock
        self._resolve = resolve

    async def make(self, call: Call, intent_id: str) -> Applied | NotApplied:
        """Raises OutcomeUnknown where it was sent and no clear answer came. No text holds a value of the Secret."""
        receiver = self._receiver(call.receiver)
        method = next((one.webhook for one in receiver.methods if one.webhook is not None), None) if receiver is not None else None
        if method is None:
            missing = "has no method with a webhook" if receiver is not None else "is not in HealingPolicy `spec.receivers`"
            return NotApplied(reason="", message=f"receiver '{call.receiver}' {missing}: nothing was sent")
        who = f"receiver {call.receiver}"
        try:
            credential = await self._secrets.credential(method, companions=(HMAC,))
        except (Permanent, Retryable) as error:
            return NotApplied(reason="", message=f"{who} was not called: {error}"[:1024], transient=_passes(error))
        try:
            destination = await destinations.judge(credential.value, credential.allowed, self._resolve)
        except (Permanent, Retryable) as error:
            self._secrets.forget(method.secret_name)  # it may have been replaced a moment ago
            message = f"{who} was not called: {credential.blot(str(error))}"
            return NotApplied(reason="", message=message[:1024], transient=_passes(error))
        body = json.dumps({**call.body, "intent": intent_id}, ensure_ascii=True, allow_nan=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": intent_id, "User-Agent": "prunella"}
        key = credential.companions.get(HMAC)
        if key is not None:
            headers |= signature(key, body, self._clock.now())
        try:
            status = (await exchange(destination, body, headers, who=who)).status
        except Unreached as error:
            message = f"{credential.blot(str(error))}: nothing was sent"
            return NotApplied(reason="", message=message[:1024], transient=Transient.TIMEOUT)
        except (Permanent, Retryable) as error:
            raise OutcomeUnknown(credential.blot(str(error))) from None
        return _answered(status, who)

    def _receiver(self, name: str) -> Receiver | None:
        policy = self._policy()
        return next((one for one in policy.spec.receivers if one.name == name), None) if policy is not None else None


def _passes(error: Permanent | Retryable) -> Transient | None:
    """Why what kept us from calling may pass by itself."""
    return (error.transient or Transient.TIMEOUT) if isinstance(error, Retryable) else None


def _answered(status: int, who: str) -> Applied | NotApplied:
    match status // 100:
        case 2:
            return Applied(after={"status": str(status)})
        case 4 if status not in UNSURE:
            busy = Transient.TOO_MANY_REQUESTS if status == HTTPStatus.TOO_MANY_REQUESTS else None
            return NotApplied(reason="", message=f"{who} refused the call with {status}", transient=busy)
        case _:
            raise OutcomeUnknown(f"{who} answered {status}, which does not say whether it was done")
