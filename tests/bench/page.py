"""The table of a run and its notes, as Markdown. It names neither the machine nor the versions: whoever publishes numbers from it has to add them."""

from __future__ import annotations

from tests.bench.results import Results, cells


def render(results: Results, *, seconds: float) -> str:
    """The page."""
    return "\n".join(["| " + " | ".join(cells(row)) + " |" for row in results.rows] + results.notes) + f"\n{seconds}\n"
