"""Alertmanager's matchers become CEL over labels, and nothing that was not written as a matcher gets through."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.adapters.cel import CelEvaluate
from prunella.core.healing.notation.matchers import BadMatcher, Matcher, compile_matcher, parse

EVALUATE = CelEvaluate()


@pytest.mark.parametrize(
    ("text", "matchers"),
    [
        ('{alertname="KubePodCrashLooping"}', [Matcher("alertname", "=", "KubePodCrashLooping")]),
        ("alertname=KubePodCrashLooping", [Matcher("alertname", "=", "KubePodCrashLooping")]),
        ('{ a = "b" , c =~ "d.*" }', [Matcher("a", "=", "b"), Matcher("c", "=~", "d.*")]),
        ('a!=b,c!~"d|e",', [Matcher("a", "!=", "b"), Matcher("c", "!~", "d|e")]),
        ('{a="b",}', [Matcher("a", "=", "b")]),
        ('{"name with spaces"="x"}', [Matcher("name with spaces", "=", "x")]),
        (r'{a="quote \" backslash \\ newline \n"}', [Matcher("a", "=", 'quote " backslash \\ newline \n')]),
        ('{a=""}', [Matcher("a", "=", "")]),
        ('{a="}, b=\\"c"}', [Matcher("a", "=", '}, b="c')]),
        ("{größe=héllo}", [Matcher("größe", "=", "héllo")]),
    ],
    ids=[
        "quoted",
        "bare",
        "spaces",
        "negated, trailing comma",
        "comma before brace",
        "quoted name",
        "escapes",
        "empty value",
        "braces in quotes",
        "UTF-8",
    ],
)
def test_a_matcher_list_is_read_as_alertmanager_reads_it(text, matchers):
    assert parse(text) == tuple(matchers)


@pytest.mark.parametrize(
    ("text", "why", "position"),
    [
        ("", "an empty list would match every alert: name at least one label", 1),
        ("{}", "an empty list would match every alert: name at least one label", 2),
        ("{ }", "an empty list would match every alert: name at least one label", 3),
        ('{a="b"', "expected ',' or '}' after a matcher", 7),
        ('{a="b"}x', "expected the end, found 'x'", 8),
        ("{a}", "expected =, !=, =~ or !~ after 'a'", 3),
        ("a==b", "expected a value, found '='", 3),
        ("a=", "expected a value, found the end", 3),
        ("=“b”", "expected a label name, found '='", 1),
        ('{""="b"}', "a label name must not be empty", 2),
        ('{a="b}', "this quote is never closed", 4),
        (r'{a="\d"}', 'a backslash is followed by one of \\ " n r t; write \\\\ for a backslash', 5),
        ('{a="b" c="d"}', "expected ',' or '}' after a matcher", 8),
        ("a=\0", "a matcher holds no NUL and no half of a surrogate pair", 3),
        ("a=\ud800", "a matcher holds no NUL and no half of a surrogate pair", 3),
        ("a=" + "b" * 2047, "a matcher list has at most 2048 characters, this has 2049", 2049),
    ],
    ids=[
        "nothing",
        "empty",
        "blank",
        "open brace",
        "rest",
        "no operator",
        "twice equal",
        "no value",
        "no name",
        "empty name",
        "open quote",
        "escape",
        "no comma",
        "NUL",
        "surrogate",
        "too long",
    ],
)
def test_what_is_no_matcher_list_is_refused_with_its_place(text, why, position):
    bad = compile_matcher(text)
    assert bad == BadMatcher(why, position)
    assert str(bad) == f"{why} (at character {position})"


@pytest.mark.parametrize(
    ("text", "labels", "matches"),
    [
        ('{a="b"}', {"a": "b"}, True),
        ('{a="b"}', {"a": "bb"}, False),
        ('{a="b"}', {}, False),
        ('{a!="b"}', {}, True),
        ('{a=""}', {}, True),
        ('{a=""}', {"a": "x"}, False),
        ('{a=~"b.*"}', {"a": "bcd"}, True),
        ('{a=~"b"}', {"a": "abc"}, False),
        ('{a=~"b|c"}', {"a": "xc"}, False),
        ('{a=~"b|c"}', {"a": "c"}, True),
        ('{a!~"b.*"}', {"a": "bcd"}, False),
        ('{a!~"b.*"}', {}, True),
        ('{a="b",c="d"}', {"a": "b", "c": "x"}, False),
        ('{a="b",c="d"}', {"a": "b", "c": "d", "e": "f"}, True),
        (r'{a="\" || true || \""}', {"a": "b"}, False),
        (r'{a="line\nbreak"}', {"a": "line\nbreak"}, True),
        ('{a="\U0001f525é"}', {"a": "\U0001f525é"}, True),
        ('{"a\\"] || true || labels[\\"a"="x"}', {"a": "b"}, False),
    ],
    ids=[
        "equal",
        "longer",
        "absent",
        "absent differs",
        "absent is empty",
        "not empty",
        "regex",
        "regex anchored",
        "alternatives anchored",
        "alternative",
        "not regex",
        "absent is not",
        "one of two",
        "both",
        "injected value",
        "newline",
        "UTF-8",
        "injected name",
    ],
)
def test_a_compiled_list_tells_alerts_apart_as_alertmanager_does(text, labels, matches):
    expression = compile_matcher(text)
    assert isinstance(expression, str)
    assert EVALUATE(expression, {"labels": labels}) is matches


@pytest.mark.parametrize(
    ("text", "labels", "may"),
    [
        ('{alertname="A"}', {"alertname": "A"}, True),
        ('{alertname="A"}', {"alertname": "B"}, False),
        ('{alertname="A"}', {}, False),
        ('{team=""}', {}, True),
        ('{alertname="A",pod=~"x.*"}', {"alertname": "A", "pod": "y"}, True),
        ('{alertname!="A"}', {"alertname": "A"}, True),
    ],
)
def test_only_a_plain_difference_spares_the_engine(text, labels, may):
    assert all(one.may_hold(labels) for one in parse(text)) is may


def test_a_list_of_many_matchers_stays_within_the_engines_depth():
    expression = compile_matcher(",".join(f"l{number}=v" for number in range(100)))
    assert isinstance(expression, str)
    assert EVALUATE(expression, {"labels": {f"l{number}": "v" for number in range(100)}}) is True


def test_a_regular_expression_that_explodes_elsewhere_is_answered_at_once():
    expression = compile_matcher('{a=~"(a+)+"}')
    assert isinstance(expression, str)
    assert EVALUATE(expression, {"labels": {"a": "a" * 5000 + "!"}}) is False


@given(st.text(max_size=60))
def test_no_text_makes_the_parser_raise(text):
    assert isinstance(compile_matcher(text), str | BadMatcher)


@given(st.text(max_size=20), st.text(max_size=20))
def test_a_quoted_value_matches_exactly_itself(value, other):
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    expression = compile_matcher('{a="' + escaped + '"}')
    if "\0" in value:
        assert isinstance(expression, BadMatcher)
        return
    assert isinstance(expression, str)
    assert EVALUATE(expression, {"labels": {"a": value}}) is True
    assert EVALUATE(expression, {"labels": {"a": other}}) is (value == other)
