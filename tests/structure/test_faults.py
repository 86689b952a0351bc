"""The catalogue of faults is complete: each is shown by tests that exist and has a twin, or it stands there why not; and the page tells the same."""

from __future__ import annotations

import ast

import pytest
from tests.faults import catalogue
from tests.faults.catalogue import FAULTS, NUMBERS
from tests.structure.source import ROOT, tree

NAMED = sorted({(number, test) for number, one in FAULTS.items() for test in (*one.tests, *one.twin)})


def test_every_fault_is_there():
    assert tuple(sorted(FAULTS)) == NUMBERS
    assert len({one.name for one in FAULTS.values()}) == len(FAULTS)


@pytest.mark.parametrize(("number", "one"), FAULTS.items(), ids=lambda one: str(one) if isinstance(one, int) else "")
def test_it_is_shown_with_its_twin_or_it_stands_why_not(number, one):
    assert bool(one.tests) != bool(one.why_not_shown), "tests, or why there are none"
    assert bool(one.twin) != bool(one.why_no_twin), "a twin, or why there is none"
    assert not set(one.tests) & set(one.twin), "what shows that the protection is missed is not what shows that it holds"
    for why in (one.why_not_shown, one.why_no_twin):
        assert not why or len(why.split()) >= 4, why


@pytest.mark.parametrize(("number", "test"), NAMED, ids=str)
def test_a_test_that_is_named_exists(number, test):
    file, _, rest = test.partition("::")
    name, _, parameter = rest.partition("[")
    nodes = list(ast.walk(tree(ROOT / "tests" / file)))
    assert name in {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))}
    if parameter:
        assert parameter.removesuffix("]") in {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_the_page_has_the_table():
    page = catalogue.PAGE.read_text()
    assert catalogue.written(page) == page, "`python -m tests.faults.catalogue` writes it"


def test_every_protection_that_can_be_taken_out_is_taken_out_by_a_test():
    source = tree(ROOT / "tests" / "faults" / "unprotected.py")
    [listed] = [one.value for one in ast.walk(source) if isinstance(one, ast.AnnAssign) and getattr(one.target, "id", "") == "PROTECTIONS"]
    assert isinstance(listed, ast.Dict)
    names = [one.value for one in listed.keys if isinstance(one, ast.Constant) and one.value]
    tests = [*(ROOT / "tests" / "faults").glob("test_*.py"), ROOT / "tests" / "app" / "test_twins.py"]
    words = {one.value for path in tests for one in ast.walk(tree(path)) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    assert [name for name in names if not {name, name.removeprefix("a clock, ")} & words] == []
