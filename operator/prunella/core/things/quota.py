"""A ResourceQuota that refuses what somebody asks for.

The rule this module protects: a full quota alone is no fault. What was refused a short while ago, and would be refused now, is; so it is over as soon
as there is room, or nobody asks any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final

from prunella.api.names import Cause
from prunella.core.subject import Thing

from .complaint import Complaint
from .quantity import quantity
from .sighting import NOTHING, At, Sighting, found

ASKED_LATELY: Final = timedelta(minutes=20)
"""Controllers try again at least every 17 minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota(Thing):
    """A ResourceQuota, with the refusals that name it."""

    api_version: ClassVar[str] = "v1"
    kind: ClassVar[str] = "ResourceQuota"

    hard: Mapping[str, str] = field(default_factory=dict)
    used: Mapping[str, str] = field(default_factory=dict)
    refusals: tuple[Complaint, ...] = ()
    """Without those of which it is known that they were made good."""


def detect(quota: Quota, at: At) -> Sighting:
    """QuotaExceeded."""
    asked = [(one, one.last_time) for one in quota.refusals if one.last_time is not None and at.now - one.last_time < ASKED_LATELY]
    refused = [(one, time, short) for one, time in asked if (short := lacking(quota, one))]
    if not refused:
        return NOTHING
    newest, last, short = max(refused, key=lambda each: each[1])
    others = len({one.uid for one, _, _ in refused}) - 1
    who = f"{newest.kind} {newest.name}{f' and {others} more' if others else ''}"
    lacks = ", ".join(f"{name} ({quota.used[name]} of {quota.hard[name]} used, {newest.requested[name]} asked for)" for name in short)
    since = min(one.first_time or time for one, time, _ in refused)
    sighting = found(quota, Cause.QUOTA_EXCEEDED, f"it refuses {lacks} to {who}", since, at)
    due = sighting.look_again
    return Sighting(finding=sighting.finding, look_again=min(due or last + ASKED_LATELY, last + ASKED_LATELY))


def lacking(quota: Quota, refusal: Complaint) -> tuple[str, ...]:
    """The resources of which there would not be enough now either."""
    found = []
    for name, asked in refusal.requested.items():
        parts = [quantity(text) for text in (asked, quota.used.get(name, ""), quota.hard.get(name, ""))]
        wanted, used, hard = parts
        if wanted is not None and used is not None and hard is not None and used + wanted > hard:
            found.append(name)
    return tuple(found)
