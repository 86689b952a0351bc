"""What becomes of an attempt that is refused at this moment: it ends where the reason can't change back, else it waits and says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from prunella.api.remediation import Remediation, StepStatus
from prunella.app.ports import Clock
from prunella.core.healing.refusal import Refusal
from prunella.core.healing.runbooks import run
from prunella.core.healing.runs.overridden import Overridden

from . import attempt
from .approvals import Approvals
from .once import Once
from .permit import Unapproved
from .prove import Prover

BLOCKED_RETRY: Final = timedelta(seconds=5)


class Refused:
    """Stores live refusals."""

    def __init__(self, approvals: Approvals, once: Once, prover: Prover, clock: Clock) -> None:
        self._approvals = approvals
        self._once = once
        self._prover = prover
        self._clock = clock

    async def take(self, remediation: Remediation, refusal: Refusal, untaken: Sequence[StepStatus] = ()) -> tuple[bool, datetime | None]:
        """A live refusal is no step failure: it ends the run where it can't change back, else the run waits.

        `untaken` are the effects that the run was about to take back.
        """
        if isinstance(refusal, Unapproved):
            return await self._approvals.wait(remediation, refusal)
        now = self._clock.now()
        outcome = refusal.outcome if isinstance(refusal, Overridden) else attempt.LIVE_END.get(refusal.reason)
        if outcome is not None:
            if remediation.status.effect_time is not None:
                await self._prover.hand_back(remediation)
            remediation = attempt.unasked(remediation, refusal, now)
            message = f"{refusal.message}; {run.left(untaken)}" if untaken else refusal.message
            await self._once.end(remediation, outcome, message, reason=refusal.reason)
            return True, None
        if refusal.reason == "RolloutInProgress" and refusal.look_again_time is not None and attempt.young(remediation, now):
            return False, refusal.look_again_time  # it settles within moments: that is no news
        again = refusal.look_again_time or now + BLOCKED_RETRY
        if not attempt.is_news(remediation, refusal, now):
            return False, again
        await self._once.put(attempt.waiting(remediation, refusal, again, now))
        return True, again
