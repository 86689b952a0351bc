"""`${…}` in a query inserts one escaped label value, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunella.core.healing.notation.queries import VARIABLES, Unfillable, fill, wrong_with

KNOWN = {"target.name": "checkout", "target.namespace": "shop", "target.kind": ""}


@pytest.mark.parametrize(
    ("query", "filled"),
    [
        ("up == 1", "up == 1"),
        ('up{job="${target.name}"}', 'up{job="checkout"}'),
        ("up{job='${target.name}'}", "up{job='checkout'}"),
        ('up{job != "${target.name}", ns="${target.namespace}"}', 'up{job != "checkout", ns="shop"}'),
        ('up{pod=~"${target.name}-.*"}', 'up{pod=~"checkout-.*"}'),
        ('up{job="${target.namespace}/${target.name}"}', 'up{job="shop/checkout"}'),
        ('up{a="b"} # ${target.name}', 'up{a="b"} # ${target.name}'),
        ('label_replace(up, "a", "$1", "b", "(.*)")', 'label_replace(up, "a", "$1", "b", "(.*)")'),
        (r'up{a="\"${target.name}"}', r'up{a="\"checkout"}'),
        ("up{a=`raw`}", "up{a=`raw`}"),
    ],
    ids=["none", "double quotes", "single quotes", "two labels", "regex", "two in one", "comment", "dollar", "escaped quote", "raw without"],
)
def test_placeholders_in_label_values_are_filled(query, filled):
    assert fill(query, KNOWN) == filled


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("${target.name}", '${…} at character 1 must stand in the quoted value of a label, for example job="${target.name}"'),
        ("up{${target.name}='x'}", '${…} at character 4 must stand in the quoted value of a label, for example job="${target.name}"'),
        (
            'label_replace(up, "a", "${target.name}", "b", "")',
            '${…} in the string at character 24 must be compared with a label, for example job="${target.name}"',
        ),
        ("up{a=`${target.name}`}", "${…} in the string at character 6 can't be escaped between backticks: use double quotes"),
        ('up{a="${labels.x}"}', "'${labels.x}' is not known; there are target.kind, target.name, target.namespace"),
        ('up{a="${}"}', "'${}' is not known; there are target.kind, target.name, target.namespace"),
        ('up{a="${target.name"}', "'${target.name\"' is never closed"),
        ('up{a="${target.kind}"}', "'${target.kind}' is empty here, and an empty label value would ask about something else"),
        ('up{a="${target.name}', "the quote at character 6 is never closed"),
    ],
    ids=["bare", "as a label name", "as an argument", "backticks", "unknown", "nameless", "open", "empty value", "open quote"],
)
def test_what_cant_be_filled_is_refused_with_a_sentence(query, why):
    assert fill(query, KNOWN) == Unfillable(why)


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ('"} or vector(1) #', r'up{a="\"} or vector(1) #"}'),
        ("a\\", r'up{a="a\\"}'),
        ("a\nb\tc\x01", r'up{a="a\nb\tc\u0001"}'),
        ("${target.namespace}", 'up{a="${target.namespace}"}'),
        ("it's", r'up{a="it\'s"}'),
        ("größe🔥", 'up{a="größe🔥"}'),
    ],
    ids=["closing quote", "backslash", "control characters", "a placeholder stays text", "single quote", "UTF-8"],
)
def test_a_hostile_value_stays_a_value(value, filled):
    assert fill('up{a="${target.name}"}', {"target.name": value, "target.namespace": "shop"}) == filled


def test_behind_a_regex_operator_a_value_matches_only_itself():
    assert fill('up{a=~"x${target.name}"}', {"target.name": "a.b|c"}) == r'up{a=~"xa\\.b\\|c"}'


def test_half_of_a_surrogate_pair_is_refused():
    assert fill('up{a="${target.name}"}', {"target.name": "\ud800"}) == Unfillable("a value holds half of a surrogate pair, which no label value can")


@pytest.mark.parametrize("name", VARIABLES)
def test_the_linter_accepts_every_variable(name):
    assert wrong_with(f'up{{a="${{{name}}}"}}') is None


def test_the_linter_names_what_is_wrong():
    assert wrong_with('up{a="${incident.name}"}') == "'${incident.name}' is not known; there are target.kind, target.name, target.namespace"


@given(st.text(max_size=80), st.text(max_size=20))
def test_no_query_and_no_value_makes_it_raise(query, value):
    assert isinstance(fill(query, {"target.name": value}), str | Unfillable)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_whatever_the_value_the_string_ends_where_it_ended(value):
    filled = fill('up{a="${target.name}"} > 0', {"target.name": value})
    assert isinstance(filled, str)
    inside = filled.removeprefix('up{a="').removesuffix('"} > 0')
    assert '"' not in inside.replace("\\\\", "").replace('\\"', "")
    assert not inside.replace("\\\\", "").endswith("\\")
    assert inside.isprintable() or not value.isprintable()
