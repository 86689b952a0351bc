"""What becomes of a step that fails: it is tried again where that may pass by itself, and then the run goes on, goes back or ends."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from .base import Instant, Rule, Sentence, ShortName, WireModel, items
from .names import OnFailure


class Transient(StrEnum):
    """Why something was surely not done that may be done a moment later."""

    CONFLICT = "Conflict"
    """Somebody else wrote at the same time, and to nothing that was judged."""
    TOO_MANY_REQUESTS = "TooManyRequests"
    """It was turned away unread."""
    SERVER_ERROR = "ServerError"
    """A question was answered with a server's error."""
    TIMEOUT = "Timeout"
    """Nobody could be reached, or a question got no answer in time."""


_INITIAL, _CAP = 1, 60


class Retries(WireModel):
    """How a step is tried again after an error that may pass by itself. Never once something was sent whose outcome is not known."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            f"(has(self.capSeconds) ? self.capSeconds : {_CAP}) >= (has(self.initialSeconds) ? self.initialSeconds : {_INITIAL})",
            "must have a capSeconds that is no less than initialSeconds: raise capSeconds, or lower initialSeconds",
        ),
    )

    max: Annotated[int, Field(ge=1, le=20)]
    """How often it is tried again; then the step fails."""
    initial_seconds: Annotated[int, Field(ge=1, le=600)] = _INITIAL
    """Wait before it is tried again for the first time; longer where the server asks for it."""
    factor: Annotated[int, Field(ge=1, le=10)] = 2
    """By which each wait is longer than the one before."""
    cap_seconds: Annotated[int, Field(ge=1, le=600)] = _CAP
    """Longest wait."""
    jitter: Annotated[int, Field(ge=0, le=100)] = 10
    """Up to so many percent are added to each wait, so that many do not come back together."""
    errors: Annotated[tuple[Transient, ...], items(4)] = ()
    """The only errors after which it is tried again; none restricts nothing."""


class StepFailure(WireModel):
    """What a failed step does to the run: an action, or the step to go on with."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule("!has(self.goTo) || !has(self.action)", "must have an action or goTo, not both: goTo says where the run goes on"),
    )

    action: OnFailure | None = None
    """Abort ends the run, Continue goes on with the next step, Undo takes back what was done and ends the run, Escalate ends the run and pages the
    owner now. Default: Abort."""
    go_to: ShortName | None = None
    """Name of a later step with which the run goes on."""

    @property
    def does(self) -> OnFailure:
        """The action; Continue where the run goes on elsewhere."""
        if self.go_to is not None:
            return OnFailure.CONTINUE
        return self.action or OnFailure.ABORT


class Retrying(WireModel):
    """A step that is tried again: each of its tries so far was surely not carried out."""

    step: Annotated[str, Field(min_length=1, max_length=253)]
    """The step, with '/<n>' where it has several effects."""
    count: Annotated[int, Field(ge=1, le=2_147_483_647)]
    """How often it was tried in vain so far."""
    error: Transient | None = None
    """What the last try came to; absent where it has no such name."""
    message: Sentence = ""
    """The same in a sentence."""
    since_time: Instant
    """When the first try failed."""
    next_time: Instant
    """When it is tried again, if the step and the run still may by then."""
