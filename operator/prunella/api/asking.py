"""What people are asked in the middle of a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .base import Instant, Name, ShortName, Text, WireModel, items

Names = Annotated[tuple[Name, ...], items(20)]


class Approvers(WireModel):
    """Whose approval counts, among those who hold the verb `approve`. Neither users nor groups: everybody's."""

    users: Names = ()
    """User names as the API server knows them."""
    groups: Names = ()
    """Groups as the API server knows them: one of them is enough."""


class Asking(WireModel):
    """What remains of a run that has come to a step `approve`, as people are asked about it."""

    step: ShortName
    """The step that asks."""
    plan_hash: Annotated[str, Field(min_length=1, max_length=64)]
    """Hash of this very attempt, of what it did so far, and of what remains of it: an approval names it, and no other is one of this."""
    approvers: Approvers = Approvers()
    """Whose approval counts."""
    required: Annotated[int, Field(ge=1, le=10)] = 1
    """How many different people must approve it."""
    times: Annotated[int, Field(ge=1, le=100)] = 1
    """One more than how often what people had said became void, because something else would be done."""
    asked_time: Instant
    """When people were first asked by this step."""
    deadline_time: Instant
    """Until when enough of them must have approved it, and nothing else may stand in the way."""
    diff: Text = ""
    """What the next step would change, as the server-side dry run saw it; empty where the Runbook does not show it, or it is no such change."""
