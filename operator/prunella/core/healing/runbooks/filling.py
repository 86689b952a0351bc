"""Filling in: a step's field that is exactly `$(parameters.<name>)` takes what was chosen for the run, else the parameter's default.

The rule this module protects: what a person chooses is a value and nothing else. It is whole, of the field's own type, bounded by the parameter and
then by the step itself, before anything is planned; a condition, a query, a command, or who is told is never of somebody's choosing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, NamedTuple, Union, get_args, get_origin

from pydantic.alias_generators import to_camel

from prunella.api.references import buried, referred
from prunella.api.runbook import Parameter, Runbook, RunbookStep
from prunella.api.self_service import ParameterType
from prunella.core.healing.notation import parameters
from prunella.core.healing.steps import registry

NUMBER, TEXT, TEXTS = "a whole number", "a text", "texts by name"
_PLACEHOLDERS: Final = ("${", "$(")


class Place(NamedTuple):
    """A field, or a value of a map among the fields, that is a reference."""

    step: RunbookStep
    field: str
    key: str
    """Of a value of a map; else empty."""
    name: str
    """The parameter that it refers to."""

    @property
    def said(self) -> str:
        """Where it is, for people."""
        return f"step '{self.step.name}', {self.step.action}.{self.field}{f'.{self.key}' if self.key else ''}"


def filled(runbook: Runbook, given: Mapping[str, str]) -> Runbook | str:
    """The Runbook as it is carried out with what was chosen; the very same where nothing refers to a parameter. Else why not, and the remedy."""
    found = tuple(places(runbook))
    if not found:
        return next(half_written(runbook), runbook)
    wrong = next((why for place in found if (why := misplaced(place, runbook)) is not None), None) or next(half_written(runbook), None)
    if wrong is not None:
        return wrong
    steps: list[RunbookStep] = []
    for step in runbook.spec.steps:
        made = _step(step, [place for place in found if place.step is step], runbook.spec.parameters, given)
        if isinstance(made, str):
            return made
        steps.append(made)
    return runbook.model_copy(update={"spec": runbook.spec.model_copy(update={"steps": tuple(steps)})})


def places(runbook: Runbook) -> Iterator[Place]:
    """Every reference of a Runbook's steps."""
    for step in runbook.spec.steps:
        for field, value in _fields(step).items():
            name = referred(value)
            if name is not None:
                yield Place(step, field, "", name)
            for key, text in value.items() if isinstance(value, Mapping) else ():
                inner = referred(text)
                if inner is not None:
                    yield Place(step, field, str(key), inner)


def refers(step: RunbookStep) -> bool:
    """Whether one of its fields is a reference."""
    return any(referred(one) is not None for value in _fields(step).values() for one in (value.values() if isinstance(value, Mapping) else (value,)))


def misplaced(place: Place, runbook: Runbook) -> str | None:
    """What is wrong with a reference, whatever is chosen; None where nothing is."""
    declared = {one.name: one for one in runbook.spec.parameters}
    one, kind = declared.get(place.name), registry.KINDS.get(place.step.action)
    if one is None:
        near = difflib.get_close_matches(place.name, declared, 1)
        there = f"did you mean '{near[0]}'?" if near else f"there is {', '.join(declared)}" if declared else "declare it in `spec.parameters`"
        return f"{place.said}: there is no parameter '{place.name}'; {there}"
    if kind is None:
        return None  # that the action is unknown is said of the step
    shape = _shapes(kind.name).get(place.field)
    if place.field in kind.fixed or shape is None or (shape == TEXTS) is not bool(place.key):
        return f"{place.said}: it takes no parameter: write the value itself, or another Runbook for each"
    if shape == NUMBER and one.type is not ParameterType.INTEGER:
        return f"{place.said}: it is {NUMBER}, and parameter '{place.name}' is a {one.type}: give the parameter the type Integer"
    return None


def candidates(one: Parameter) -> tuple[str, ...]:
    """What is sure to be chosen some day, so that a linter tries it; none where nothing is known of it."""
    texts = (one.default, *one.values, *(str(bound) for bound in (one.minimum, one.maximum) if bound is not None))
    return tuple(dict.fromkeys(text for text in texts if text is not None and parameters.refused(one, text) is None))


