"""The page about the guards says what the code does: which there are, in which order, and which of them hold back what."""

from __future__ import annotations

import re
from pathlib import Path

from prunella.core.healing.guards import guards

PAGE = (Path(__file__).resolve().parents[2] / "docs/explanation/guards.md").read_text()
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| ") and "---" not in line][1:]
REASONS = set(re.findall(r"^\| `(\w+)` \|", (Path(__file__).resolve().parents[2] / "docs/reference/reasons.md").read_text(), re.MULTILINE))


def test_all_guards_are_told_in_their_order():
    assert [row[0] for row in ROWS] == [name for name, _ in guards.GUARDS]


def test_every_reason_is_one_that_there_is():
    told = {reason for row in ROWS for reason in row[2].split(", ")}
    assert told <= REASONS, told - REASONS


def test_it_says_which_of_them_hold_back_what():
    begins, changes = re.findall(r"^([A-Z][A-Za-z, ]+?) hold back", PAGE, re.MULTILINE)
    assert set(re.split(r", | and ", begins)) == guards.HOLD_STARTS
    assert set(re.split(r", | and ", changes)) == guards.CHANGES_ONLY
