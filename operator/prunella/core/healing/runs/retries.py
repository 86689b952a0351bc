"""Retries of a step: whether and when it is tried again after an error that may pass by itself.

The rule this module protects: only what was surely not done is tried again by a step's own `retries`: so often and so long as the Runbook says, and
never longer than the step and the run may take. How often it was tried stands on the attempt, and the jitter comes of it: whoever goes on after a
restart waits for the same instant. What became of its tries is told by counting and by no clock: all that were stored, and those that did nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from prunella.api.remediation import Intent, Remediation, StepStatus
from prunella.api.runbook import RunbookStep
from prunella.api.step_failure import Retries, Retrying, Transient
from prunella.core.healing.runbooks import run

from . import midrun

BY_ITSELF: Final = Retries(max=1, cap_seconds=10)
"""The waits of what the API server turned away where the step says nothing of it: until its deadline, however often that is."""
OVERDUE: Final = "its deadline passed before it was sent"
_MOST_DOUBLINGS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Vain:
    """A try that surely did nothing."""

    message: str
    error: Transient | None
    delay: float = 0.0
    """Seconds before which the server does not want to be asked again."""


def holding(steps: Sequence[RunbookStep], attempt: Remediation, record: StepStatus, error: Transient | None) -> RunbookStep | None:
    """The step whose own `retries` say what becomes of a try that came to that error. None where they don't, or once a try of it is not known."""
    step = next((one for one in steps if one.name == run.step_name(record)), None)
    known = record.intent is not None and record.intent.tries == tried(attempt, record.name) + 1
    return step if known and takes(step, error) else None


def takes(step: RunbookStep | None, error: Transient | None) -> bool:
    """Whether the step itself says what becomes of such an error."""
    return step is not None and error is not None and step.retries is not None and (not step.retries.errors or error in step.retries.errors)


def declared(step: RunbookStep, attempt: Remediation, name: str, vain: Vain, now: datetime) -> Retrying | None:
    """The next try of the effect or question of that name, as the step's `retries` have it; None where there is none."""
    count = tried(attempt, name) + 1
    if step.retries is None or not takes(step, vain.error) or count > step.retries.max:
        return None
    following = _next(step.retries, attempt, name, vain, now)
    intent = _intent(attempt, name)
    end = intent.deadline_time if intent is not None else following.since_time + timedelta(seconds=step.timeout_seconds)
    return following if following.next_time < min(end, now + midrun.RUN - midrun.worked(attempt, now)) else None


def by_itself(attempt: Remediation, record: StepStatus, vain: Vain, now: datetime) -> Retrying:
    """The next try of an effect of which the step says nothing, or whose earlier try nobody knows the outcome of: at its deadline at the latest.

    The first wait is what the error asks for, which may be a moment. An undo has no deadline: it is tried until it is done.
    """
    following = _next(BY_ITSELF, attempt, record.name, vain, now)
    until = following.next_time if following.count > 1 else now + timedelta(seconds=vain.delay)
    if record.intent is not None and record.intent.deadline_time > now:
        until = min(until, record.intent.deadline_time)
    return following.model_copy(update={"next_time": until})


def _next(retries: Retries, attempt: Remediation, name: str, vain: Vain, now: datetime) -> Retrying:
    known, count = standing(attempt, name), tried(attempt, name) + 1
    pause = max(wait(retries, count, f"{attempt.metadata.uid}/{name}/{count}"), timedelta(seconds=vain.delay))
    since = known.since_time if known is not None else now
    return Retrying(step=name, count=count, error=vain.error, message=vain.message[:1024], since_time=since, next_time=now + pause)


def wait(retries: Retries, count: int, key: str) -> timedelta:
    """The wait after so many tries in vain, with the jitter that belongs to the key."""
    seconds = min(retries.initial_seconds * retries.factor ** min(count - 1, _MOST_DOUBLINGS), retries.cap_seconds)
    part = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4]) / 2**32
    return timedelta(seconds=seconds * (1 + retries.jitter / 100 * part))


def standing(attempt: Remediation, name: str) -> Retrying | None:
    """What is stored of its tries in vain; None where there was none."""
    known = attempt.status.retrying
    return known if known is not None and known.step == name else None


def tried(attempt: Remediation, name: str) -> int:
    """How often it was tried in vain."""
    known = standing(attempt, name)
    return known.count if known is not None else 0


def waits_until(attempt: Remediation, now: datetime) -> datetime | None:
    """When the next try is, while that is still to come."""
    known = attempt.status.retrying
    return known.next_time if known is not None and now < known.next_time else None


def told(attempt: Remediation, name: str, message: str) -> str:
    """Why it failed, with how often it was tried."""
    before = tried(attempt, name)
    return f"{message} (tried {before + 1} times)" if before else message


def overdue(attempt: Remediation, name: str) -> str:
    """The same where its deadline has passed."""
    known = standing(attempt, name)
    return f"its deadline passed after {known.count} {'try' if known.count == 1 else 'tries'}: {known.message}" if known is not None else OVERDUE


def calm_from(intent: Intent) -> datetime:
    """When an effect may be sent again of whose tries something is not known, though the target shows nothing of it. The second time at once."""
    return intent.written_time + (wait(BY_ITSELF, intent.tries - 1, intent.id) if intent.tries > 1 else timedelta())


def following_try(attempt: Remediation, name: str, earlier: Intent | None) -> int:
    """The number of the try that is about to be stored. `earlier` is the intent of that name that stands without an outcome."""
    return max(earlier.tries if earlier is not None else 0, tried(attempt, name)) + 1


def unsent(attempt: Remediation, record: StepStatus) -> bool:
    """Whether an intent without an outcome surely did nothing: each of its tries is known to have been in vain, the last one included."""
    return record.intent is not None and record.intent.tries == tried(attempt, record.name)


def _intent(attempt: Remediation, name: str) -> Intent | None:
    return next((one.intent for one in attempt.status.steps if one.name == name), None)
