"""Telemetry of a command that ends: nobody scrapes it."""

from __future__ import annotations


class Silent:
    """The port `Telemetry`, without anybody who listens."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Count nothing."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set nothing."""

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Observe nothing."""
