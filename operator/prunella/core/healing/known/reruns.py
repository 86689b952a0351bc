"""What attempts have run again, and when that was complete: what proves that a Job which stays Failed, or a CronJob, is well.

The rule this module protects: only a run that an attempt has recorded as complete counts, and only for the very object that it ran again.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from prunella.api.remediation import Remediation, StepStatus

RUNS: Final = "runsAgain"
"""In the record of a Job that is made: the uid of what it runs again."""
JOB: Final = "job"
"""In the record that a Job was complete: its name."""
COMPLETED: Final = "completedTime"
"""Beside it: when, by the word of the cluster."""


def completed_time(attempts: Iterable[Remediation], uid: str) -> datetime | None:
    """When the newest run of the object of that uid was complete that an attempt made; None where none was."""
    return max((time for one in attempts for time in _completed(one.status.steps, uid)), default=None)


def made(attempt: Remediation, intent_id: str) -> bool:
    """Whether the attempt is the one that stored this intent."""
    return any(one.intent is not None and one.intent.id == intent_id for one in attempt.status.steps)


def _completed(records: tuple[StepStatus, ...], uid: str) -> Iterable[datetime]:
    made = {_step(one) for one in records if one.intent is not None and one.intent.before.get(RUNS) == uid}
    outcomes = (one.outcome for one in records if one.outcome is not None and _step(one) in made)
    return (_time(one.after.get(COMPLETED, "")) or one.observed_time for one in outcomes if JOB in one.after)


def _step(record: StepStatus) -> str:
    return record.name.partition("/")[0]


def _time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None else None
