"""One engine for every condition: an answer is true or false, and everything else is said to be none."""

import sys
from datetime import UTC, datetime
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.adapters.cel import CelEvaluate
from prunella.core.world import Unevaluable

TARGET = {"kind": "Deployment", "labels": {"app": "checkout"}, "ready": 3, "failingRevision": "abc", "newestRevision": "abc", "nothing": None}


class Colour(StrEnum):
    RED = "Red"


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("target.failingRevision == target.newestRevision", True),
        ("target.ready > 3", False),
        ("target.ready >= 2.5", True),
        ("'app' in target.labels && target.labels['app'] == 'checkout'", True),
        ("has(target.missing)", False),
        ("target.nothing == null", True),
        ("target.kind.matches('^Dep')", True),
        ("target.kind in ['Deployment', 'StatefulSet']", True),
    ],
)
def test_conditions_over_the_target_are_answered(expression, answer):
    assert CelEvaluate()(expression, {"target": TARGET}) is answer


@pytest.mark.parametrize(
    ("expression", "value", "answer"),
    [
        ("value < 0.01", 0.005, True),
        ("value < 1", 0.5, True),
        ("value > 0.05", 0.05, False),
        ("value == 0.0", -0.0, True),
        ("value > 1", 10**400, True),
    ],
)
def test_a_number_is_compared_with_whole_and_decimal_numbers(expression, value, answer):
    assert CelEvaluate()(expression, {"value": value}) is answer


@pytest.mark.parametrize(
    ("expression", "why"),
    [
        ("target.absent == 'x'", 'NOT_FOUND: Key not found in map : "absent"'),
        ("target.kind > 3", "UNKNOWN: No matching overloads found : _>_(string, int64)"),
        ("target.kind", "the expression must give true or false, it gives string"),
        ("target.nothing", "the expression must give true or false, it gives null"),
        ("target.", "column 8: Syntax error: no viable alternative at input '.'"),
        ("targte.kind == 'x'", "column 7: undeclared reference to 'targte.kind' (in container '')"),
        ("1 == 'a'", "column 3: found no matching overload for '_==_' applied to '(int, string)'"),
        ("true &&\n  nope", "line 2, column 3: undeclared reference to 'nope' (in container '')"),
        ("(" * 50 + "true" + ")" * 50, "CANCELLED: Expression recursion limit exceeded. limit: 32 [CANCELLED]"),
        ("true || \ud800", "an expression holds no NUL and no half of a surrogate pair"),
        ("true\0", "an expression holds no NUL and no half of a surrogate pair"),
        ("t" * 16_385, "an expression has at most 16384 characters, this has 16385"),
        ("target.kind.matches('(')", "INVALID_ARGUMENT: invalid regular expression: missing ): ("),
    ],
    ids=[
        "missing key",
        "types",
        "no verdict",
        "null",
        "syntax",
        "unknown variable",
        "literal types",
        "second line",
        "depth",
        "surrogate",
        "NUL",
        "length",
        "regex",
    ],
)
def test_what_has_no_answer_says_why(expression, why):
    assert CelEvaluate()(expression, {"target": TARGET}) == Unevaluable(why)


@pytest.mark.parametrize(
    ("expression", "names", "complaint"),
    [
        ("value < 0.01", ["value"], None),
        ("value < 1", ["value"], None),
        ("incident.cause == 'X' && target.ready > 0", ["incident", "target", "alert"], None),
        ("target.anything", ["target"], None),
        ("value < '0.01'", ["value"], "UNKNOWN: No matching overloads found : _<_(double, string)"),
        ("vale < 1", ["value"], "column 1: undeclared reference to 'vale' (in container '')"),
        ("value", ["value"], "the expression must give true or false, it gives double"),
        ("1 + 1", ["value"], "the expression must give true or false, it gives int"),
        ("labels['a'].matches('(')", ["labels"], 'NOT_FOUND: Key not found in map : "a"'),
    ],
)
def test_a_linter_hears_what_is_wrong_before_it_matters(expression, names, complaint):
    assert CelEvaluate().check(expression, names) == complaint


@pytest.mark.parametrize(
    ("value", "expression"),
    [
        (Colour.RED, "v == 'Red'"),
        (("a", "b"), "v.size() == 2"),
        (datetime(2026, 11, 24, 9, 41, tzinfo=UTC), "timestamp(v) < timestamp('2026-11-24T09:42:00Z')"),
        ("half \ud800", "v == 'half ?'"),
        ({"deep": {Colour.RED: (1,)}}, "v.deep.Red[0] == 1"),
        (True, "v"),
        (2**70, "v > 1"),
        (-(2**70), "v < 1"),
        (frozenset(), "v == 'frozenset()'"),
    ],
    ids=["enum", "tuple", "instant", "surrogate", "nested", "bool", "huge", "very negative", "anything else"],
)
def test_python_values_reach_the_engine_in_its_own_types(value, expression):
    assert CelEvaluate()(expression, {"v": value}) is True


def test_a_bottomless_value_is_no_answer():
    bottomless: dict[str, object] = {}
    bottomless["self"] = bottomless
    answer = CelEvaluate()("v.x == 1", {"v": bottomless})
    assert isinstance(answer, Unevaluable)
    assert answer.why.startswith("the expression could not be evaluated: maximum recursion depth")


def test_nulls_and_errors_leave_nones_references_alone():
    evaluate = CelEvaluate()
    before = sys.getrefcount(None)
    for _ in range(5000):
        evaluate("v", {"v": None})
        evaluate("v.x", {"v": {}})
        evaluate("v == null", {"v": None})
    assert abs(sys.getrefcount(None) - before) < 500


def test_the_same_expression_over_other_variables_is_compiled_anew():
    evaluate = CelEvaluate()
    assert evaluate("a == 1", {"a": 1}) is True
    assert evaluate("a == 1", {"b": 1}) == Unevaluable("column 1: undeclared reference to 'a' (in container '')")


def test_an_answer_about_labels_is_that_about_those_labels_each_time():
    evaluate = CelEvaluate(kept=2)
    asked = [{"a": "x"}, {"a": "y"}, {}, {"a": "x", "b": "x"}, {"b": "x"}, {"a": "x"}, {"a": Colour.RED}]
    said = [evaluate('("a" in labels ? labels["a"] : "") == "x"', {"labels": labels}) for labels in [*asked, *asked]]
    assert said == [True, False, False, True, False, True, False] * 2
    assert evaluate("labels.a == 1", {"labels": {}}) == evaluate("labels.a == 1", {"labels": {}})


def test_alerts_that_differ_elsewhere_are_one_question():
    asked = []

    class Counting(CelEvaluate):
        def _ask(self, expression, variables):
            asked.append(variables)
            return super()._ask(expression, variables)

    evaluate = Counting()
    said = [evaluate('labels["a"].matches("^x")', {"labels": {"a": f"x{number % 3}"}}) for number in range(300)]
    assert said == [True] * 300
    assert asked == [{"labels": {"a": f"x{number}"}} for number in range(3)]


@given(st.text(max_size=60))
def test_no_expression_makes_it_raise(expression):
    assert isinstance(CelEvaluate()(expression, {"target": TARGET}), bool | Unevaluable)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_value_makes_it_raise(value):
    assert isinstance(CelEvaluate()("v == 'x'", {"v": value}), bool | Unevaluable)
