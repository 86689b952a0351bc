"""Errors say what the caller should do. The queue's worker is the one place that maps them."""

from __future__ import annotations

from prunella.api.step_failure import Transient


class PrunellaError(Exception):
    """Root of everything that Prunella raises on purpose."""


class Retryable(PrunellaError):
    """Try again after `delay` seconds. `transient` says why, where a step's `retries` have a say in it."""

    def __init__(self, message: str, *, delay: float = 1.0, transient: Transient | None = None) -> None:
        super().__init__(message)
        self.delay = delay
        self.transient = transient


class NotLeading(Retryable):
    """It was not sent: this process may not be the leader for long enough."""


class Permanent(PrunellaError):
    """Trying again changes nothing; a person has to."""


class Conflict(PrunellaError):
    """Somebody else wrote first: read again and decide anew."""


class AlreadyExists(PrunellaError):
    """A create lost the election: read what is there."""


class OutcomeUnknown(PrunellaError):
    """A write was sent and no answer came: the target must be looked at before anything else."""


class Lost(PrunellaError):
    """This process is not the leader any more: whatever it has under way is given up, and it ends."""
