"""The CEL engine: one evaluator for every condition and matcher.

The rule this module protects: an expression that has no answer is `Unevaluable`, never false by accident and never an exception. A result is read
only where its type is BOOL: reading a CEL null drops a reference of Python's None in this version of the engine, and CPython 3.11 dies of it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final

from cel_expr_python import cel

from prunella.core.world import Unevaluable

LONGEST: Final = 16_384
"""Characters of an expression; the longest matcher list stays below it when spelled in CEL."""
FEW: Final = 8
"""Labels with which an answer is kept: a matcher list names fewer. A hundred alerts of an Incident are asked about at each of its decisions."""
_SAMPLES: Final[dict[str, object]] = {"value": 1.0, "labels": {}}
"""With these alone an expression can be tried when it is checked: types and regular expressions are only found out at evaluation."""
_LOCATED: Final = re.compile(r"<input>:(\d+):(\d+): (.*)")
_LARGEST: Final = 2**63 - 1


class CelEvaluate:
    """Implements `Evaluate`. Compiled expressions are kept, and answers about a few labels; the least used ones are dropped."""

    def __init__(self, *, kept: int = 1024) -> None:
        self._compiled = lru_cache(maxsize=kept)(_compile)
        self._about_labels = lru_cache(maxsize=kept)(lambda expression, labels: self._ask(expression, {"labels": dict(labels)}))

    def __call__(self, expression: str, variables: Mapping[str, object]) -> bool | Unevaluable:
        """True, false, or why it can't be told. Never raises."""
        labels = variables.get("labels")
        if len(variables) == 1 and isinstance(labels, dict) and len(labels) <= FEW and all(type(one) is str for one in labels.values()):
            return self._about_labels(expression, frozenset(labels.items()))
        return self._ask(expression, variables)

    def _ask(self, expression: str, variables: Mapping[str, object]) -> bool | Unevaluable:
        program = self._compiled(expression, frozenset(variables))
        if isinstance(program, str):
            return Unevaluable(program)
        try:
            result = program.eval(data={name: _plain(value) for name, value in variables.items()})
        except (RuntimeError, TypeError, ValueError, RecursionError) as error:
            return Unevaluable(f"the expression could not be evaluated: {_clean(str(error))}")
        if result.type() == cel.Type.BOOL:
            return result.value() is True
        if result.type() == cel.Type.ERROR:
            return Unevaluable(_clean(str(result)))
        return Unevaluable(f"the expression must give true or false, it gives {result.type().name().lower()}")

    def check(self, expression: str, variables: Iterable[str]) -> str | None:
        """What is wrong with an expression over these variables, with the column; None where it compiles. For `prunella lint` and `Ready`."""
        names = frozenset(variables)
        program = self._compiled(expression, names)
        if isinstance(program, str):
            return program
        kind = program.return_type()
        if kind not in (cel.Type.BOOL, cel.Type.DYN):
            return f"the expression must give true or false, it gives {kind.name().lower()}"
        if names and names <= _SAMPLES.keys():
            tried = self(expression, {name: _SAMPLES[name] for name in names})
            return tried.why if isinstance(tried, Unevaluable) else None
        return None


def _compile(expression: str, names: frozenset[str]) -> cel.Expression | str:
    """The program, or why there is none. Every variable is dynamic: `value < 1` and `value < 1.0` both mean the number."""
    if len(expression) > LONGEST:
        return f"an expression has at most {LONGEST} characters, this has {len(expression)}"
    if "\0" in expression or not _encodable(expression):
        return "an expression holds no NUL and no half of a surrogate pair"
    try:
        return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN)).compile(expression)
    except (RuntimeError, TypeError, ValueError) as error:
        return _located(str(error))


def _located(message: str) -> str:
    """The engine's first complaint as 'column 7: found no matching overload …'."""
    found = _LOCATED.search(message)
    if found is None:
        return _clean(message)
    line, column, what = found.groups()
    place = f"column {column}" if line == "1" else f"line {line}, column {column}"
    return _clean(f"{place}: {what}")


def _clean(message: str) -> str:
    return " ".join(message.split())[:512]


def _encodable(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _plain(value: object) -> object:
    """What the engine takes: it knows no subclasses of str, no tuples, and no instants but as RFC 3339 text."""
    match value:
        case None | bool():
            return value
        case str():
            # The engine ends a text at a NUL: 'a\0b' would equal 'a'.
            text = value.replace("\0", "\ufffd")
            return text if _encodable(text) else text.encode("utf-8", "replace").decode()
        case int():
            return int(value) if -_LARGEST <= value <= _LARGEST else math.copysign(math.inf, value > 0 or -1)
        case float():
            return float(value)
        case datetime():
            return value.isoformat()
        case Mapping():
            return {_plain(key): _plain(one) for key, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return str(value)
