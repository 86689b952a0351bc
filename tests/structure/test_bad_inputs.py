"""Each of the ninety bad inputs stands in a table with its outcome, or is listed with its test or the reason why it can't be tried."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "tests" / "cluster" / "hostile" / "bad_inputs"
PAGE = ROOT / "docs" / "design" / "bad-inputs.md"
TABLES = ("bodies", "labels", "times", "kinds")


def rows(name: str) -> list[dict[str, Any]]:
    return yaml.safe_load((FOLDER / f"{name}.yaml").read_text())


def test_no_number_is_missing():
    numbers = {row["number"] for name in (*TABLES, "elsewhere") for row in rows(name)}
    assert sorted(set(range(1, 91)) - numbers) == []


@pytest.mark.parametrize("name", TABLES)
def test_every_row_has_a_name_of_its_own_and_an_outcome(name):
    table = rows(name)
    assert len({(row["number"], row["name"]) for row in table}) == len(table)
    for row in table:
        assert {"answer", "where", "began", "quarantined", "refused", "stored"} & set(row), row


@pytest.mark.parametrize("row", rows("elsewhere"), ids=lambda row: str(row["number"]))
def test_what_is_tested_elsewhere_is_there(row):
    if "not_yet" in row:
        assert len(row["not_yet"].split()) > 5
        return
    file, _, name = row["tested"].partition("::")
    text = (ROOT / file).read_text()
    assert f"def {name}(" in text if name else f'"{row["number"]} ' in text


def test_the_page_tells_of_every_number():
    told: set[int] = set()
    for line in PAGE.read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| number"):
            for first, last in re.findall(r"(\d+)(?:–(\d+))?", line.split("|")[1]):
                told |= set(range(int(first), int(last or first) + 1))
    assert told == set(range(1, 91))


def test_what_is_not_tried_yet_is_told_as_such():
    """And nothing else is: a reason that has become false is found when its feature comes."""
    waiting = {row["number"] for row in rows("elsewhere") if "not_yet" in row}
    told = {
        int(number)
        for line in PAGE.read_text().splitlines()
        if re.search(r"\*\*(not yet|nothing of ours)\*\*", line)
        for number in re.findall(r"\d+", line.split("|")[1])
    }
    assert told == waiting
