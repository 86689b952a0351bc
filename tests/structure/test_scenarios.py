"""The catalogue of failures is complete: each is shown by a scenario that exists, or it stands there why not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from tests.harness import table
from tests.harness.faults import FAULTS
from tests.scenarios import catalogue
from tests.scenarios.catalogue import FAILURES, NO_FAILURE, NOT_SHOWN, REPLAYED, RUNBOOKS, SHOWN, Expect
from tests.structure.source import ROOT, tree

FOLDER = ROOT / "tests" / "scenarios"
LEAST = {Expect.HEALED: 20, Expect.ESCALATE_ONLY: 10, Expect.NOTHING: 10}
LEAST_COMPOUND = 8
LEAST_FAILURES = 43
LEAST_BY_DAY = 33


def functions() -> dict[str, list[str]]:
    """File → the scenarios in it."""
    return {path.name: named(path) for path in sorted(FOLDER.glob("test_*.py"))}


def named(path: Path) -> list[str]:
    return [node.name for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


def test_every_failure_is_shown_or_it_stands_why_not():
    assert sorted(FAILURES) == list(range(1, 48))
    assert catalogue.failures_shown() | set(NOT_SHOWN) == set(FAILURES)
    assert sorted(catalogue.failures_shown() & set(NOT_SHOWN)) == [], "what is shown needs no excuse"
    assert all(len(why) > 10 for why in NOT_SHOWN.values())


@pytest.mark.parametrize("one", SHOWN, ids=lambda one: one.test)
def test_a_scenario_that_is_named_exists(one):
    file, _, rest = one.test.partition("::")
    name, _, parameter = rest.partition("[")
    assert name in functions().get(file, [])
    if parameter:
        assert parameter.removesuffix("]") in parameters(file)


def parameters(file: str) -> set[str]:
    """Ids that a file's parameters may have: every text in it, and the rollouts that are broken in one known way."""
    return {*FAULTS, *(node.value for node in ast.walk(tree(FOLDER / file)) if isinstance(node, ast.Constant) and isinstance(node.value, str))}


def test_a_scenario_that_exists_is_named():
    unnamed = [
        f"{file}::{name}"
        for file, names in functions().items()
        for name in names
        if file not in NO_FAILURE and not any(one.test.partition("[")[0] == f"{file}::{name}" for one in SHOWN)
    ]
    assert unnamed == []


def test_every_broken_rollout_is_in_the_catalogue():
    listed = {match[1] for one in SHOWN if (match := re.fullmatch(r".*a_broken_rollout_of_a_deployment_heals\[(.*)\]", one.test))}
    assert listed == set(FAULTS)


def test_every_runbook_that_ships_has_a_scenario():
    shipped = {path.stem for path in (ROOT / "runbooks").glob("*.yaml")} - {"kustomization"}
    assert sorted([*RUNBOOKS, *REPLAYED]) == sorted(shipped)
    named_there = {one.test.partition("[")[0] for one in SHOWN}
    assert {name: test for name, test in RUNBOOKS.items() if test not in named_there} == {}


def test_no_scenario_is_named_twice():
    names = [one.test for one in SHOWN]
    assert sorted(names) == sorted(set(names))


def test_there_are_enough_of_each_kind():
    found = catalogue.counts()
    assert {kind: found[kind] for kind, least in LEAST.items() if found[kind] < least} == {}
    assert sum(bool(one.compound) for one in SHOWN) >= LEAST_COMPOUND
    assert len(catalogue.failures_shown()) >= LEAST_FAILURES


def by_night(file: str) -> set[str]:
    """The scenarios of a file that are too slow for a change to wait for."""
    marks = [node.value for node in tree(FOLDER / file).body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"]
    if any("mark.nightly" in ast.unparse(one) for one in marks):
        return set(named(FOLDER / file))
    defined = [node for node in tree(FOLDER / file).body if isinstance(node, ast.FunctionDef)]
    return {one.name for one in defined if any("mark.nightly" in ast.unparse(mark) for mark in one.decorator_list)}


def test_most_failures_are_shown_by_day():
    night = {f"{file}::{name}" for file in functions() for name in by_night(file)}
    shown = {number for one in SHOWN if one.test.partition("[")[0] not in night for number in one.failures}
    assert len(shown) >= LEAST_BY_DAY, sorted(catalogue.failures_shown() - shown)


def test_the_end_of_the_table_counts_what_was_seen_and_names_what_was_not():
    crash, key = (f"{catalogue.ROLLOUT}[{name}]" for name in ("crash", "missing ConfigMap key"))
    lines = catalogue.tally({crash: True, key: False, "test_fixtures.py::test_no_scenario": True})
    assert lines[1].split() == ["Healed", "2", "1", "0"]
    assert lines[-1].startswith("failures: 1 of 47 shown as expected, 9 not, ")
    assert lines[-1].endswith(" not run")
    assert catalogue.tally({}) == []


def test_rounds_are_summed_up_and_what_failed_in_one_of_them_is_no_scenario_as_expected():
    crash, key = (f"{catalogue.ROLLOUT}[{name}]" for name in ("crash", "missing ConfigMap key"))
    lines = catalogue.total({"1": {crash: True, key: True}, "2": {key: False, crash: True}})
    assert lines[0] == "2 rounds, with the seeds 1, 2: 3 of 4 as expected"
    assert f"not as expected: {key}, with 2" in lines
    assert next(line for line in lines if line.startswith("Healed")).split() == ["Healed", "2", "1", "0"]
    assert lines[-1].startswith("failures: 1 of 47 shown as expected, 9 not, ")
    assert catalogue.total({"1": {crash: False}}) == [], "one round has its own table"


def test_rounds_are_kept_by_their_seed(tmp_path):
    table.keep_round(tmp_path, "1", {"a": True})
    table.keep_round(tmp_path, "2", {"a": True})
    table.keep_round(tmp_path, "1", {"a": False})
    assert table.rounds(tmp_path) == {"1": {"a": False}, "2": {"a": True}}


def test_what_is_mostly_late_is_told_and_one_alone_is_not(tmp_path):
    for delay in (0.2, 0.3, 2.5):
        table.add(tmp_path, table.Row(scenario="a", expected="Resolved", seen="Resolved", see=delay / 2, act=delay, end=delay / 10))
    table.add(tmp_path, table.Row(scenario="a control", expected="no Incident", seen="no Incident"))
    delays = table.delays(tmp_path)
    assert delays == {"see": [0.1, 0.15, 1.25], "act+": [0.2, 0.3, 2.5], "end": [0.02, 0.03, 0.25]}
    lines, kept = table.promptness(delays, 1.0)
    assert kept
    assert lines[1] == "act+: the half within 0.30 s, 1 s are promised; the slowest 2.50 s"
    assert table.promptness({"see": [0.2, 1.1, 1.2], "act+": [0.1]}, 1.0)[1] is False
    assert table.promptness({"see": [], "act+": []}, 1.0) == ([], True)
