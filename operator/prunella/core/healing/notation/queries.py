"""`${target.name}` in a PromQL query: one label value, escaped, and nothing else.

The rule this module protects: who names an object writes no PromQL. A placeholder is filled only where a label is compared, is escaped for the
string (and, behind =~ or !~, for the regular expression) that it stands in, and is looked at once: a value that looks like a placeholder stays
text. What can't be filled is an error, because a query about nothing or about everything would prove health that nobody has seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from prunella.api.incident import Incident

VARIABLES: Final = ("target.kind", "target.name", "target.namespace")
"""The names that a query may ask for."""

_TOKENS: Final = re.compile(
    r"""(?P<comment>\#[^\n]*)
      | (?P<raw>`[^`]*`)
      | (?P<string>"(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*')
      | (?P<open>["'`])
      | (?P<operator>=~|!~|!=|==|=)
      | (?P<placeholder>\$\{)
      | (?P<space>\s+)
      | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
"""PromQL as far as it must be read to know where its strings are. No branch can backtrack into another, so it is linear."""
_PLACEHOLDER: Final = re.compile(r"\$\{([^{}]*)\}?")
_NOT_IN_REGEX: Final = re.compile(r"([\\.+*?()|\[\]{}^$])")
_EXAMPLE: Final = 'for example job="${target.name}"'
_STRING_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class Unfillable:
    """Why a query can't be asked."""

    why: str


class _RefusedError(Exception):
    """Carries the reason out of a substitution; never leaves this module."""


def fill(query: str, variables: Mapping[str, str]) -> str | Unfillable:
    """The query with each `${name}` replaced by the escaped value of that name in `variables`; other names are refused."""
    try:
        return "".join(_parts(query, variables))
    except _RefusedError as refused:
        return Unfillable(str(refused))


def about(incident: Incident, query: str) -> str | Unfillable:
    """The query about an Incident's target."""
    ref = incident.spec.target_ref
    return about_target(query, ref.kind, incident.target_namespace, ref.name)


def about_target(query: str, kind: str, namespace: str, name: str) -> str | Unfillable:
    """The query about an object."""
    return fill(query, {"target.kind": kind, "target.name": name, "target.namespace": namespace})


def wrong_with(query: str) -> str | None:
    """What is wrong with the placeholders of a query, for a linter; None where they can be filled."""
    filled = fill(query, dict.fromkeys(VARIABLES, "example"))
    return filled.why if isinstance(filled, Unfillable) else None


def _parts(query: str, variables: Mapping[str, str]) -> Iterator[str]:
    operator = ""
    for token in _TOKENS.finditer(query):
        kind, text = token.lastgroup, token.group()
        if kind == "open":
            raise _RefusedError(f"the quote at character {token.start() + 1} is never closed")
        if kind == "placeholder":
            raise _RefusedError(f"${{…}} at character {token.start() + 1} must stand in the quoted value of a label, {_EXAMPLE}")
        yield _filled(text, operator, variables, token.start()) if kind in {"raw", "string"} and "${" in text else text
        if kind not in {"space", "comment"}:
            operator = text if kind == "operator" else ""


def _filled(string: str, operator: str, variables: Mapping[str, str], start: int) -> str:
    if string[0] == "`":
        raise _RefusedError(f"${{…}} in the string at character {start + 1} can't be escaped between backticks: use double quotes")
    if operator not in {"=", "!=", "=~", "!~"}:
        raise _RefusedError(f"${{…}} in the string at character {start + 1} must be compared with a label, {_EXAMPLE}")
    return _PLACEHOLDER.sub(lambda found: _value(found, operator, variables), string)


def _value(found: re.Match[str], operator: str, variables: Mapping[str, str]) -> str:
    name = found.group(1)
    if not found.group().endswith("}"):
        raise _RefusedError(f"'${{{name}' is never closed")
    value = variables.get(name)
    if value is None:
        raise _RefusedError(f"'${{{name}}}' is not known; there are {', '.join(sorted(variables)) or 'none'}")
    if not value:
        raise _RefusedError(f"'${{{name}}}' is empty here, and an empty label value would ask about something else")
    if operator in {"=~", "!~"}:
        value = _NOT_IN_REGEX.sub(r"\\\1", value)
    return "".join(_escaped(character) for character in value)


def _escaped(character: str) -> str:
    if "\ud800" <= character <= "\udfff":
        raise _RefusedError("a value holds half of a surrogate pair, which no label value can")
    if character in _STRING_ESCAPES:
        return _STRING_ESCAPES[character]
    return character if character >= " " and character != "\x7f" else f"\\u{ord(character):04x}"
