"""Scenarios run inside a box, side by side; the table of what happened stands at the end."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.harness import table
from tests.harness.fixtures import arena, box_lock, collected, explain_failure, installation, make_arena

__all__ = ["arena", "box_lock", "installation", "make_arena"]
FOLDER = Path(__file__).parent


def _shared() -> Path | None:
    return Path(os.environ["BOX_DIR"]) / "tests" if "BOX_DIR" in os.environ else None


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: has the box to itself")
    folder = _shared()
    if folder and not hasattr(config, "workerinput"):
        table.clear(folder)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    collected(items, FOLDER, "scenario")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    explain_failure(item, report)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    folder = _shared()
    lines = table.render(folder) if folder and not hasattr(config, "workerinput") else []
    if lines:
        terminalreporter.section("what healed, what was left alone")
        for line in lines:
            terminalreporter.write_line(line)
