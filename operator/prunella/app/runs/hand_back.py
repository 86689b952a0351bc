"""Hand-back of field ownership: our claims on what a run patched are taken off again, so that the owner's next apply does not conflict with us."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from prunella.api.common import ObjectRef
from prunella.api.names import Mode
from prunella.api.remediation import Remediation
from prunella.app.errors import OutcomeUnknown, Retryable
from prunella.app.ports import Executor, Live
from prunella.core.healing.effects import effect as effects
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import identity
from prunella.core.healing.runbooks.identity import Actor
from prunella.core.healing.runs import claims
from prunella.core.healing.steps import hand_back

log = logging.getLogger(__name__)
TRIES: Final = 5


class HandBack:
    """Removes our entries of managedFields."""

    def __init__(self, live: Live, executor: Executor, operator_namespace: str) -> None:
        self._live = live
        self._executor = executor
        self._operator_namespace = operator_namespace
        self._done: dict[str, datetime | None] = {}
        """By uid of an attempt that has not ended: its newest effect when all claims were off."""

    async def of(self, remediation: Remediation) -> bool:
        """From its target and all that it patched; whether none is left. Idempotent. Raises Retryable where the API server does not take it now."""
        self._done.pop(remediation.metadata.uid, None)
        acting = identity.of_attempt(remediation.spec, self._operator_namespace)
        if remediation.spec.mode.rank < Mode.APPROVE.rank or isinstance(acting, Refusal):
            return True  # it can't have changed anything: nobody was there to do it as
        name = remediation.metadata.name
        off = all([await self._of(ref, name, acting) for ref in claims.objects(remediation)])
        if off:
            self._done[remediation.metadata.uid] = remediation.status.effect_time
        return off

    def left(self, remediation: Remediation) -> datetime | None:
        """What is stored of its claims when it ends: none where they were taken off after its newest effect."""
        uid, effect_time = remediation.metadata.uid, remediation.status.effect_time
        off = uid in self._done and self._done[uid] == effect_time
        return None if off else remediation.status.claim_time

    def forget(self, uid: str) -> None:
        """It has ended, and that is stored."""
        self._done.pop(uid, None)

    async def tried(self, ended: Remediation) -> bool:
        """The same of one that has ended; whether no claim of it is left."""
        try:
            return await self.of(ended)
        except Retryable:
            self._failed(ended.metadata.name, ended.spec.target_ref)
            return False
        finally:
            self.forget(ended.metadata.uid)

    async def _of(self, ref: ObjectRef, remediation: str, acting: Actor) -> bool:
        for _ in range(TRIES):
            raw = await self._live.raw(ref)
            if raw is None:
                return True
            if not isinstance(raw, dict):
                break
            patch = hand_back.hand_back(raw)
            if patch is None:
                return True
            try:
                answer = await self._executor.apply(patch, "", acting)
            except OutcomeUnknown:
                continue  # what is left to do is read again
            if isinstance(answer, effects.Applied):
                return True
        self._failed(remediation, ref)
        return False

    def _failed(self, remediation: str, ref: ObjectRef) -> None:
        log.warning("Field ownership could not be handed back", extra={"remediation": remediation, "object": f"{ref.kind} {ref.name}"})
