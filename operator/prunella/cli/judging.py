"""Judges documents as the API server and the operator will, before anything is applied.

The rule it protects: an unknown or misspelt name is never ignored. The judges are the models, the rules of the CRD schema and the operator's own
readiness, so that `lint` and the cluster do not differ; this module only gives each finding its place and a remedy.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, Final

import pydantic
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

from prunella.adapters.cel import CelEvaluate
from prunella.adapters.zones import zone_of
from prunella.api import crd
from prunella.api.base import API_VERSION, GROUP, WireModel
from prunella.api.catalog_entry import CatalogEntry
from prunella.api.common import Metadata
from prunella.api.escalation_policy import EscalationPolicy
from prunella.api.healing_policy import HealingPolicy
from prunella.api.marks import OPERATOR_NAMESPACE
from prunella.api.references import referred
from prunella.api.runbook import Runbook, RunbookStep
from prunella.app import readiness
from prunella.core.healing.runbooks import identity
from prunella.core.healing.steps import registry

from . import judging_approval, judging_reach
from .documents import Document, FieldPath, Trouble
from .kinds import KINDS as EVERY_KIND

KINDS: Final = {kind.name: kind for kind in EVERY_KIND}
TOP: Final = ("apiVersion", "kind", "metadata", "spec", "status")
LONGEST_NAME: Final = 253
LONGEST_NAMESPACE: Final = 63
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
EVALUATE: Final = CelEvaluate()


class Files:
    """What the given files say about each other: the port of the operator's readiness, without a cluster."""

    def __init__(self, applied: Iterable[readiness.Applied]) -> None:
        self._applied = list(applied)

    def healing_policy(self) -> HealingPolicy | None:
        """The one among the files."""
        return next((one for one in self._applied if isinstance(one, HealingPolicy)), None)

    def runbooks(self) -> list[Runbook]:
        """Those among the files."""
        return [one for one in self._applied if isinstance(one, Runbook)]

    def escalation_policies(self) -> list[EscalationPolicy]:
        """Those among the files."""
        return [one for one in self._applied if isinstance(one, EscalationPolicy)]

    def entries(self, namespace: str) -> list[CatalogEntry]:
        """Those of a namespace among the files."""
        return [one for one in self._applied if isinstance(one, CatalogEntry) and (one.metadata.namespace or "") == namespace]


def judge(documents: Sequence[Document]) -> tuple[list[Trouble], int]:
    """Everything that is wrong, and how many objects of ours there are. Objects of other groups are not looked at."""
    troubles: list[Trouble] = []
    good: list[tuple[Document, readiness.Applied]] = []
    seen: dict[tuple[str, str, str], Document] = {}
    ours = [one for one in documents if _is_ours(one)]
    for document in ours:
        found = list(_of_itself(document))
        troubles += found or _twice(document, seen)
        made = None if found else _made(document)
        if isinstance(made, Runbook | EscalationPolicy | CatalogEntry | HealingPolicy):
            good.append((document, made))
    files = Files(one for _, one in good)
    for document, one in good:
        troubles += _readiness(document, one, files)
        if isinstance(one, Runbook):
            troubles += [*judging_approval.approval(document, one), *judging_reach.unused(document, one, EVALUATE)]
    return troubles, len(ours)


def notes(documents: Iterable[Document]) -> Iterator[str]:
    """As whom each Runbook of a team would act, and which rights each Runbook needs: whoever reviews it should know."""
    for document in documents:
        if _is_ours(document) and document.data.get("kind") == "Runbook" and not list(_of_itself(document)):
            made = _made(document)
            told = (identity.told(made, OPERATOR_NAMESPACE), judging_reach.rights(made)) if isinstance(made, Runbook) else ()
            for said in filter(None, told):
                yield f"{document.file}: note: Runbook {document.data['metadata']['name']} {said}"


def _is_ours(document: Document) -> bool:
    data = document.data
    return isinstance(data, dict) and str(data.get("apiVersion", "")).partition("/")[0] == GROUP


