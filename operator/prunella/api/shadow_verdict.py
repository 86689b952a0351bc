"""What is said of a plan that only the mode kept back."""

from __future__ import annotations

from enum import StrEnum


class ShadowVerdict(StrEnum):
    """Whether a plan that only the mode kept back would have been right."""

    RIGHT = "Right"
    WRONG = "Wrong"
    UNDECIDED = "Undecided"
