"""The status in the making: every stage of `decide` takes a Draft and returns the next.

The rule this module protects: a decision is data. A stage changes nothing outside; what it wants done stands in the Draft.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

from prunella.api.common import Condition, ObjectRef
from prunella.api.incident import IncidentStatus, Provenance, TimelineEntry
from prunella.api.names import ConditionStatus
from prunella.api.remediation import RemediationSpec
from prunella.api.runbook import Runbook

from .facts import Revision

TIMELINE_CAP: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureEvidence:
    """Wish: take the log tail and Events of the failing pods."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmTarget:
    """Wish: read the target live; the cache does not have it (any more)."""

    target: ObjectRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepare:
    """Wish: ask the API server about rights and make the dry run for this plan."""

    plan_hash: str
    runbook: Runbook
    accused_hash: str = ""
    to: Revision | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PollAlerts:
    """Wish: ask every Alertmanager now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskBlockers:
    """Wish: ask what the Runbook's `blockIf` names: Prometheus these queries, and every Alertmanager where `alerts`."""

    queries: tuple[str, ...]
    alerts: bool


Need: TypeAlias = CaptureEvidence | ConfirmTarget | Prepare | PollAlerts | AskBlockers


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """A number for the metrics. `value` None counts one up; else it goes into a histogram."""

    metric: str
    labels: tuple[tuple[str, str], ...] = ()
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """Wish: create this Remediation under this name."""

    name: str
    spec: RemediationSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A status in the making, with what is wanted besides."""

    status: IncidentStatus
    now: datetime
    generation: int = 0
    look_again: datetime | None = None
    needs: tuple[Need, ...] = ()
    attempt: Attempt | None = None
    followed: frozenset[str] = frozenset()
    """Attempts that did not help, and after which another Runbook is about to be tried."""
    idle: bool = False
    """Whether nothing will be done when the plan is due: automation only observes."""
    counts: tuple[Count, ...] = ()

    def with_status(self, **changes: object) -> Draft:
        """The same with some fields of the status replaced (validated values of the API models)."""
        return replace(self, status=self.status.model_copy(update=changes))

    def again(self, at: datetime | None) -> Draft:
        """Look again no later than `at`."""
        if at is None or (self.look_again is not None and self.look_again <= at):
            return self
        return replace(self, look_again=at)

    def wish(self, need: Need) -> Draft:
        """Ask the shell for something before deciding again."""
        return self if need in self.needs else replace(self, needs=(*self.needs, need))

    def count(self, metric: str, value: float | None = None, **labels: str) -> Draft:
        """Add a number for the metrics, sent once the status is stored."""
        return replace(self, counts=(*self.counts, Count(metric=metric, labels=tuple(sorted(labels.items())), value=value)))

    def note(self, what: str, message: str, *, by: str = "prunella", time: datetime | None = None) -> Draft:
        """Append to the timeline; the oldest entries fall off, the sequence counts on."""
        timeline = self.status.timeline
        sequence = timeline[-1].sequence + 1 if timeline else 1
        entry = TimelineEntry(sequence=sequence, time=time or self.now, what=what, message=message[:1024], by=by)
        return self.with_status(timeline=(*timeline, entry)[-TIMELINE_CAP:])

    def condition(self, type_: str, status: ConditionStatus, reason: str, message: str = "") -> Draft:
        """Set a condition; lastTransitionTime moves only with its status."""
        return self.with_status(
            conditions=set_condition(self.status.conditions, type_, status, reason, message, now=self.now, generation=self.generation)
        )

    def without_condition(self, type_: str) -> Draft:
        """Remove a condition of the kind that is set while true."""
        return self.with_status(conditions=tuple(condition for condition in self.status.conditions if condition.type != type_))

    def has_condition(self, type_: str, status: ConditionStatus = ConditionStatus.TRUE) -> bool:
        """Whether the condition stands with that status."""
        return any(condition.type == type_ and condition.status == status for condition in self.status.conditions)

    def time(self, name: str, value: datetime | None, source: str = "Operator", *, by: str | None = None, lower_bound: bool = False) -> Draft:
        """Write one of the times, once, with who knew it. A time that stands is not changed."""
        if value is None or getattr(self.status.times, name) is not None:
            return self
        camel = wire_name(name)
        known = Provenance(name=camel, source=source, by=by, lower_bound=lower_bound)
        provenance = tuple(entry for entry in self.status.provenance if entry.name != camel)
        return self.with_status(times=self.status.times.model_copy(update={name: value}), provenance=(*provenance, known))


def wire_name(name: str) -> str:
    """A field's name as it stands on the resource."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def set_condition(
    conditions: tuple[Condition, ...], type_: str, status: ConditionStatus, reason: str, message: str, *, now: datetime, generation: int
) -> tuple[Condition, ...]:
    """The conditions with one of them set, in their old order."""
    old = next((condition for condition in conditions if condition.type == type_), None)
    since = old.last_transition_time if old is not None and old.status == status else now
    new = Condition(type=type_, status=status, observed_generation=generation, last_transition_time=since, reason=reason, message=message[:1024])
    if old is None:
        return (*conditions, new)
    return tuple(new if condition.type == type_ else condition for condition in conditions)
