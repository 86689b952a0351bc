"""What a Runbook permits to people who ask for a run of it: what they may choose, and how often."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from .base import Rule, ShortName, WireModel, items
from .healing_policy import Budget

Value = Annotated[str, Field(max_length=256)]
"""A parameter's value, as text whatever its type."""
_TYPE = "(has(self.type) ? self.type : 'String')"


class ParameterType(StrEnum):
    """What the text of a parameter means."""

    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"


class Parameter(WireModel):
    """One thing that whoever asks for a run may choose."""

    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "self.name.matches('^[a-zA-Z][a-zA-Z0-9_]*$')",
            "must have a name of letters, digits and '_' that begins with a letter: conditions read it",
        ),
        Rule(
            f"(!has(self.minimum) && !has(self.maximum)) || {_TYPE} == 'Integer'",
            "must have minimum and maximum only with type Integer: for a text list its values",
        ),
        Rule(
            "!has(self.values) || size(self.values) == 0 || !has(self.default) || self.default in self.values",
            "must have a default among its values: any other is refused",
        ),
    )

    name: ShortName
    """Unique in the Runbook; conditions read `parameters.<name>`."""
    description: Annotated[str, Field(min_length=1, max_length=512)]
    """What it does, for whoever asks for a run."""
    type: ParameterType = ParameterType.STRING
    """Integer and Boolean are written as text too, for example "3" and "true"."""
    default: Value | None = None
    """What holds where nothing is given; absent means that it must be given."""
    values: Annotated[tuple[Value, ...], items(32)] = ()
    """The only ones that are permitted; none restricts nothing."""
    minimum: Annotated[int, Field(ge=-2_147_483_648, le=2_147_483_647)] | None = None
    """Least Integer."""
    maximum: Annotated[int, Field(ge=-2_147_483_648, le=2_147_483_647)] | None = None
    """Greatest Integer."""


class SelfService(WireModel):
    """How often people may ask for runs. Counted from the Remediations that were accepted, so that a restart refills nothing."""

    per_requester: Budget = Budget(count=3)
    """Of one person in one namespace. Default: 3 in 3600 s."""
    per_namespace: Budget = Budget(count=6)
    """Of all people in one namespace. Default: 6 in 3600 s."""
