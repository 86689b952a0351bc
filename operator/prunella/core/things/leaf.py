"""Until when a certificate holds: the validity of an X.509 leaf, read from PEM without anything else of it.

The rule this module protects: it is strict, because what it reads may be anything. What is not exactly a certificate in DER is `Malformed`, with a
sentence that quotes nothing of it. No signature is checked and no name is read: who serves a certificate is not judged here, only how long it holds.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

BEGIN: Final = b"-----BEGIN CERTIFICATE-----"
END: Final = b"-----END CERTIFICATE-----"
LONGEST: Final = 64 * 1024
"""Bytes of one certificate in PEM. Those that are in use have a few thousand."""

SEQUENCE, INTEGER, BIT_STRING, VERSION = 0x30, 0x02, 0x03, 0xA0
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
_LONG_FORM: Final = 0x80
"""Set in the first byte of a length that takes more than one."""
_MOST_LENGTH_BYTES: Final = 3
_PIVOT: Final = 50
"""Two-digit years from here on are of the twentieth century (RFC 5280, 4.1.2.5.1)."""

Element = tuple[int, bytes]
"""Tag and content."""


class Malformed(ValueError):
    """It is no certificate. The message says what is wrong with it and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate holds; both ends count to it."""

    not_before: datetime
    not_after: datetime


def validity(pem: bytes) -> Validity:
    """Of the first certificate, which is the one that a server presents as its own. Raises Malformed."""
    begin = pem.find(BEGIN)
    if begin < 0:
        raise Malformed("it holds no certificate in PEM")
    end = pem.find(END, begin, begin + LONGEST)
    if end < 0:
        raise Malformed(f"its first certificate does not end within {LONGEST} bytes")
    try:
        der = base64.b64decode(b"".join(pem[begin + len(BEGIN) : end].split()), validate=True)
    except binascii.Error:
        raise Malformed("its first certificate is not base64") from None
    return _of_certificate(der)


def _of_certificate(der: bytes) -> Validity:
    outer = _elements(der)
    if _tags(outer) != [SEQUENCE] or _tags(parts := _elements(outer[0][1])) != [SEQUENCE, SEQUENCE, BIT_STRING]:
        raise Malformed("its first certificate is not an X.509 certificate")
    fields = _elements(parts[0][1])
    if fields and fields[0][0] == VERSION:
        fields = fields[1:]
    # Serial number, signature algorithm, issuer, validity, subject, key; extensions follow.
    if _tags(fields[:6]) != [INTEGER, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE, SEQUENCE]:
        raise Malformed("its first certificate is not an X.509 certificate")
    times = _elements(fields[3][1])
    if len(times) != 2:  # noqa: PLR2004 - from, until
        raise Malformed("its first certificate does not say from when until when it holds")
    holds = Validity(not_before=_instant(times[0]), not_after=_instant(times[1]))
    if holds.not_after < holds.not_before:
        raise Malformed("its first certificate ends before it begins")
    return holds


def _tags(elements: list[Element]) -> list[int]:
    return [tag for tag, _ in elements]


def _elements(der: bytes) -> list[Element]:
    """The elements that follow each other, to the last byte."""
    found: list[Element] = []
    at = 0
    while at < len(der):
        length, begin = _length(der, at + 1)
        if begin + length > len(der):
            raise Malformed("its first certificate is cut off")
        found.append((der[at], der[begin : begin + length]))
        at = begin + length
    return found


def _length(der: bytes, at: int) -> tuple[int, int]:
    """The length that stands there, and where the content begins. Only the shortest form is DER."""
    first = der[at : at + 1]
    if not first:
        raise Malformed("its first certificate is cut off")
    if first[0] < _LONG_FORM:
        return first[0], at + 1
    count = first[0] - _LONG_FORM
    spelled = der[at + 1 : at + 1 + count]
    length = int.from_bytes(spelled)
    if not 0 < count <= _MOST_LENGTH_BYTES or len(spelled) < count or spelled[0] == 0 or length < _LONG_FORM:
        raise Malformed("its first certificate is not DER")
    return length, at + 1 + count


def _instant(element: Element) -> datetime:
    """A time of RFC 5280: in UTC, to the second."""
    tag, content = element
    digits = {UTC_TIME: 12, GENERALIZED_TIME: 14}.get(tag, 0)
    text = content[:-1]
    if content[-1:] != b"Z" or len(text) != digits or not text.isdigit():
        raise Malformed("its first certificate names a time that is none")
    year, (month, day, hour, minute, second) = int(text[:-10]), (int(text[at : at + 2]) for at in range(digits - 10, digits, 2))
    if tag == UTC_TIME:
        year += 1900 if year >= _PIVOT else 2000
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        raise Malformed("its first certificate names a time that is none") from None
