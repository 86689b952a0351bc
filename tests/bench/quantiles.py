"""Quantiles by the nearest rank: every number that is reported was really measured, nothing is smoothed or thrown away."""

from __future__ import annotations

import math
from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed; not a number where there is none."""
    if not values:
        return math.nan
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]
