"""Runbook's status: whether it is used, and what it would have done where it only watched."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Instant, WireModel, items
from .common import Condition
from .incident_facts import Count
from .shadow_verdict import ShadowVerdict


class ShadowIncident(WireModel):
    """One Incident that was counted."""

    uid: Annotated[str, Field(min_length=1, max_length=64)]
    """Its uid: it is counted once."""
    name: Annotated[str, Field(min_length=1, max_length=317)]
    """Its namespace and name."""
    verdict: ShadowVerdict
    """What was counted."""
    time: Instant
    """When the verdict was reached."""


class Shadow(WireModel):
    """What the Runbook would have done, since it was last changed; its mode is no change. The evidence for raising its mode."""

    sha256: Annotated[str, Field(max_length=64)]
    """Hash of the spec without the mode: a changed Runbook begins anew."""
    would_have_acted: Count = 0
    """Incidents that ended, and in which every guard agreed to its plan and only the mode kept it from acting."""
    right: Count = 0
    """Of them, those that recovered by the very change that it had planned."""
    wrong: Count = 0
    """Of them, those that recovered by themselves, or by something else. The rest could not be told."""
    incidents: Annotated[tuple[ShadowIncident, ...], items(20, "uid")] = ()
    """The last Incidents that were counted, oldest first."""


class RunbookStatus(WireModel):
    """Whether the Runbook can be used, and what it would have done."""

    observed_generation: Annotated[int, Field(ge=0, le=9_007_199_254_740_991)] | None = None
    """metadata.generation that this status was made from."""
    conditions: Annotated[tuple[Condition, ...], items(8, "type")] = ()
    """Ready says whether the Runbook is used; if not, the message says what to change."""
    shadow: Shadow | None = None
    """What it would have done in Observe and Suggest; absent until an Incident was counted."""
