"""What stands in where an outside is not configured: it knows nothing, and says how to change that."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from prunella.core.facts import UNKNOWN, UnknownT
from prunella.core.world import QueryValue


class NoPrometheus:
    """The port where no Prometheus is configured: nothing is known."""

    async def value(self, query: str, now: datetime) -> QueryValue:  # noqa: ARG002 - the port's shape
        """An error that says what to do."""
        return QueryValue(error="no Prometheus is configured: start with --prometheus-url")

    async def rule_for_seconds(self, alertname: str, severity: str = "") -> int | UnknownT:  # noqa: ARG002 - the port's shape
        """Not known."""
        return UNKNOWN

    async def alert_active_time(self, alertname: str, labels: Mapping[str, str]) -> datetime | UnknownT:  # noqa: ARG002 - the port's shape
        """Not known."""
        return UNKNOWN
