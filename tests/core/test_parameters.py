"""Parameters: what a Runbook lets people choose, what is taken, and the sentence for what is not."""

from __future__ import annotations

import pytest

from prunella.api.self_service import Parameter, ParameterType
from prunella.core.healing.notation import parameters

DEPTH = Parameter(name="depth", description="how deep", type=ParameterType.INTEGER, default="1", minimum=1, maximum=3)
SURE = Parameter(name="sure", description="whether you are", type=ParameterType.BOOLEAN)
COLOUR = Parameter(name="colour", description="which one", default="red", values=("red", "blue"))
ALL = (DEPTH, SURE, COLOUR)


def test_what_is_given_is_read_by_its_type_and_the_rest_is_the_default():
    assert parameters.values(ALL, {"depth": "3", "sure": "true"}) == {"depth": 3, "sure": True, "colour": "red"}


def test_without_a_value_there_is_none():
    """A run that a fault began: a condition that reads it can't be told, and its step fails."""
    assert parameters.values(ALL, {}) == {"depth": 1, "colour": "red"}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"sure": "true"}, None),
        ({"sure": "false", "depth": "3", "colour": "blue"}, None),
        ({}, "`spec.parameters.sure`: it must be given: whether you are"),
        ({"sure": "yes"}, '`spec.parameters.sure`: it must be "true" or "false"'),
        ({"sure": "true", "dept": "1"}, "`spec.parameters.dept`: the Runbook has no such parameter; did you mean 'depth'?"),
        ({"sure": "true", "zzz": "1"}, "`spec.parameters.zzz`: the Runbook has no such parameter; there is depth, sure, colour"),
        ({"sure": "true", "depth": "three"}, "`spec.parameters.depth`: it must be a whole number as text"),
        ({"sure": "true", "depth": "0"}, "`spec.parameters.depth`: it must be at least 1"),
        ({"sure": "true", "depth": "4"}, "`spec.parameters.depth`: it must be at most 3"),
        ({"sure": "true", "depth": "99999999999"}, "`spec.parameters.depth`: it must be a whole number"),
        ({"sure": "true", "depth": "\u0663"}, "`spec.parameters.depth`: it must be a whole number"),
        ({"sure": "true", "colour": "green"}, "`spec.parameters.colour`: it must be one of red, blue"),
        ({"sure": "true", "colour": "red\n"}, "`spec.parameters.colour`: it must be one line without control characters"),
    ],
)
def test_what_is_not_permitted_is_said_with_its_field(given, says):
    wrong = parameters.wrong_with(ALL, given)
    assert wrong is None if says is None else wrong is not None and wrong.startswith(says)


def test_a_runbook_without_parameters_takes_none():
    assert parameters.wrong_with((), {"a": "1"}) == "`spec.parameters.a`: the Runbook has no such parameter; it takes none"
