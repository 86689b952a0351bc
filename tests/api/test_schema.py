"""From model to structural schema: what can't be said raises with the field's path, what can is said in the API server's words."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from prunella.api.base import OneOf, Rule, WireModel, entries, items
from prunella.api.schema import Style, UnsupportedSchemaError, structural


class Inner(WireModel):
    """What an inner part is."""

    name: Annotated[str, Field(max_length=9)] = "x"
    """Its name."""


class EitherType(WireModel):
    """A field of two types."""

    port: int | str


class Anything(WireModel):
    """A field of no type."""

    value: Any


class Fixed(WireModel):
    """A tuple of a fixed shape."""

    pair: tuple[int, str]


class Unique(WireModel):
    """A set."""

    names: frozenset[str]


class Greater(WireModel):
    """An exclusive bound."""

    deep: tuple[Annotated[int, Field(gt=0)], ...]


class Lasting(WireModel):
    """A duration in Go's or ISO's syntax is nobody's."""

    every: Annotated[Inner | None, Field(discriminator=None)] = None
    steps: dict[str, Annotated[str, Field(json_schema_extra={"examples": ["a"]})]]


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (EitherType, ".spec.port: may be of several types; give it one"),
        (Anything, ".spec.value: has no single type"),
        (Fixed, ".spec.pair: keyword prefixItems is not understood by the API server"),
        (Unique, ".spec.names: keyword uniqueItems is not understood by the API server"),
        (Greater, ".spec.deep[]: keyword exclusiveMinimum is not understood by the API server"),
        (Lasting, ".spec.steps{}: keyword examples is not understood by the API server"),
        (timedelta, ".spec: is no model"),
        (None, ".spec: is no model"),
    ],
    ids=["two types", "any", "fixed tuple", "set", "exclusive minimum in a list", "unknown keyword in a map", "no model", "nothing"],
)
def test_what_a_structural_schema_cannot_say_raises_with_the_path(model, sentence):
    with pytest.raises(UnsupportedSchemaError) as raised:
        structural(model, ".spec", Style())
    assert str(raised.value) == sentence


class Whole(WireModel):
    """What the whole is."""

    rules = (Rule("self.count > 0", "must count: set count"),)

    count: Annotated[int, Field(ge=1, le=5)] = 3
    """How many."""
    big: Annotated[int, Field(ge=0, le=2**40)] | None = None
    """A big one."""
    only: Literal["This"] = "This"
    """The only value."""
    inner: Inner | None = None
    plain: Inner = Inner()
    """Said at the field."""
    parts: Annotated[tuple[Inner, ...], items(4, "name", minimum=1)]
    words: Annotated[dict[str, Annotated[str, Field(max_length=7)]], entries(3)]
    names: Annotated[tuple[Annotated[str, Field(max_length=5)], ...], items(2)] = ("a", "b")
    loud: bool = False


def test_a_model_is_said_in_the_words_of_the_api_server():
    schema = structural(Whole, ".spec", Style(stored_defaults=(".spec.inner.name",)))
    name = {"type": "string", "maxLength": 9, "description": "Its name. Default: x."}
    inner = {"type": "object", "description": "What an inner part is.", "properties": {"name": name}}
    assert schema == {
        "type": "object",
        "description": "What the whole is.",
        "required": ["parts", "words"],
        "x-kubernetes-validations": [{"rule": "self.count > 0", "message": "must count: set count"}],
        "properties": {
            "count": {"type": "integer", "format": "int32", "minimum": 1, "maximum": 5, "description": "How many. Default: 3."},
            "big": {"type": "integer", "format": "int64", "minimum": 0, "maximum": 2**40, "description": "A big one."},
            "only": {"type": "string", "enum": ["This"], "description": "The only value. Default: This."},
            "inner": inner | {"properties": {"name": name | {"default": "x"}}},
            "plain": inner | {"description": "Said at the field."},
            "parts": {
                "type": "array",
                "minItems": 1,
                "maxItems": 4,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": inner,
            },
            "words": {"type": "object", "maxProperties": 3, "additionalProperties": {"type": "string", "maxLength": 7}},
            "names": {
                "type": "array",
                "maxItems": 2,
                "x-kubernetes-list-type": "atomic",
                "items": {"type": "string", "maxLength": 5},
                "description": "Default: a, b.",
            },
            "loud": {"type": "boolean", "description": "Default: false."},
        },
    }


def test_status_is_fact_and_neither_tells_defaults_nor_checks_rules():
    schema = structural(Whole, ".status", Style(intent=False))
    assert "x-kubernetes-validations" not in schema
    assert schema["properties"]["count"]["description"] == "How many."


class Either(OneOf):
    """This or that."""

    one_of = ("left_hand", "right_hand")
    one_of_hint = "two hands are two entries"

    left_hand: Inner | None = None
    right_hand: Inner | None = None


@pytest.mark.parametrize("given", [{}, {"leftHand": {}, "rightHand": {}}], ids=["neither", "both"])
def test_exactly_one_is_asked_of_people_and_not_of_what_is_stored(given):
    sentence = "must have exactly one of leftHand and rightHand: two hands are two entries"
    with pytest.raises(ValueError, match=sentence):
        Either.model_validate(given)
    assert Either.read({**given, "thirdHand": {}}).wire().keys() == given.keys()


def test_exactly_one_is_said_in_cel():
    assert structural(Either, ".spec", Style())["x-kubernetes-validations"] == [
        {
            "rule": "[has(self.leftHand), has(self.rightHand)].exists_one(given, given)",
            "message": "must have exactly one of leftHand and rightHand: two hands are two entries",
        }
    ]
