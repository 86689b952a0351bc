"""What every step is: a pure function from live facts and what it did already to the next effect, a refusal, or done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from prunella.api.remediation import StepStatus
from prunella.api.runbook import RunbookStep
from prunella.core.facts import Revision, WorkloadFacts
from prunella.core.healing.effects import Effect, Json
from prunella.core.healing.refusal import Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveFacts:
    """What was read for this step a moment ago: the object as JSON, its pods and revisions, the template to go back to."""

    now: datetime
    raw: Json
    facts: WorkloadFacts
    accused_hash: str = ""
    to: Revision | None = None
    to_template: Json | None = None
    intent_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Nothing more to do in this step."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Not yet: look again then, or at the next change of the target."""

    until_time: datetime
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Take the log tail and Events again and add them to the Incident."""

    tail_lines: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PageNow:
    """Page the owner now."""

    message: str


Next: TypeAlias = Effect | Refusal | Done | Wait | Evidence | PageNow
PlanStep = Callable[[RunbookStep, LiveFacts, tuple[StepStatus, ...]], Next]
"""The step, live facts, and the records of this step's effects so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """One thing that the acting account must be allowed to do to the target."""

    verb: str
    group: str
    resource: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepKind:
    """One action of a Runbook: adding one is adding a file and a line in the registry."""

    field: str
    """Name of the field of RunbookStep."""
    plan: PlanStep
    rights: Callable[[str], tuple[Right, ...]]
    """What it needs, by the target's kind."""
    impact: str
    """Read, Notify, Low, Disruptive or Destructive."""
    event: str = ""
    """Event and timeline name of its effect."""
