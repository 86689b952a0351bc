"""Hand-back of field ownership: our claims on what a run patched are taken off again, so that the owner's next apply does not conflict with us."""

from __future__ import annotations

import logging
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
from prunella.core.healing.steps import hand_back

log = logging.getLogger(__name__)
TRIES: Final = 5


class HandBack:
    """Removes our entries of managedFields."""

    def __init__(self, live: Live, executor: Executor, operator_namespace: str) -> None:
        self._live = live
        self._executor = executor
        self._operator_namespace = operator_namespace

    async def of(self, remediation: Remediation) -> None:
        """From its target and all that it patched. Idempotent. Raises Retryable where the API server does not take it now."""
        if remediation.spec.mode.rank < Mode.APPROVE.rank:
            return
        acting = identity.of_attempt(remediation.spec, self._operator_namespace)
        if isinstance(acting, Refusal):
            return  # it can't have changed anything: nobody was there to do it as
        patched = (one.intent.target_ref for one in remediation.status.steps if one.intent is not None and one.intent.action == "Patch")
        for ref in {(ref.kind, ref.namespace, ref.name): ref for ref in (remediation.spec.target_ref, *patched)}.values():
            await self._of(ref, remediation.metadata.name, acting)

    async def tried(self, ended: Remediation) -> None:
        """The same once, of one that has ended, where it has changed anything: nobody comes back to it."""
        if ended.status.effect_time is None:
            return
        try:
            await self.of(ended)
        except Retryable:
            self._failed(ended.metadata.name, ended.spec.target_ref)

    async def _of(self, ref: ObjectRef, remediation: str, acting: Actor) -> None:
        for _ in range(TRIES):
            raw = await self._live.raw(ref)
            if not isinstance(raw, dict):
                return
            patch = hand_back.hand_back(raw)
            if patch is None:
                return
            try:
                answer = await self._executor.apply(patch, "", acting)
            except OutcomeUnknown:
                continue  # what is left to do is read again
            if isinstance(answer, effects.Applied):
                return
        self._failed(remediation, ref)

    def _failed(self, remediation: str, ref: ObjectRef) -> None:
        log.warning("Field ownership could not be handed back", extra={"remediation": remediation, "object": f"{ref.kind} {ref.name}"})