def _of_itself(document: Document) -> Iterator[Trouble]:
    data = document.data
    if data["apiVersion"] != API_VERSION:
        yield document.trouble(("apiVersion",), f"apiVersion '{data['apiVersion']}' is not served; it is {API_VERSION}")
        return
    kind = KINDS.get(str(data.get("kind")))
    if kind is None:
        yield document.trouble(("kind",), f"there is no kind '{data.get('kind')}'{_near(str(data.get('kind')), KINDS)}")
        return
    for key in data.keys() - set(TOP):
        yield document.trouble((key,), f"'{key}' is unknown{_near(key, TOP)}")
    if "status" in data:
        yield document.trouble(("status",), "status is the operator's: leave it out", warning=True)
    yield from _name(document)
    if not isinstance(data.get("spec"), dict):
        yield document.trouble(("spec",), "spec is missing")
        return
    schema = crd.schema_of(kind)
    yield from _rules(schema, data, (), document)
    model = kind.model.model_fields["spec"].annotation
    if isinstance(model, type) and issubclass(model, WireModel):
        yield from _fields(document, model, ("spec",), schema)
        if kind.name == "Runbook":
            yield from _steps(document, schema)


def _name(document: Document) -> Iterator[Trouble]:
    metadata = document.data.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        yield document.trouble(("metadata",), "metadata.name is missing")
        return
    for key, longest, form in (("name", LONGEST_NAME, _SUBDOMAIN), ("namespace", LONGEST_NAMESPACE, _LABEL)):
        value = metadata.get(key, "default")
        if not isinstance(value, str) or len(value) > longest or form.fullmatch(value) is None:
            wanted = (
                f"at most {longest} small letters, digits and '-'{' or a dot' if form is _SUBDOMAIN else ''}, with a letter or digit at both ends"
            )
            yield document.trouble(("metadata", key), f"metadata.{key} must be {wanted}")


def _steps(document: Document, schema: Mapping[str, Any]) -> Iterator[Trouble]:
    """The actions of a Runbook's steps: each step file has a model of its own for them."""
    steps = document.data["spec"].get("steps")
    own = {name for field in RunbookStep.model_fields.keys() - {"filled"} for name in (field, to_camel(field))}
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        for key in step.keys() - own if isinstance(step, dict) else ():
            path: FieldPath = ("spec", "steps", index, key)
            if key in registry.ACTIONS:
                yield from _fields(document, registry.ACTIONS[key], path, schema)
            else:
                yield document.trouble(path, f"{_spelled(path)} is unknown{_near(str(key), _known(schema, path[:-1]))}")


def _fields(document: Document, model: type[WireModel], at: FieldPath, schema: Mapping[str, Any]) -> Iterator[Trouble]:
    """What the model says about the value at a place."""
    broken = {place for place, _ in _broken(schema, document.data, ())}
    given = document.data
    for part in at:
        given = given[part]
    try:
        model.model_validate(given)
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False)
        for detail in details:
            path = (*at, *detail["loc"])
            if detail["type"] == "too_short" and any(_below(one["loc"], detail["loc"]) for one in details):
                continue  # what is in it is wrong, and pydantic counts only what is right
            if referred(detail["input"]) is not None:
                continue  # whether it may stand there is judged with the parameters
            said = any(path[: len(place)] == place and len(path) <= len(place) + 1 for place in broken)
            if not said or detail["type"] == "extra_forbidden":
                yield document.trouble(path, _sentence(detail, path, schema))


def _below(path: FieldPath, parent: FieldPath) -> bool:
    return len(path) > len(parent) and path[: len(parent)] == parent


def _sentence(detail: ErrorDetails, path: FieldPath, schema: Mapping[str, Any]) -> str:
    name, given = _spelled(path), detail["input"]
    match detail["type"]:
        case "extra_forbidden":
            return f"{name} is unknown{_near(str(path[-1]), _known(schema, path[:-1]))}"
        case "missing":
            return f"{name} is missing"
        case "enum" | "literal_error" | "string_type" if isinstance(given, bool):
            return f"{name} is {'true' if given else 'false'} to YAML: put the word in quotes"
        case "enum" | "literal_error":
            values = [value.strip().strip("'") for value in detail.get("ctx", {}).get("expected", "").replace(" or ", ", ").split(",")]
            near = _near(str(given), values)
            return f"{name} can't be '{given}'{near or '; it may be ' + ', '.join(values)}"
        case "string_type" if isinstance(given, int | float):
            return f"{name} is the number {given} to YAML: put it in quotes"
        case "int_type" | "int_parsing" | "int_from_float":
            return f"{name} must be a whole number, not '{given}'" + (
                "; units are not known, the name says seconds" if name.endswith("Seconds") else ""
            )
        case "too_short":
            return f"{name} must have at least {detail.get('ctx', {}).get('min_length', 1)}"
        case _:
            return f"{name}: {detail['msg'].removeprefix('Value error, ')}"


