"""approve: people are asked in the middle of a run, and what remains of it is done once enough of them agreed to exactly that.

The rule this module protects: the step itself permits nothing. It asks until there is a record that people agreed; `core/healing/runs/midrun.py` says
what they are asked, and who counts.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from prunella.api.asking import Approvers
from prunella.api.base import WireModel
from prunella.api.names import StepImpact
from prunella.api.remediation import StepStatus

from .step import ANY, Done, LiveFacts, Next, People, StepKind, nothing

ACTION: Final = "approve"
APPROVED_BY: Final = "approvedBy"


class Approve(WireModel):
    """Ask people before the steps that follow. What they approve is what remains of this very run; where that changes, what was said is void."""

    approvers: Approvers = Approvers()
    """Whose approval counts, among those who hold the verb `approve`; whoever asked for the run is never one of them. Default: everybody's."""
    min_approvals: Annotated[int, Field(ge=1, le=10)] = 1
    """How many different people must approve it."""
    timeout_seconds: Annotated[int, Field(ge=60, le=86_400)] = 1800
    """For so long they are asked, and no longer than what the run changed for a while stays changed. It never approves itself."""
    on_expiry: Literal["Escalate", "Abort"] = "Escalate"
    """What happens then. Escalate: the run ends as failed, and the next step of the escalation is paged at once. Abort: it ends as stopped."""
    show_diff: bool = True
    """Whether people are shown what the API server's dry run of the next step would change."""


def plan(params: Approve, live: LiveFacts, done: tuple[StepStatus, ...]) -> Next:  # noqa: ARG001 - every step has one shape
    """People, until a record says that they agreed."""
    if done:
        return Done(message="what follows was approved")
    return People(
        approvers=params.approvers,
        required=params.min_approvals,
        seconds=params.timeout_seconds,
        shows_diff=params.show_diff,
    )


KIND: Final = StepKind(
    name=ACTION,
    params=Approve,
    impact=StepImpact.NOTIFY,
    kinds=ANY,
    rights=(),
    needs=nothing,
    plan=plan,
    bounded=True,
    fixed=frozenset({"minApprovals", "timeoutSeconds"}),
    outputs={APPROVED_BY: "Who approved it, one name a line."},
)
