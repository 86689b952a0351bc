"""Scenarios run inside a box, side by side; the table of what happened stands at the end."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from tests.harness import story, table
from tests.harness.fixtures import arena, box_lock, collected, explain_failure, installation, make_arena
from tests.harness.outside import world
from tests.scenarios import catalogue

__all__ = ["arena", "box_lock", "installation", "make_arena", "world"]
FOLDER = Path(__file__).parent


def _shared() -> Path | None:
    return Path(os.environ["BOX_DIR"]) / "tests" if "BOX_DIR" in os.environ else None


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--shuffle", metavar="SEED", help="other names of namespaces and another order of the scenarios, both as the seed gives them")
    parser.addoption("--steady", metavar="SECONDS", type=int, help="how long what was healed must stay ready without a break")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone: has the box to itself")
    config.addinivalue_line("markers", "once: the long form of a scenario, played in the first round of the night alone")
    story.STEADY_SECONDS = config.getoption("--steady", default=None) or story.STEADY_SECONDS
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


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Incidents and effects that mostly come late fail the session, though none of them fails its scenario."""
    folder = _shared()
    if folder is None or hasattr(session.config, "workerinput"):
        return
    _, kept = table.promptness(table.delays(folder), story.PROMPT_SECONDS)
    if not kept and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    folder = _shared()
    if folder is None or hasattr(config, "workerinput"):
        return
    outcomes = _outcomes(terminalreporter)
    prompt, _ = table.promptness(table.delays(folder), story.PROMPT_SECONDS)
    _tell(terminalreporter, "what healed, what was left alone", [*table.render(folder), *prompt, "", *catalogue.tally(outcomes)])
    seed = config.getoption("--shuffle", default=None)
    if seed is not None and outcomes:
        rounds = Path(os.environ.get("ROUNDS") or folder)
        table.keep_round(rounds, seed, outcomes)
        _tell(terminalreporter, "all rounds so far", catalogue.total(table.rounds(rounds)))


def _tell(terminalreporter: pytest.TerminalReporter, title: str, lines: list[str]) -> None:
    if any(lines):
        terminalreporter.section(title)
        for line in lines:
            terminalreporter.write_line(line)


def _outcomes(terminalreporter: pytest.TerminalReporter) -> dict[str, bool]:
    """File and name of each scenario → whether it passed; an error before or after it is no pass."""
    known: dict[str, bool] = {}
    for outcome in ("passed", "failed", "error"):
        for report in terminalreporter.getreports(outcome):
            name = report.nodeid.removeprefix("tests/scenarios/")
            known[name] = known.get(name, True) and outcome == "passed"
    return known
