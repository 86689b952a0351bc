"""A refusal: why nothing is done, as data. It becomes a condition's reason and a sentence for whoever is paged."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why not. `reason` is one of the closed list of the reference; `look_again_time` where time alone may change it."""

    reason: str
    message: str
    look_again_time: datetime | None = None
    being_asked: bool = False
    """The question is only under way: it holds everything back, and nobody is told of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One guard's answer: None is a yes."""

    guard: str
    refusal: Refusal | None
    shown_only: bool = False
    """Kept and shown, but no reason: the effective mode would not act anyway."""


def first_refusal(verdicts: tuple[Asked, ...]) -> Refusal | None:
    """The first refusal in the order of the list is the reason."""
    return next((asked.refusal for asked in verdicts if asked.refusal is not None and not asked.shown_only), None)
