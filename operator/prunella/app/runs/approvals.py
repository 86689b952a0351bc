"""Approvals: what an attempt that asks people stores about it. What was shown, until when, who agreed; and how asking ends.

The rule this module protects: everything stands on the Remediation. A process that starts anew asks nobody twice, and counts what was said while it
was away.
"""

from __future__ import annotations

from datetime import datetime

from prunella.api.names import ConditionStatus, RemediationPhase
from prunella.api.remediation import Remediation
from prunella.api.runbook import Runbook
from prunella.app.ports import Clock
from prunella.core.healing.guards import approval
from prunella.core.healing.runbooks import run
from prunella.core.healing.runs import midrun

from . import attempt
from .once import Once
from .permit import Unapproved
from .prove import Prover


class Approvals:
    """Keeps the attempt's record of being asked for."""

    def __init__(self, once: Once, prover: Prover, clock: Clock) -> None:
        self._once = once
        self._prover = prover
        self._clock = clock

    def noted(self, remediation: Remediation, runbook: Runbook) -> Remediation:
        """The attempt as approved, where enough people agreed: it rides on the next write, be it the intent or what else stands in the way."""
        agreed = approval.approvers(remediation)
        if midrun.asked(remediation) or remediation.status.ending is not None:
            return remediation  # the condition is about the step that asks, or has asked; or says why the run ends
        if remediation.status.approval_deadline_time is None or len(agreed) < runbook.spec.approval.required:
            return remediation
        return attempt.approved(remediation, ConditionStatus.TRUE, approval.APPROVED, f"approved by {', '.join(agreed)}", self._clock.now())

    async def ended(self, remediation: Remediation, runbook: Runbook) -> bool:
        """Whether a no, or nobody's yes in time, ended the attempt just now. What was done before is settled already."""
        if remediation.status.ending is not None:
            return False  # what was done is being taken back: that is no part of what people say no to
        now = self._clock.now()
        ending = (
            approval.over(remediation, runbook.spec.approval.required, now)
            or midrun.expired(remediation, runbook, remediation.status.asking, now)
            or midrun.lapsed(remediation, runbook, now)
        )
        if ending is None:
            return False
        await self.close(remediation, runbook, ending)
        return True

    async def close(self, remediation: Remediation, runbook: Runbook, ending: approval.Ending) -> None:
        """End it so. What was done is taken back first where it would have been after a step that failed."""
        now = self._clock.now()
        told = attempt.approved(remediation, ConditionStatus.FALSE, ending.said, ending.message, now)
        if run.undoable(remediation.status.steps) and run.undoes_failure(runbook):
            status = attempt.allowed(told.status.model_copy(update={"asking": None}), ConditionStatus.FALSE, ending.refuses, ending.message, now)
            await self._once.put(attempt.taking_back(told.model_copy(update={"status": status}), ending.outcome, ending.message))
            return
        if remediation.status.effect_time is not None:
            await self._prover.hand_back(remediation)
        if midrun.asked(remediation):
            told = attempt.spent(told, now)  # what came before the step was done: it counts, though it changed nothing
        await self._once.end(told, ending.outcome, ending.message, reason=ending.refuses)

    async def wait(self, remediation: Remediation, asks: Unapproved) -> tuple[bool, datetime | None]:
        """Show the plan and ask. True where something new was stored; else when to look again."""
        now = self._clock.now()
        deadline = asks.deadline
        shown = remediation.status.model_copy(
            update={
                "phase": remediation.status.phase or RemediationPhase.PENDING,
                "message": asks.message[:1024],
                "plan": asks.plan.summary,
                "plan_hash": asks.plan.hash,
                "diff": remediation.status.diff or asks.diff,
                "guards": asks.guards,
                "approval_deadline_time": deadline,
                "next_eligible_time": deadline,
            }
        )
        shown = attempt.allowed(shown, ConditionStatus.FALSE, approval.AWAITS, asks.message, now)
        asking = remediation.model_copy(update={"status": shown})
        asking = attempt.approved(asking, ConditionStatus.FALSE, approval.AWAITS, asks.message, now)
        again = min(now + approval.LOOK_AGAIN, deadline)
        if asking.status == remediation.status:
            return False, again
        await self._once.put(asking)
        return True, again
