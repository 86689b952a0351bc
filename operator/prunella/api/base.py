"""How every kind is spelled on the wire: frozen, camelCase, bounded, and strict towards our own users.

The rule this module protects: a field exists once, in Python, and the CRD schema, `kubectl explain` and the reference pages are rendered from it.
Attribute docstrings become the descriptions that `kubectl explain` prints.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, WithJsonSchema
from pydantic.alias_generators import to_camel

GROUP = "prunella.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"


class WireModel(BaseModel):
    """A value of the API. Immutable; unknown keys are refused unless the reader asks for leniency (`read`)."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        use_attribute_docstrings=True,
    )

    @classmethod
    def read(cls, stored: object) -> Self:
        """What the API server stored. Fields of a newer version are ignored, so that a downgraded operator goes on working."""
        return cls.model_validate(stored, extra="ignore")

    def wire(self) -> dict[str, Any]:
        """The JSON that the API server gets: absent where None."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _parse_instant(value: object) -> object:
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            message = "must carry a time zone, for example '2026-11-24T09:41:07.000000Z'"
            raise ValueError(message)
        return value.astimezone(UTC)
    return value


def micro_time(instant: datetime) -> str:
    """RFC 3339 in UTC with six digits, as Kubernetes writes a MicroTime."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
Text = Annotated[str, Field(max_length=4096)]
Seconds = Annotated[int, Field(ge=0, le=2_592_000)]


def items(maximum: int, *keys: str, minimum: int = 0) -> Any:
    """A bounded list. With keys it is a list-map, so that server-side apply and strategic merges address its members by name."""
    extra: dict[str, Any] = (
        {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)} if keys else {"x-kubernetes-list-type": "atomic"}
    )
    return Field(min_length=minimum or None, max_length=maximum, json_schema_extra=extra)


def entries(maximum: int) -> Any:
    """A bounded map of strings."""
    return Field(max_length=maximum)
