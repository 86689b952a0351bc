"""The operator with one protection taken out, for twins: tests that must fail then, or they show nothing.

Only a process that the nursery has just forked is changed, never the test process; and no flag of the product switches a protection off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final


def _without_anything() -> None:
    """All protections stand."""


PROTECTIONS: Final[dict[str, Callable[[], None]]] = {"": _without_anything}


def remove(name: str) -> None:
    """Take a protection out of this process."""
    PROTECTIONS[name]()
