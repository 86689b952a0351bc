"""From a pydantic model to a structural schema that the API server accepts.

The rule it protects: nothing is dropped in silence. A keyword that is not on the list below raises with the field's path, because the API server
would refuse it, or, worse, ignore it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel

from .base import Rule, exactly_one
from .references import also_taken

KEPT: Final = frozenset(
    {
        "description",
        "enum",
        "format",
        "maximum",
        "maxItems",
        "maxLength",
        "maxProperties",
        "minimum",
        "minItems",
        "minLength",
        "minProperties",
        "pattern",
        "required",
        "type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-list-type",
        "x-kubernetes-validations",
    }
)
"""Keywords that mean the same to pydantic and to the API server, or that we put in for the API server."""
READ: Final = frozenset({"additionalProperties", "const", "default", "items", "properties", "title"})
"""Keywords that are rewritten, or left out on purpose."""
INT32: Final = 2_147_483_647


class UnsupportedSchemaError(ValueError):
    """A model says something that a structural schema cannot say."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'the root'}: {problem}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """What is particular to one part of a kind."""

    stored_defaults: Collection[str] = ()
    """Paths of the fields whose default the API server stores in the object."""
    actions: Mapping[str, Mapping[str, type[BaseModel]]] = field(default_factory=dict)
    """By path, what exactly one of is given there beside the value's own fields: models by their names on the wire."""
    intent: bool = True
    """Spec: defaults are told and rules are checked. Status is fact: an older operator must be able to write down what a newer one read."""


def structural(model: Any, path: str, style: Style) -> dict[str, Any]:
    """Render a model as a structural schema.

    `path` is where the model stands in the object, as in '.spec'. Raises `UnsupportedSchemaError` with the path of the field that has no rendering.
    """
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        raise UnsupportedSchemaError(path, "is no model")
    document = model.model_json_schema(by_alias=True, mode="validation")
    return _Renderer(document.get("$defs", {}), style).node(document, path)


@dataclass(frozen=True, slots=True)
class _Renderer:
    definitions: Mapping[str, Any]
    style: Style

    def node(self, raw: Mapping[str, Any], path: str) -> dict[str, Any]:
        schema = self._resolved(raw, path)
        unknown = set(schema) - KEPT - READ - {"$defs"}
        if unknown:
            raise UnsupportedSchemaError(path, f"keyword {', '.join(sorted(unknown))} is not understood by the API server")
        if "const" in schema:
            schema |= {"enum": [schema["const"]]}
        if "type" not in schema:
            raise UnsupportedSchemaError(path, "has no single type")
        kept = {key: value for key, value in schema.items() if key in KEPT}
        if not self.style.intent:
            kept.pop("x-kubernetes-validations", None)
        made = kept | self._described(schema) | self._number(schema) | self._stored(schema, path) | self._children(schema, path)
        return self._with_actions(made, path)

    def _with_actions(self, made: dict[str, Any], path: str) -> dict[str, Any]:
        actions = self.style.actions.get(path)
        if not actions:
            return made
        rendered = {name: also_taken(structural(model, f"{path}.{name}", self.style)) for name, model in actions.items()}
        rule = Rule(exactly_one(list(actions)).expression, "must have exactly one action: `kubectl explain runbook.spec.steps` lists them")
        validations = [rule.wire(), *made.get("x-kubernetes-validations", ())]
        return made | {"properties": made["properties"] | rendered, "x-kubernetes-validations": validations}

    def _resolved(self, raw: Mapping[str, Any], path: str) -> dict[str, Any]:
        """Follow references and drop the null arm of an optional; what stands at the field wins over what stands at the class."""
        schema = dict(raw)
        while True:
            if "$ref" in schema:
                target = self.definitions[schema.pop("$ref").removeprefix("#/$defs/")]
            elif "anyOf" in schema:
                arms = [arm for arm in schema.pop("anyOf") if arm != {"type": "null"}]
                if len(arms) != 1:
                    raise UnsupportedSchemaError(path, "may be of several types; give it one")
                target = arms[0]
            else:
                return schema
            schema = {**target, **schema}

    def _described(self, schema: Mapping[str, Any]) -> dict[str, str]:
        description = schema.get("description", "").replace("\n", " ")
        default = _spoken(schema.get("default"))
        if self.style.intent and default and "Default:" not in description:
            description = f"{description} Default: {default}.".strip()
        return {"description": description} if description else {}

    def _number(self, schema: Mapping[str, Any]) -> dict[str, str]:
        if schema["type"] != "integer":
            return {}
        return {"format": "int32" if schema.get("maximum", INT32 + 1) <= INT32 else "int64"}

    def _stored(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        return {"default": schema["default"]} if path in self.style.stored_defaults else {}

    def _children(self, schema: Mapping[str, Any], path: str) -> dict[str, Any]:
        children: dict[str, Any] = {}
        if properties := schema.get("properties"):
            children["properties"] = {name: self.node(child, f"{path}.{name}") for name, child in properties.items()}
        if "items" in schema:
            children["items"] = self.node(schema["items"], f"{path}[]")
        if isinstance(values := schema.get("additionalProperties"), Mapping):
            children["additionalProperties"] = self.node(values, f"{path}{{}}")
        return children


def _spoken(default: object) -> str:
    """Say a default in words; nothing where it says nothing: absent, empty, or a part with defaults of its own."""
    match default:
        case bool():
            return "true" if default else "false"
        case int() | str():
            return str(default)
        case list() if all(isinstance(item, str) for item in default):
            return ", ".join(default)
        case _:
            return ""