def _known(schema: Mapping[str, Any], path: FieldPath) -> list[str]:
    """Names of the fields at a place."""
    for part in path:
        inner = schema.get("items") if isinstance(part, int) else schema.get("properties", {}).get(part)
        if inner is None:
            return []
        schema = inner
    return list(schema.get("properties", {}))


def _rules(schema: Mapping[str, Any], data: object, path: FieldPath, document: Document) -> Iterator[Trouble]:
    """What the API server's own rules refuse, and names that stand twice in a list of named entries."""
    yield from (document.trouble(place, f"{_spelled(place) or 'the object'} {message}") for place, message in _broken(schema, data, path))
    yield from (document.trouble(place, f"{_spelled(place)} stands twice: names are unique here") for place in _repeated(schema, data, path))


def _broken(schema: Mapping[str, Any], data: object, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    for rule in schema.get("x-kubernetes-validations", ()):
        if "oldSelf" not in rule["rule"] and EVALUATE(rule["rule"], {"self": data}) is False:
            yield path, rule["message"]
    for inner, value, place in _inside(schema, data, path):
        yield from _broken(inner, value, place)


def _repeated(schema: Mapping[str, Any], data: object, path: FieldPath) -> Iterator[FieldPath]:
    keys = schema.get("x-kubernetes-list-map-keys", ())
    if keys and isinstance(data, list):
        names = [tuple(one.get(key) for key in keys) if isinstance(one, dict) else () for one in data]
        yield from ((*path, index, keys[0]) for index, name in enumerate(names) if name and name in names[:index])
    for inner, value, place in _inside(schema, data, path):
        yield from _repeated(inner, value, place)


def _inside(schema: Mapping[str, Any], data: object, path: FieldPath) -> Iterator[tuple[Mapping[str, Any], object, FieldPath]]:
    if isinstance(data, dict):
        yield from ((inner, data[name], (*path, name)) for name, inner in schema.get("properties", {}).items() if name in data)
    elif isinstance(data, list) and "items" in schema:
        yield from ((schema["items"], one, (*path, index)) for index, one in enumerate(data))


def _twice(document: Document, seen: dict[tuple[str, str, str], Document]) -> list[Trouble]:
    metadata = document.data["metadata"]
    key = (str(document.data["kind"]), str(metadata.get("namespace", "")), str(metadata["name"]))
    before = seen.setdefault(key, document)
    return (
        []
        if before is document
        else [document.trouble(("metadata", "name"), f"{key[0]} {key[2]} is also in {before.file}: the last one applied wins", warning=True)]
    )


def _made(document: Document) -> WireModel:
    kind = KINDS[document.data["kind"]]
    metadata = document.data["metadata"]
    namespace = metadata.get("namespace") or (OPERATOR_NAMESPACE if kind.name == "Runbook" else None)
    return kind.model.model_validate({"metadata": Metadata(name=metadata["name"], namespace=namespace), "spec": document.data["spec"]})


def _readiness(document: Document, one: readiness.Applied, files: Files) -> Iterator[Trouble]:
    """What the operator would answer as Ready=False. What may stand in another file, or in the cluster, is a warning."""
    for problem in readiness.problems(one, files, EVALUATE, zone_of, OPERATOR_NAMESPACE):
        unknown = problem.reason in {"UnknownReference", "UnknownRunbook"}
        if unknown and isinstance(one, EscalationPolicy) and files.healing_policy() is None:
            yield document.trouble(("spec",), "whether its receivers exist can't be told: no HealingPolicy is among the files", warning=True)
            return
        hint = "; it may be in the cluster" if unknown else ""
        yield document.trouble(_place(problem.message), f"{problem.message}{hint}", warning=unknown)


def _place(message: str) -> FieldPath:
    """The field that a sentence names first between backticks."""
    parts = message.split("`")
    return tuple(part.partition("[")[0] for part in parts[1].split(".")) if len(parts) > 1 else ("spec",)


def _spelled(path: FieldPath) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _near(word: str, known: Iterable[str]) -> str:
    names = {name.lower(): name for name in known if name}
    near = get_close_matches(word.lower(), names, n=1, cutoff=0.6)
    return f"; did you mean '{names[near[0]]}'?" if near else ""
