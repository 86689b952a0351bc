"""`$(parameters.<name>)`: how a field of a step takes what was chosen for a run, as Kubernetes writes a variable in a container's environment.

The rule it protects: a reference is the whole value or it is none. Nothing is put together from parts, so what somebody chooses never becomes half of
a command, a name or a condition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

WRITTEN: Final = r"^\$\(parameters\.[a-zA-Z][a-zA-Z0-9_]{0,62}\)$"
"""As the API server holds it where the field is no free text."""
LONGEST: Final = len("$(parameters.)") + 63
_REFERENCE: Final = re.compile(r"\$\(parameters\.([^()$]*)\)")
_BEGINS: Final = "$(parameters."


def referred(value: object) -> str | None:
    """The name of the parameter that a value is a reference to; None where it is a value of its own."""
    found = _REFERENCE.fullmatch(value) if isinstance(value, str) else None
    return found.group(1) if found is not None else None


def buried(value: object) -> bool:
    """Whether a reference is only a part of a text, where nothing would be filled in."""
    return isinstance(value, str) and _BEGINS in value and referred(value) is None


def also_taken(action: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an action whose numbers and bounded texts may be references too."""
    properties = action.get("properties")
    return dict(action) if properties is None else {**action, "properties": {name: _field(field) for name, field in properties.items()}}


def _field(field: Mapping[str, Any]) -> dict[str, Any]:
    kind = field.get("type")
    if kind == "integer":
        rest = {key: value for key, value in field.items() if key not in {"type", "format"}}
        return {"x-kubernetes-int-or-string": True, **rest, "pattern": WRITTEN}
    if kind != "string" or "enum" in field:
        return dict(field)
    pattern = {"pattern": f"{field['pattern']}|{WRITTEN}"} if "pattern" in field else {}
    return {**field, **pattern, "maxLength": max(field["maxLength"], LONGEST)}
