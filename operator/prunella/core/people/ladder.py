"""The rungs of an escalation: which one is next, when it is due, and how long it waits for automation.

The rule this module protects: a due time is absolute and follows from what is stored, so that a restart moves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.escalation_policy import EscalationPolicySpec, EscalationStep
from prunella.api.incident import Escalation
from prunella.api.names import EscalationState, Priority

FIRST_SECONDS: Final = 0
OTHER_SECONDS: Final = 300
WAIT_SECONDS: Final = 300
CATCH_ALL_EVERY_SECONDS: Final = 1800


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What comes next. `index` None is the catch-all."""

    index: int | None
    loop: int
    due: datetime
    wait_seconds: int = 0

    @property
    def latest(self) -> datetime:
        """When it starts though automation is still at work."""
        return self.due + timedelta(seconds=self.wait_seconds)


def upcoming(policy: EscalationPolicySpec, run: Escalation, priority: Priority, started: datetime, *, at_once: datetime | None = None) -> Rung:
    """The next rung. `started` is when the previous one did, the trigger before the first; `at_once` that nobody could be reached by it."""
    if run.state is EscalationState.EXHAUSTED:
        return Rung(index=None, loop=run.loop + 1, due=started + timedelta(seconds=CATCH_ALL_EVERY_SECONDS))
    interval = timedelta(seconds=policy.repeat.interval_seconds)
    index = _applicable(policy, run.step, priority, run.raised_from)
    if index is not None:
        due = started + (interval if run.loop and run.step == 0 else timedelta(seconds=_after(policy.steps[index], index)))
        return Rung(index=index, loop=run.loop, due=at_once or due, wait_seconds=_wait(policy.steps[index], priority))
    first = _applicable(policy, 0, priority, run.raised_from)
    if at_once is not None or first is None or run.loop >= policy.repeat.count:
        return Rung(index=None, loop=run.loop, due=at_once or started + interval)
    return Rung(index=first, loop=run.loop + 1, due=started + interval, wait_seconds=_wait(policy.steps[first], priority))


def _applicable(policy: EscalationPolicySpec, start: int, priority: Priority, raised_from: Priority | None) -> int | None:
    """The first rung from there on that is for this priority, and that a raise added where there was one; the others are skipped and cost no time."""
    for index in range(start, len(policy.steps)):
        step = policy.steps[index]
        if step.is_for(priority) and (raised_from is None or not step.is_for(raised_from)):
            return index
    return None


def _after(step: EscalationStep, index: int) -> int:
    if step.after_seconds is not None:
        return step.after_seconds
    return FIRST_SECONDS if index == 0 else OTHER_SECONDS


def _wait(step: EscalationStep, priority: Priority) -> int:
    if step.wait_while_remediating_seconds is not None:
        return step.wait_while_remediating_seconds
    return 0 if priority is Priority.P1 else WAIT_SECONDS
