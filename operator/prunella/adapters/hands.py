"""Hands: each effect goes to the one place that can do it, and is looked for there afterwards.

The rule this module protects: outside of the cluster no server asks who leads, so nothing is sent there unless this process surely leads for as long
as that takes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from prunella.api.common import ObjectRef
from prunella.api.healing_policy import HealingPolicy
from prunella.app.ports import Clock, Executor, Tenure
from prunella.core.facts import UnknownT
from prunella.core.healing.effects.effect import Applied, DryRun, Effect, NotApplied, Settled
from prunella.core.healing.effects.outside import Call, EndSilence, Silence
from prunella.core.healing.runbooks.identity import Account, Actor

from .alertmanager.silences import Silences
from .kubernetes.client import Api
from .kubernetes.executor import Effects
from .kubernetes.secrets import reader
from .notify.call import Calls

LONGEST_SECONDS: Final = 15.0
"""How long one effect outside of the cluster may take: a name that is resolved, and a request."""


class Silencing(Protocol):
    """What Alertmanager does."""

    async def make(self, silence: Silence, intent_id: str) -> Applied | NotApplied:
        """Make it once."""

    async def end(self, effect: EndSilence) -> Applied | NotApplied:
        """End it."""

    async def settle(self, intent_id: str, silenced_by: str) -> Settled | UnknownT:
        """Whether it is there; with `silenced_by`, whether those are gone."""


class Calling(Protocol):
    """What a receiver does."""

    async def make(self, call: Call, intent_id: str) -> Applied | NotApplied:
        """Call it once."""


class Hands:
    """The port `Executor`."""

    def __init__(self, cluster: Executor, silences: Silencing, calls: Calling, tenure: Tenure) -> None:
        self._cluster = cluster
        self._silences = silences
        self._calls = calls
        self._tenure = tenure

    async def apply(self, effect: Effect, intent_id: str, acting: Actor) -> Applied | NotApplied:
        """Do it once. Raises OutcomeUnknown where it may have been done, Retryable where it surely was not and may be tried."""
        outside = isinstance(effect, Silence | EndSilence | Call)
        if outside and isinstance(acting, Account):
            message = f"{acting.user} can't act outside of the cluster: it would be by Prunella's own means"
            return NotApplied(reason="MissingPermission", message=message)
        if outside and not self._tenure.covers(LONGEST_SECONDS):
            return NotApplied(reason="", message="this process may not lead for long enough any more: nothing was sent")
        match effect:
            case Silence():
                return await self._silences.make(effect, intent_id)
            case EndSilence():
                return await self._silences.end(effect)
            case Call():
                return await self._calls.make(effect, intent_id)
            case _:
                return await self._cluster.apply(effect, intent_id, acting)

    async def dry_run(self, effect: Effect, acting: Actor) -> DryRun | UnknownT:
        """What the API server says to the same request; outside of the cluster there is no such thing, and nothing is asked."""
        if isinstance(effect, Silence | EndSilence | Call):
            return DryRun(accepted=True)
        return await self._cluster.dry_run(effect, acting)

    async def settle(self, effect_target: ObjectRef, intent_id: str, before: Mapping[str, str], action: str) -> Settled | UnknownT:
        """What is left of an intent without an outcome, where it would be."""
        if action in {Silence.action, EndSilence.action}:
            return await self._silences.settle(intent_id, before.get("silencedBy", ""))
        if action == Call.action:
            return Settled.TRACELESS
        return await self._cluster.settle(effect_target, intent_id, before, action)


def hands(
    api: Api, namespace: str, alertmanagers: tuple[str, ...], policy: Callable[[], HealingPolicy | None], clock: Clock, tenure: Tenure
) -> Hands:
    """All of them, by what the operator is told when it starts. `api` is the leader's session."""
    return Hands(Effects(api), Silences(alertmanagers), Calls(policy, reader(api, namespace), clock), tenure)
