"""Errors say what the caller should do. The queue's worker is the one place that maps them."""

from __future__ import annotations


class PrunellaError(Exception):
    """Root of everything that Prunella raises on purpose."""


class Retryable(PrunellaError):
    """Try again after `delay` seconds."""

    def __init__(self, message: str, *, delay: float = 1.0) -> None:
        super().__init__(message)
        self.delay = delay


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
