"""The table that a session of scenarios ends with: what was expected, what was seen, how long it took, what it cost."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

HEADINGS = ("scenario", "expected", "seen", "detect", "act+", "heal", "writes", "Events")
FILE = "table.jsonl"
ROUNDS = "rounds.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One scenario. Times in seconds; `act` is the effect's delay beyond the instant at which it was due."""

    scenario: str
    expected: str
    seen: str
    detect: float | None = None
    see: float | None = None
    """How long after the first sight of a failing container, by a bare watcher, the Incident was there. Not printed."""
    end: float | None = None
    """How far the Incident's end is from the instant at which the witness saw everything ready. Not printed."""
    act: float | None = None
    heal: float | None = None
    writes: str = ""
    events: int | None = None

    def cells(self) -> tuple[str, ...]:
        """What is printed."""
        numbers = ("" if one is None else f"{one:.1f} s" for one in (self.detect, self.act, self.heal))
        return (self.scenario, self.expected, self.seen, *numbers, self.writes, "" if self.events is None else str(self.events))


def add(folder: Path, row: Row) -> None:
    """Keep a row, from whichever test process."""
    with (folder / FILE).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(asdict(row)) + "\n")


def render(folder: Path) -> list[str]:
    """The rows so far as aligned lines; none where there is nothing to show."""
    file = folder / FILE
    if not file.exists():
        return []
    rows = [Row(**json.loads(line)).cells() for line in file.read_text().splitlines()]
    table = [HEADINGS, *sorted(rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(HEADINGS))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]


def delays(folder: Path) -> dict[str, list[float]]:
    """Of every heal so far, in seconds, the slowest last: from sight to Incident, from when it was due to the effect, from all ready to the end."""
    file = folder / FILE
    rows = [Row(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
    told = {"see": (row.see for row in rows), "act+": (row.act for row in rows), "end": (row.end for row in rows)}
    return {name: sorted(one for one in each if one is not None) for name, each in told.items()}


def promptness(delays: Mapping[str, list[float]], promised: float) -> tuple[list[str], bool]:
    """How soon it was, as lines, and whether the half of each kept to the promise: one alone tells of the machine, the half of the product."""
    halves = {name: median(each) for name, each in delays.items() if each}
    lines = [
        f"{name}: the half within {half:.2f} s, {promised:g} s are promised; the slowest {delays[name][-1]:.2f} s" for name, half in halves.items()
    ]
    return lines, all(half <= promised for half in halves.values())


def clear(folder: Path) -> None:
    """Begin anew."""
    (folder / FILE).unlink(missing_ok=True)


def keep_round(folder: Path, seed: str, outcomes: Mapping[str, bool]) -> None:
    """Keep which scenarios of a shuffled round passed, beside those of the rounds before."""
    (folder / ROUNDS).write_text(json.dumps({**rounds(folder), seed: dict(outcomes)}))


def rounds(folder: Path) -> dict[str, dict[str, bool]]:
    """By seed, in the order in which they were played first."""
    file = folder / ROUNDS
    kept: dict[str, dict[str, bool]] = json.loads(file.read_text()) if file.exists() else {}
    return kept