def sampled(runbook: Runbook) -> tuple[Runbook | None, str | None]:
    """The Runbook with a value for each parameter, None where none is known for one; and what is wrong with a value that may be chosen."""
    used = {place.name for place in places(runbook)}
    choices = {one.name: candidates(one) for one in runbook.spec.parameters if one.name in used}
    if not all(choices.values()):
        return None, None
    base = {name: texts[0] for name, texts in choices.items()}
    made = filled(runbook, base)
    tries = (filled(runbook, {**base, name: text}) for name, texts in choices.items() for text in texts)
    wrong = made if isinstance(made, str) else next((one for one in tries if isinstance(one, str)), None)
    return (None if isinstance(made, str) else made), wrong


def _step(step: RunbookStep, found: list[Place], declared: tuple[Parameter, ...], given: Mapping[str, str]) -> RunbookStep | str:
    """One step with what was chosen, as its own model takes it."""
    fields = dict(_fields(step))
    for place in found:
        one = next(each for each in declared if each.name == place.name)
        value = _value(place, one, given)
        if isinstance(value, _Wrong):
            return value.why
        fields[place.field] = {**fields[place.field], place.key: value.value} if place.key else value.value
    if not found:
        return step
    made = step.model_copy(update={"filled": {step.action: fields}})
    wrong = registry.wrong_with(made)
    names = ", ".join(dict.fromkeys(f"`spec.parameters.{place.name}`" for place in found))
    return made if wrong is None else f"{names}: {wrong}; choose another value"


class _Value(NamedTuple):
    value: int | str


class _Wrong(NamedTuple):
    why: str


def _value(place: Place, one: Parameter, given: Mapping[str, str]) -> _Value | _Wrong:
    text = given.get(one.name, one.default)
    if text is None:
        return _Wrong(f"{place.said}: parameter '{one.name}' has no default, and nobody chose it: give it one, or ask for a run with it")
    wrong = parameters.refused(one, text)
    if wrong is not None:
        return _Wrong(f"`spec.parameters.{one.name}`: {wrong}")
    kind = registry.KINDS[place.step.action]
    if _shapes(kind.name)[place.field] == NUMBER:
        return _Value(int(text))
    mark = next((one for one in _PLACEHOLDERS if one in text), None)
    return _Value(text) if mark is None else _Wrong(f"`spec.parameters.{one.name}`: it must not have '{mark}', which {place.said} would read")


def _fields(step: RunbookStep) -> Mapping[str, Any]:
    """The fields of a step's action as they are written, by their names on the wire."""
    fields = step.actions.get(step.action)
    return {to_camel(str(name)): value for name, value in fields.items()} if isinstance(fields, Mapping) else {}


@cache
def _shapes(action: str) -> Mapping[str, str]:
    """By its name on the wire, what a field of an action is; those that take no parameter are left out."""
    shapes = {to_camel(name): _shape(field.annotation) for name, field in registry.KINDS[action].params.model_fields.items()}
    return {name: shape for name, shape in shapes.items() if shape is not None}


def _shape(annotation: Any) -> str | None:
    origin, arms = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _shape(arms[0])
    if origin in {Union, UnionType}:
        rest = [arm for arm in arms if arm is not NoneType]
        return _shape(rest[0]) if len(rest) == 1 else None
    if origin is dict:
        return TEXTS if _shape(arms[1]) == TEXT else None
    return {int: NUMBER, str: TEXT}.get(annotation)


def half_written(runbook: Runbook) -> Iterator[str]:
    """Fields in which a reference is only a part of a text, or stands where none is looked for."""
    for step in runbook.spec.steps:
        for field, value in _fields(step).items():
            inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
            listed = any(referred(one) is not None for one in inside) and not isinstance(value, Mapping)
            if listed or buried(value) or any(buried(one) for one in inside):
                yield f"step '{step.name}', {step.action}.{field}: a parameter is the whole value or none of it: it is no part of a text"
