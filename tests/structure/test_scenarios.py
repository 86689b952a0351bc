"""The catalogue of failures is complete: each is shown by a scenario that exists, or it stands there why not."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from tests.harness.faults import FAULTS
from tests.scenarios import catalogue
from tests.scenarios.catalogue import FAILURES, NO_FAILURE, NOT_SHOWN, SHOWN, Expect
from tests.structure.source import ROOT, tree

FOLDER = ROOT / "tests" / "scenarios"
LEAST = {Expect.HEALED: 20, Expect.ESCALATE_ONLY: 10, Expect.NOTHING: 10}
LEAST_COMPOUND = 8
LEAST_FAILURES = 35


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


def test_no_scenario_is_named_twice():
    names = [one.test for one in SHOWN]
    assert sorted(names) == sorted(set(names))


def test_there_are_enough_of_each_kind():
    found = catalogue.counts()
    assert {kind: found[kind] for kind, least in LEAST.items() if found[kind] < least} == {}
    assert sum(bool(one.compound) for one in SHOWN) >= LEAST_COMPOUND
    assert len(catalogue.failures_shown()) >= LEAST_FAILURES


def test_the_end_of_the_table_counts_what_was_seen_and_names_what_was_not():
    crash, key = (f"{catalogue.ROLLOUT}[{name}]" for name in ("crash", "missing ConfigMap key"))
    lines = catalogue.tally({crash: True, key: False, "test_fixtures.py::test_no_scenario": True})
    assert lines[1].split() == ["Healed", "2", "1", "0"]
    assert lines[-1].startswith("failures: 1 of 47 shown as expected, 9 not, ")
    assert lines[-1].endswith(" not run")
    assert catalogue.tally({}) == []
