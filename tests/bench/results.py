"""What a run found: rows of the table, and the raw numbers behind them as CSV. A goal is a number here, once."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.quantiles import quantile

MOST_ROWS = 4000
"""Of one CSV: beyond it every n-th line is kept, in the order of the run, and the page says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. `goal` is the most that is good; without it the number is only told."""

    what: str
    measured: float
    unit: str
    goal: float | None = None
    goal_words: str = ""
    floor: float | None = None
    naive: float | None = None
    over_floor: bool = False
    """Whether the goal is about what is beyond the floor."""
    note: str = ""

    @property
    def judged(self) -> float:
        """The number that the goal is about."""
        return self.measured - (self.floor or 0.0) if self.over_floor else self.measured

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        return None if self.goal is None else self.judged <= self.goal


@dataclass
class Results:
    """Everything of one run."""

    folder: Path
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Sentences under the table: what could not be done, and under which load something was measured."""

    def add(self, *rows: Row) -> None:
        """Keep rows, and show them."""
        for row in rows:
            self.rows.append(row)
            print("   " + line(row), flush=True)

    def note(self, sentence: str) -> None:
        """Keep a sentence, and show it."""
        self.notes.append(sentence)
        print("   " + sentence, flush=True)

    def raw(self, name: str, headings: Sequence[str], lines: Iterable[Sequence[object]]) -> None:
        """Keep raw numbers."""
        every = list(lines)
        step = -(-len(every) // MOST_ROWS) or 1
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / f"{name}.csv").open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(headings)
            writer.writerows([_short(cell) for cell in one] for one in every[::step])


def _short(cell: object) -> object:
    return f"{cell:.3f}" if isinstance(cell, float) else cell


def number(value: float | None, unit: str) -> str:
    """As it is shown."""
    if value is None:
        return "–"
    digits = 0 if unit in {"", "µs"} or abs(value) >= 100 else 2 if abs(value) < 1 else 1
    return f"{value:,.{digits}f}{' ' + unit if unit else ''}"


def ratio(row: Row) -> str:
    """How many times the floor."""
    return "–" if not row.floor else f"{row.measured / row.floor:.1f}"


def verdict(row: Row) -> str:
    """Whether the goal is met, in a word."""
    return {None: "–", True: "yes", False: "**no**"}[row.met]


def cells(row: Row) -> tuple[str, ...]:
    """Of the table: what, goal, measured, floor, ratio, naive twin, met."""
    return (
        row.what,
        row.goal_words or "–",
        number(row.measured, row.unit),
        number(row.floor, row.unit),
        ratio(row),
        number(row.naive, row.unit),
        verdict(row),
    )


def line(row: Row) -> str:
    """For the terminal."""
    what, goal, measured, floor, times, naive, met = cells(row)
    return f"{what:<62} {measured:>12}  goal {goal:<22} floor {floor:>10}  ratio {times:>6}  naive {naive:>12}  {met.strip('*')}"


def p50_p99(values: Sequence[float]) -> tuple[float, float]:
    """Median and 99th percentile."""
    return quantile(values, 0.5), quantile(values, 0.99)
