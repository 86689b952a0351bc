"""What people are shown before they approve a plan: what would be done, what the guards said, who agreed so far, and until when.

The rule this module protects: whoever approves has seen what he approves, and the hash that his word is bound to.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from prunella.api.common import Condition
from prunella.api.names import ConditionStatus
from prunella.api.remediation import Remediation

from . import attempt_rows, commands
from .lines import Row, Tale, clock, span


def waiting(attempts: Sequence[Remediation]) -> Remediation | None:
    """The attempt that people were asked about and that has not ended; of several the newest."""
    asking = [one for one in attempts if _approved(one) is not None and one.status.phase is not None and not one.status.phase.final]
    return asking[-1] if asking else None


def plan(one: Remediation, now: datetime) -> Tale:
    """The plan of an attempt, for a terminal. The diff stands in its status."""
    ref, status = one.spec.target_ref, one.status
    head = f"{one.metadata.name}   {one.metadata.namespace}   {ref.kind} {ref.name}, plan {commands.asked(one)}   (times in UTC, {now:%Y-%m-%d})"
    rows = (
        Row(label="plan", what=status.plan or "not made yet", why=f"Runbook {one.spec.runbook_ref.name}, mode {one.spec.mode}"),
        *attempt_rows.verdicts(one, shown=False),
        *attempt_rows.words(one),
        *_stands(one, now),
    )
    return Tale(head=head, rows=rows)


def _stands(one: Remediation, now: datetime) -> Iterator[Row]:
    status, asked = one.status, _approved(one)
    if status.outcome is not None:
        yield Row(label="ended", time=status.ended_time, what=str(status.outcome), why=status.message)
    elif asked is None:
        yield Row(label="asks", what="nobody: it does not wait for approval", why=status.message)
    elif asked.status is ConditionStatus.TRUE:
        yield Row(label="agreed", what=asked.message, why=status.message)
    else:
        until = status.asking.deadline_time if status.asking is not None else status.approval_deadline_time
        left = f" until {clock(until)}, {span(max((until - now).total_seconds(), 0))} left" if until is not None else ""
        yield Row(label="asks", what=f"people to approve it{left}", why=asked.message)


def _approved(one: Remediation) -> Condition | None:
    return next((each for each in one.status.conditions if each.type == "Approved"), None)
