"""Preconditions of a Runbook: what must be true of a target before anything is begun there, whoever asks for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Expression, ShortName, WireModel


class Precondition(WireModel):
    """Something that must be true before the first effect; where it is false, or can't be told, nothing is begun and people are told why."""

    name: ShortName
    """Unique in the Runbook; refusals name it."""
    that: Expression
    """CEL over `incident`, `target`, `alert`, `parameters`, for example 'target.ready > 0'."""
    reason: Annotated[str, Field(min_length=1, max_length=512)]
    """What it means that it is false, for whoever wonders at 3 a.m."""
