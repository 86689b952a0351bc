"""An autoscaler that may not do what it wants, or does not know what to want.

The rule this module protects: an autoscaler whose least is its most was pinned by somebody, and one that scales something at zero is switched off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from prunella.api.names import Cause
from prunella.core.facts import WorkloadCondition
from prunella.core.subject import Thing

from .sighting import NOTHING, At, Sighting, found, told

SWITCHED_OFF: Final = "ScalingDisabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoscalerFacts(Thing):
    """A HorizontalPodAutoscaler and what it scales."""

    api_version: ClassVar[str] = "autoscaling/v2"
    kind: ClassVar[str] = "HorizontalPodAutoscaler"

    uid: str = ""
    target_kind: str
    target_name: str
    least: int = 1
    most: int = 0
    current: int = 0
    limited: WorkloadCondition | None = None
    """ScalingLimited, where it is True."""
    inactive: WorkloadCondition | None = None
    """ScalingActive, where it is False."""


def detect(one: AutoscalerFacts, at: At) -> Sighting:
    """AutoscalerBlind or AutoscalerAtMaximum."""
    scales = f"{one.target_kind} {one.target_name}"
    if one.inactive is not None and one.inactive.reason != SWITCHED_OFF:
        what = f"it can't tell how many replicas {scales} needs ({told(one.inactive.reason, one.inactive.message)})"
        return found(one, Cause.AUTOSCALER_BLIND, what, one.inactive.last_transition_time or at.now, at)
    limited = one.limited
    if limited is None or limited.reason != "TooManyReplicas" or one.current < one.most or one.least >= one.most:
        return NOTHING
    what = f"{scales} needs more than the {one.most} replicas that it may have ({told(limited.reason, limited.message)})"
    return found(one, Cause.AUTOSCALER_AT_MAXIMUM, what, limited.last_transition_time or at.now, at)
