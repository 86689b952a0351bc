"""Instants as Kubernetes writes them."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> datetime:
    """The present instant; the box and its nodes share this machine's clock."""
    return datetime.now(UTC)


def parse(text: str) -> datetime:
    """An RFC 3339 instant, with up to nine digits of a second."""
    head, _, tail = text.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(head).replace(tzinfo=UTC)
    return whole.replace(microsecond=int(tail[:6].ljust(6, "0"))) if tail else whole


def text(instant: datetime) -> str:
    """RFC 3339 in UTC with six digits."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
