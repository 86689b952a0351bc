"""Alertmanager's matchers, turned into CEL over `labels`.

People know `{alertname="X", pod=~"checkout-.*"}`; one engine evaluates everything. So this parser only spells the matchers anew: every name and
value becomes an escaped CEL string, and a regular expression runs in CEL's `matches()`, which is RE2 and can't run away. The rule it protects:
what the author did not write as a matcher never reaches the engine as code, and a list that would match every alert is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST: Final = 2048
"""Characters of a matcher list; longer ones are refused."""

KEPT: Final = 1024
"""Lists that are kept as read: each alert of an Incident is held against those of every Runbook."""

_OPERATORS: Final = ("=~", "!~", "!=", "=")
_RESERVED: Final = frozenset("{}!=~,\\\"'`") | frozenset(" \t\r\n")
"""What must stand in quotes, as in Alertmanager's UTF-8 parser."""
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"'}
_CEL_ESCAPES: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


@dataclass(frozen=True, slots=True)
class BadMatcher:
    """Text that is no matcher list: why, and at which character (from 1)."""

    why: str
    position: int

    def __str__(self) -> str:
        """The sentence for a condition or a linter."""
        return f"{self.why} (at character {self.position})"


@dataclass(frozen=True, slots=True)
class Matcher:
    """One comparison. A label that is not there counts as empty, as in Alertmanager."""

    name: str
    operator: str
    value: str

    @property
    def expression(self) -> str:
        """The comparison in CEL over `labels`. Regular expressions are anchored at both ends."""
        name = _cel_string(self.name)
        label = f'({name} in labels ? labels[{name}] : "")'
        match self.operator:
            case "=":
                return f"{label} == {_cel_string(self.value)}"
            case "!=":
                return f"{label} != {_cel_string(self.value)}"
            case "=~":
                return f"{label}.matches({_cel_string(f'^(?:{self.value})$')})"
            case _:
                return f"!{label}.matches({_cel_string(f'^(?:{self.value})$')})"

    def may_hold(self, labels: Mapping[str, str]) -> bool:
        """False where an equality plainly does not hold. An engine needs not be asked then, and most alerts are another's."""
        return self.operator != "=" or labels.get(self.name, "") == self.value


class _MalformedError(Exception):
    """Carries a BadMatcher out of the parser; never leaves this module."""

    def __init__(self, why: str, index: int) -> None:
        super().__init__(why)
        self.bad = BadMatcher(why, index + 1)


@lru_cache(maxsize=KEPT)
def compile_matcher(text: str) -> str | BadMatcher:
    """The whole list as one CEL expression over `labels`, true where every matcher holds; or what is wrong with it."""
    found = parse(text)
    return found if isinstance(found, BadMatcher) else " && ".join(one.expression for one in found)


@lru_cache(maxsize=KEPT)
def parse(text: str) -> tuple[Matcher, ...] | BadMatcher:
    """Each matcher of the list. A linter checks their expressions one by one, because in CEL a false beside it hides a broken regular expression."""
    if len(text) > LONGEST:
        return BadMatcher(f"a matcher list has at most {LONGEST} characters, this has {len(text)}", LONGEST + 1)
    unprintable = next((index for index, character in enumerate(text) if character == "\0" or "\ud800" <= character <= "\udfff"), None)
    if unprintable is not None:
        return BadMatcher("a matcher holds no NUL and no half of a surrogate pair", unprintable + 1)
    try:
        return tuple(_Parser(text).matchers())
    except _MalformedError as error:
        return error.bad


def _cel_string(value: str) -> str:
    return '"' + "".join(_CEL_ESCAPES.get(character) or _control(character) for character in value) + '"'


def _control(character: str) -> str:
    return character if character >= " " and character != "\x7f" else f"\\u{ord(character):04x}"


class _Parser:
    """Reads one list from left to right; `at` is the character that comes next."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def matchers(self) -> Iterator[Matcher]:
        braces = self._take("{")
        if self._here() in {"", "}"}:
            raise _MalformedError("an empty list would match every alert: name at least one label", self.at)
        while True:
            yield self._matcher()
            if not self._take(","):
                break
            if self._here() in {"", "}"}:  # a comma after the last one, as Alertmanager allows
                break
        if braces and not self._take("}"):
            raise _MalformedError("expected ',' or '}' after a matcher", self.at)
        if self._here():
            raise _MalformedError(f"expected the end, found '{self.text[self.at]}'", self.at)

    def _matcher(self) -> Matcher:
        start = self.at
        name = self._word("a label name")
        if not name:
            raise _MalformedError("a label name must not be empty", start)
        self._here()
        operator = next((one for one in _OPERATORS if self.text.startswith(one, self.at)), None)
        if operator is None:
            raise _MalformedError(f"expected =, !=, =~ or !~ after '{name}'", self.at)
        self.at += len(operator)
        return Matcher(name, operator, self._word("a value"))

    def _here(self) -> str:
        """Skip spaces; the next character, or nothing at the end."""
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1
        return self.text[self.at : self.at + 1]

    def _take(self, wanted: str) -> bool:
        taken = self._here() == wanted
        self.at += taken
        return taken

    def _word(self, what: str) -> str:
        if self._here() == '"':
            return self._quoted()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _RESERVED:
            self.at += 1
        if start == self.at:
            found = self.text[start : start + 1]
            raise _MalformedError(f"expected {what}, found '{found}'" if found else f"expected {what}, found the end", start)
        return self.text[start : self.at]

    def _quoted(self) -> str:
        start = self.at
        self.at += 1
        out: list[str] = []
        while self.at < len(self.text):
            character = self.text[self.at]
            if character == '"':
                self.at += 1
                return "".join(out)
            if character == "\\":
                self.at += 1
                escaped = _ESCAPES.get(self.text[self.at : self.at + 1])
                if escaped is None:
                    raise _MalformedError('a backslash is followed by one of \\ " n r t; write \\\\ for a backslash', self.at - 1)
                character = escaped
            out.append(character)
            self.at += 1
        raise _MalformedError("this quote is never closed", start)
