"""Quantities of Kubernetes, as they stand in a container's resources: read exactly, and written so that a person recognises them."""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal
from typing import Final

_FORM: Final = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?)(m|k|Ki|M|Mi|G|Gi|T|Ti)?")
_UNITS: Final = {
    "m": Decimal("0.001"),
    "": Decimal(1),
    "k": Decimal(1000),
    "M": Decimal(1000) ** 2,
    "G": Decimal(1000) ** 3,
    "T": Decimal(1000) ** 4,
    "Ki": Decimal(1024),
    "Mi": Decimal(1024) ** 2,
    "Gi": Decimal(1024) ** 3,
    "Ti": Decimal(1024) ** 4,
}


def read(text: object) -> Decimal | None:
    """Its value in cores or bytes; None for what is no such quantity."""
    found = _FORM.fullmatch(str(text)) if isinstance(text, str | int) and not isinstance(text, bool) else None
    return Decimal(found.group(1)) * _UNITS[found.group(2) or ""] if found is not None else None


def memory(value: Decimal) -> str:
    """So many bytes in whole Mi, rounded down, spelled as the API server stores it: 1Gi and not 1024Mi."""
    return _spelled(int((value / _UNITS["Mi"]).to_integral_value(rounding=ROUND_FLOOR)), 1024, ("Mi", "Gi", "Ti"))


def cpu(value: Decimal) -> str:
    """So many cores in whole thousandths, rounded down, spelled as the API server stores it: 1 and not 1000m."""
    return _spelled(int((value * 1000).to_integral_value(rounding=ROUND_FLOOR)), 1000, ("m", "", "k", "M", "G", "T"))


def _spelled(number: int, step: int, units: tuple[str, ...]) -> str:
    """In the largest unit in which it is a whole number. What is stored otherwise than it was written would look like somebody's change."""
    if number == 0:
        return "0"
    for unit in units[:-1]:
        if number % step:
            return f"{number}{unit}"
        number //= step
    return f"{number}{units[-1]}"
