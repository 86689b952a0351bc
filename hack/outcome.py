"""What comes of a layer: how many tests passed, failed and were skipped, why it could not run, and what must be told besides."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

NOTED = "write did not occur"
"""The property of a test that tells of an attack that found nothing to attack (`tests/faults/reporting.py`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of a layer; `why` says why it could not run."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    why: str = ""
    notes: tuple[str, ...] = ()
    """What a test found that is neither a failure nor a skip, and must be told all the same."""

    @property
    def ran(self) -> int:
        """How many tests ran."""
        return self.passed + self.failed


def summed(one: Result, two: Result) -> Result:
    """Both together: what could not run hides no failure."""
    return Result(
        passed=one.passed + two.passed,
        failed=one.failed + two.failed,
        skipped=one.skipped + two.skipped,
        why="; ".join(dict.fromkeys(filter(None, (one.why, two.why)))),
        notes=(*one.notes, *two.notes),
    )


def read(report: Path) -> Result:
    """The counts of a JUnit file that we just had written ourselves."""
    root = ET.parse(report).getroot()  # noqa: S314 - our own file
    total = failed = skipped = 0
    for suite in root.iter("testsuite"):
        total += int(suite.get("tests", 0))
        failed += int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped += int(suite.get("skipped", 0))
    notes = (f"{NOTED}: {one.get('value', '')}" for one in root.iter("property") if one.get("name") == NOTED)
    return Result(passed=max(total - failed - skipped, 0), failed=failed, skipped=skipped, notes=tuple(notes))
