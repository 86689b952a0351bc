"""Attacks as subtests: many run at once, and each is told by its name.

The rule this module protects: an attack that never fired passes for nothing. One at a write that only some plays make may find none, however often it
is begun anew: it is no test that passed and none that was skipped, it is named at the end. Each kind of write must have been hit by another one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import pytest

from .campaign import PLAYS, Attack, Campaign

FIRED: Final = "fired at"
WITHOUT: Final = "write did not occur"


def attacked(campaign: Campaign, attacks: Sequence[Attack], request: pytest.FixtureRequest, subtests: pytest.Subtests) -> None:
    """Carry the attacks out and report on each."""
    word = request.config.getoption("--attack", "")
    chosen = [one for one in attacks if word in str(one)]
    if not chosen:
        pytest.skip(f"none of {len(attacks)} attacks is called {word}")
    results = campaign.carried_out(chosen)
    for result in results:
        if result.missed:
            request.node.user_properties.append((WITHOUT, f"{result.attack.write}: {result.attack}"))
            continue
        request.node.user_properties.append((FIRED, result.attack.write))
        with subtests.test(str(result.attack)):
            assert not result.wrong, result.wrong
    slowest = max(results, key=lambda one: one.seconds)
    made = sum(not one.missed for one in results)
    print(f"{made} of {len(chosen)} attacks made, the slowest took {slowest.seconds:.0f} s: {slowest.attack}")


class Tally:
    """A plugin of the process that hears of every test: what fired, what found no write, and a failure where a kind of write was never hit."""

    def __init__(self) -> None:
        self._fired: list[str] = []
        self._without: list[tuple[str, str]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Each test ends once, whatever its subtests were."""
        if report.when != "teardown":
            return
        for name, value in report.user_properties:
            if name == FIRED:
                self._fired.append(str(value))
            elif name == WITHOUT:
                write, _, attack = str(value).partition(": ")
                self._without.append((write, attack))

    @property
    def never_hit(self) -> list[str]:
        """The kinds of write that attacks were made for, and none of them fired."""
        return sorted({write for write, _ in self._without} - set(self._fired))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A kind of write that was never hit fails the run."""
        if self.never_hit and session.exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Every attack without a write, by its name."""
        for line in self.lines():
            terminalreporter.write_line(line)

    def lines(self) -> Iterable[str]:
        """What is told at the end; nothing where there is nothing to tell."""
        if self._without:
            yield f"attacks: {len(self._fired)} fired; {len(self._without)} found no write in {PLAYS} plays each:"
        yield from (f"  write did not occur: {attack}" for _, attack in sorted(self._without))
        yield from (f"FAILED: no attack on '{write}' fired, in any story" for write in self.never_hit)
