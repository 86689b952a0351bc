"""Parameters of a run: what a Runbook lets people choose, and what they chose.

The rule this module protects: a value is taken only where the Runbook names it and permits it. Nothing is guessed from a misspelt name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from typing import Final

from prunella.api.self_service import Parameter, ParameterType

_INTEGER: Final = re.compile(r"-?[0-9]{1,10}")
_SAMPLES: Final[Mapping[ParameterType, object]] = {ParameterType.STRING: "", ParameterType.INTEGER: 0, ParameterType.BOOLEAN: False}


def wrong_with(declared: Sequence[Parameter], given: Mapping[str, str]) -> str | None:
    """What is wrong with what was chosen, with the field and the remedy; None where nothing is."""
    names = [one.name for one in declared]
    for name in sorted(given.keys() - set(names)):
        near = difflib.get_close_matches(name, names, 1)
        there = f"did you mean '{near[0]}'?" if near else f"there is {', '.join(names)}" if names else "it takes none"
        return f"`spec.parameters.{name}`: the Runbook has no such parameter; {there}"
    for one in declared:
        wrong = _missing(one) if one.name not in given else refused(one, given[one.name])
        if wrong is not None:
            return f"`spec.parameters.{one.name}`: {wrong}"
    return None


def _missing(one: Parameter) -> str | None:
    return f"it must be given: {one.description}" if one.default is None else None


def refused(one: Parameter, text: str) -> str | None:
    """Why a parameter does not take that text; None where it does."""
    if not text.isprintable():
        return "it must be one line without control characters"
    if one.values and text not in one.values:
        return f"it must be one of {', '.join(one.values)}"
    if one.type is ParameterType.BOOLEAN and text not in {"true", "false"}:
        return 'it must be "true" or "false"'
    if one.type is not ParameterType.INTEGER:
        return None
    if _INTEGER.fullmatch(text) is None:
        return 'it must be a whole number as text, for example "3"'
    number = int(text)
    if one.minimum is not None and number < one.minimum:
        return f"it must be at least {one.minimum}"
    return f"it must be at most {one.maximum}" if one.maximum is not None and number > one.maximum else None


def texts(declared: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, str]:
    """What was chosen, else the defaults, as text. One that has neither, or a value that is not permitted, is not there."""
    chosen = {one.name: given.get(one.name, one.default) for one in declared}
    return {one.name: text for one in declared if (text := chosen[one.name]) is not None and refused(one, text) is None}


def values(declared: Sequence[Parameter], given: Mapping[str, str]) -> dict[str, object]:
    """What conditions read as `parameters`. One that is not there leaves a condition that can't be told."""
    known = texts(declared, given)
    return {one.name: _read(one, known[one.name]) for one in declared if one.name in known}


def sample(declared: Sequence[Parameter]) -> dict[str, object]:
    """The same with empty values: enough to find a misspelt name."""
    return {one.name: _SAMPLES[one.type] for one in declared}


def _read(one: Parameter, text: str) -> object:
    match one.type:
        case ParameterType.INTEGER:
            return int(text)
        case ParameterType.BOOLEAN:
            return text == "true"
        case ParameterType.STRING:
            return text
