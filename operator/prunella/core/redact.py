"""What never leaves: secrets in evidence and messages, and characters that make a text look like another one.

The rule this module protects: whatever comes from a container's log, an Event or an alert is redacted before anything is stored or sent. Every
pattern is linear in the length of the text (possessive runs, bounded repeats): a hostile log line costs no more than a harmless one.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import quote

MARK: Final = "[redacted]"
CUT: Final = "[cut]"
LIMIT: Final = 65_536
"""Characters that are looked at. Of a longer text only the end is kept: a log's last words matter most."""
SHORTEST_SECRET: Final = 4
"""A known value shorter than this is not looked for: it would tear holes in every text."""
SHORTEST_LINE: Final = 8
"""A line of a secret of several lines is looked for by itself from this length on."""

_ESCAPES: Final = re.compile(
    r"\x1b\][^\x07\x1b]*+(?:\x07|\x1b\\)?"  # operating system command: a title, a link
    r"|(?:\x1b\[|\x9b)[0-?]*+[ -/]*+[@-~]?"  # control sequence: colours, the cursor
    r"|\x1b[ -/]*+[0-~]?"  # any other escape
)
_LINE_ENDS: Final = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SURROGATES: Final = re.compile("[\ud800-\udfff]")

_WORDS: Final = (
    r"(?:pass(?:word|wd|phrase|code)|(?<=[_-])pass(?![a-z])|pwd|secret|token|credential|api[-_ ]?key"
    r"|(?:access|account|private|client|signing|encryption)[-_]?key)"
)
_NAMED: Final = re.compile(
    r"(?i)" + _WORDS + r"[\w.-]{0,64}+\\{0,3}[\"']?[ \t]{0,8}(?::=|=>|=|:)[ \t]{0,8}+"  # what is assigned
    r"|(?<![\w-])--?[\w-]{0,32}?" + _WORDS + r"[\w-]{0,32}+[ \t]{1,8}+(?=[^\s\"'-][^\s\"']{3})"  # a flag and its value
)
_VALUE: Final = re.compile(
    r"(?!\[redacted\])(?:\"(?:\\.|[^\"\\\n])*+\"?"  # in double quotes
    r"|'(?:\\.|[^'\\\n])*+'?"  # in single quotes
    r"|\\{1,3}\"[^\"\\\n]*+(?:\\{1,3}\")?"  # in quotes of a JSON text inside a JSON text
    r"|[^\s\"',;&]++)"  # a bare word
)
_PEM_END: Final = re.compile(r"-----END [A-Z0-9 ]{1,60}-----")
_BASE64_OR_SPACE: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=\\ \t\n")
_SHAPES: Final = (
    # A PEM block, whole or without its end.
    re.compile(r"(?P<secret>-----BEGIN [A-Z0-9 ]{1,60}-----(?:[A-Za-z0-9+/=\\\s:,.()]|-(?!-))*+(?:-----END [A-Z0-9 ]{1,60}-----)?)"),
    # A header, to the end of its line or quotes.
    re.compile(
        r"(?i)(?<![\w-])(?:(?:proxy-)?authorization|(?:set-)?cookie)\\{0,3}[\"']?[ \t]{0,8}[:=][ \t]{0,8}+\\{0,3}[\"']?"
        r"(?P<secret>(?!\[redacted\])[^\n\"'\\]++)"
    ),
    re.compile(r"(?i)\b(?:bearer|basic)[ \t]{1,8}(?P<secret>[A-Za-z0-9._~+/=-]{8,}+)"),
    # The user's part of a URL.
    re.compile(r"(?<=://)(?P<secret>(?!\[redacted\]@)(?:[^\s/@\"'<>]{1,256}|[^\s/@:\"'<>]{0,128}:(?!\d{1,5}/)[^\s\"'<>]{1,256}))@"),
    # A JSON web token.
    re.compile(r"(?<![\w-])(?P<secret>eyJ[\w-]{4,}+\.[\w-]{4,}+(?:\.[\w-]*+){0,3})"),
    # Keys that are known by how they begin.
    re.compile(
        r"(?<![A-Za-z0-9_-])(?P<secret>(?:AKIA|ASIA|AROA|AIDA|AGPA|ANPA)[A-Z0-9]{12,}+|gh[pousr]_\w{20,}+|github_pat_\w{20,}+|glpat-[\w-]{16,}+"
        r"|xox[abeprs]-[\w-]{8,}+|AIza[\w-]{30,}+|[sr]k_(?:live|test)_\w{12,}+|sk-[\w-]{20,}+|npm_\w{30,}+|hf_\w{30,}+|dop_v1_\w{40,}+|pypi-[\w-]{40,}+"
        r"|SG\.[\w-]{16,}+\.[\w-]{16,}+)"
    ),
)

Span = tuple[int, int]


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without secrets, escapes and invisible characters; at most LIMIT characters of it and a mark where it was cut.

    `secrets` are known values that must not be in it, as they are, in base64 or URL-encoded. Marks survive a second
    redaction. Redact before cutting: half a secret is not recognised.
    """
    plain = _plain(_tail(text))
    for form in _forms(secrets):
        plain = plain.replace(form, MARK)
    shaped = (match.span("secret") for shape in _SHAPES for match in shape.finditer(plain))
    kept: list[str] = []
    position = 0
    for start, end in _joined((*shaped, *_named(plain), *_headless_pem(plain))):
        kept += [plain[position:start], MARK]
        position = end
    return "".join((*kept, plain[position:]))


def _tail(text: str) -> str:
    """The end of a text that is too long, from the first white space on, so that it does not begin in the middle of a secret."""
    if len(text) <= LIMIT:
        return text
    tail = text[-LIMIT:]
    space = re.search(r"\s", tail)
    return f"{CUT}{tail[space.start() :]}" if space is not None else CUT


def _plain(text: str) -> str:
    """Only what a person can see, in lines."""
    text = _INVISIBLE.sub("", _LINE_ENDS.sub("\n", _ESCAPES.sub("", text)))
    return _SURROGATES.sub("\ufffd", text)


def _forms(secrets: Iterable[str]) -> tuple[str, ...]:
    """Every spelling of the known values, longest first."""
    forms: set[str] = set()
    for secret in secrets:
        whole = _plain(secret).strip()
        lines = [line.strip() for line in whole.split("\n")]
        forms |= {whole, *(line for line in lines if len(line) >= SHORTEST_LINE)}
        if len(whole) >= SHORTEST_SECRET:
            raw = secret.encode(errors="replace")
            forms |= {base64.b64encode(raw).decode(), base64.urlsafe_b64encode(raw).decode(), quote(whole, safe=""), quote(whole)}
    return tuple(sorted((form for form in forms if len(form) >= SHORTEST_SECRET), key=lambda form: (-len(form), form)))


def _named(text: str) -> Iterator[Span]:
    """The values that follow a telling name. Where a value holds the next name, that one's value goes with it."""
    covered = 0
    for name in _NAMED.finditer(text):
        value = _VALUE.match(text, name.end()) if name.end() >= covered else None
        if value is not None:
            covered = value.end()
            yield value.span()


def _headless_pem(text: str) -> Iterator[Span]:
    """The PEM blocks whose beginning was cut off: what looks like base64 before an end."""
    position = 0
    for end in _PEM_END.finditer(text):
        start = end.start()
        while start > position and text[start - 1] in _BASE64_OR_SPACE:
            start -= 1
        position = end.end()
        yield (start + len(text[start:position]) - len(text[start:position].lstrip()), position)


def _joined(spans: Iterable[Span]) -> list[Span]:
    """The spans in order, those that touch each other as one."""
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return joined
