"""How every kind is spelled on the wire: frozen, camelCase, bounded, and strict towards our own users.

The rule this module protects: a field exists once, in Python, and the CRD schema, `kubectl explain` and the reference pages are rendered from it.
Attribute docstrings become the descriptions that `kubectl explain` prints.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, ValidationInfo, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel

GROUP = "prunella.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
STORED = "stored"
"""Validation context of what the API server has already accepted."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A sentence of CEL that the API server holds every writer to, and what it says to whoever breaks it."""

    expression: str
    message: str
    """Begins with 'must' and names the remedy."""
    old_optional: bool = False
    """The rule holds for new objects too, and asks `oldSelf.hasValue()` whether there was one before."""

    def wire(self) -> dict[str, str | bool]:
        """The entry of x-kubernetes-validations."""
        entry: dict[str, str | bool] = {"rule": self.expression, "message": self.message}
        return entry | {"optionalOldSelf": True} if self.old_optional else entry


def _state_rules(schema: dict[str, Any], model: type[BaseModel]) -> None:
    rules = model.schema_rules() if issubclass(model, WireModel) else ()
    if rules:
        schema["x-kubernetes-validations"] = [rule.wire() for rule in rules]


class WireModel(BaseModel):
    """A value of the API. Immutable; unknown keys are refused unless the reader asks for leniency (`read`)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
        json_schema_extra=_state_rules,
    )
    rules: ClassVar[tuple[Rule, ...]] = ()
    """What the API server checks beyond the fields themselves."""

    @classmethod
    def schema_rules(cls) -> tuple[Rule, ...]:
        """All rules that the CRD schema carries for this value."""
        return cls.rules

    @classmethod
    def read(cls, stored: object) -> Self:
        """What the API server stored. Fields of a newer version are ignored, so that a downgraded operator goes on working."""
        return cls.model_validate(stored, extra="ignore", context=STORED)

    @classmethod
    def wrong_with(cls, given: object) -> str | None:
        """What is wrong with a value as a person wrote it, with its place: '.tailLines: Input should be …'. None where nothing is."""
        try:
            cls.model_validate(given)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            return "".join(f".{part}" for part in first["loc"]) + f": {first['msg'].removeprefix('Value error, ')}"
        return None

    def wire(self) -> dict[str, Any]:
        """The JSON that the API server gets: absent where None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class OneOf(WireModel):
    """A value that is exactly one of several things: said once here, held by the API server in CEL and by this model alike.

    What is read back from the API server is not asked again: a newer version may have stored a thing that this one does not know.
    """

    one_of: ClassVar[tuple[str, ...]]
    """Python names of the fields of which exactly one is given."""
    one_of_hint: ClassVar[str] = ""
    """What to do instead, for the message."""

    @classmethod
    def schema_rules(cls) -> tuple[Rule, ...]:
        """All rules, with the one that asks for exactly one."""
        return (exactly_one([to_camel(name) for name in cls.one_of], cls.one_of_hint), *cls.rules)

    @model_validator(mode="after")
    def _has_exactly_one(self, info: ValidationInfo) -> Self:
        if info.context != STORED and sum(getattr(self, name) is not None for name in self.one_of) != 1:
            raise ValueError(self.schema_rules()[0].message)
        return self


def exactly_one(names: Sequence[str], hint: str = "") -> Rule:
    """The rule that of these fields, by their names on the wire, exactly one is given."""
    *most, last = names
    given = ", ".join(f"has(self.{name})" for name in names)
    return Rule(f"[{given}].exists_one(given, given)", f"must have exactly one of {', '.join(most)} and {last}{hint and f': {hint}'}")


def _parse_instant(value: object) -> object:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            message = "must carry a time zone, for example '2026-11-24T09:41:07.000000Z'"
            raise ValueError(message)
        try:
            return value.astimezone(UTC)
        except OverflowError as error:
            # '0001-01-01T00:00:00+14:00' passes the API server's format, and lies before the first instant that Python knows.
            raise ValueError("must lie between the years 1 and 9999 in UTC") from error
    return value


def micro_time(instant: datetime) -> str:
    """RFC 3339 in UTC with six digits, as Kubernetes writes a MicroTime."""
    return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


Instant = Annotated[
    datetime,
    BeforeValidator(_parse_instant),
    PlainSerializer(micro_time, return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "maxLength": 64}),
]
"""An instant in UTC, written as MicroTime."""

Name = Annotated[str, Field(min_length=1, max_length=253)]
ShortName = Annotated[str, Field(min_length=1, max_length=63)]
Sentence = Annotated[str, Field(max_length=1024)]
Expression = Annotated[str, Field(min_length=1, max_length=1024)]
"""CEL that gives true or false."""
Text = Annotated[str, Field(max_length=4096)]
Seconds = Annotated[int, Field(ge=0, le=2_592_000)]


def items(maximum: int, *keys: str, minimum: int = 0) -> Any:
    """A bounded list. With keys it is a list-map, so that server-side apply and strategic merges address its members by name.

    Without keys it has one owner, who writes all of it. A long list of a status that only the operator writes is better so: with keys the API server
    keeps a name and an owner for every field of every member, which doubles the object and the time that its update takes.
    """
    extra: dict[str, Any] = (
        {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else {"x-kubernetes-list-type": "atomic"}
    )
    return Field(min_length=minimum or None, max_length=maximum, json_schema_extra=extra)


def entries(maximum: int) -> Any:
    """A bounded map of strings."""
    return Field(max_length=maximum)
