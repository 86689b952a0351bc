"""Until when a certificate holds is read from it, and of anything else it is only said that it is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prunella.core.things.leaf import LONGEST, Malformed, Validity, validity

from .certificates import ELLIPTIC, GENERALIZED_TIME, INTEGER, LONG, OLD, SEQUENCE, UTC_TIME, certificate, der, holding, pem, time

FIRST, LAST = datetime(1950, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
SECRET = b"c2VjcmV0IG9mIHRoZSBrZXk="
GOOD = certificate(time(FIRST), time(LAST))
instants = st.datetimes(min_value=FIRST.replace(tzinfo=None), max_value=LAST.replace(tzinfo=None), timezones=st.just(UTC))


@pytest.mark.parametrize("one", [ELLIPTIC, LONG, OLD], ids=["elliptic, three months", "RSA, beyond 2049", "the first version"])
def test_of_a_real_one_both_ends_are_read(one):
    text, not_before, not_after = one
    assert validity(text) == Validity(not_before, not_after)


def test_the_first_of_a_chain_counts_and_what_stands_around_it_does_not():
    key = b"-----BEGIN PRIVATE KEY-----\n" + SECRET + b"\n-----END PRIVATE KEY-----\n"
    assert validity(b"subject=CN = shop\r\n" + key + ELLIPTIC[0].replace(b"\n", b"\r\n") + LONG[0]) == validity(ELLIPTIC[0])


@given(instants, instants)
def test_any_two_times_are_read_as_they_were_written(one, other):
    begins, ends = sorted(moment.replace(microsecond=0) for moment in (one, other))
    assert validity(holding(begins, ends)) == Validity(begins, ends)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "it holds no certificate in PEM"),
        (SECRET, "it holds no certificate in PEM"),
        (pem(GOOD, "TRUSTED CERTIFICATE"), "it holds no certificate in PEM"),
        (pem(GOOD)[:-30], f"its first certificate does not end within {LONGEST} bytes"),
        (pem(b"\x00" * LONGEST), f"its first certificate does not end within {LONGEST} bytes"),
        (pem(GOOD).replace(b"\nM", b"\n*", 1), "its first certificate is not base64"),
        (pem(b""), "its first certificate is not an X.509 certificate"),
        (pem(GOOD + GOOD), "its first certificate is not an X.509 certificate"),
        (pem(der(SEQUENCE)), "its first certificate is not an X.509 certificate"),
        (pem(der(INTEGER, b"\x01")), "its first certificate is not an X.509 certificate"),
        (pem(GOOD + b"\x00"), "its first certificate is cut off"),
        (pem(GOOD[:-1]), "its first certificate is cut off"),
        (pem(certificate(b"", b"")), "its first certificate does not say from when until when it holds"),
        (pem(certificate(time(FIRST), time(LAST) * 2)), "its first certificate does not say from when until when it holds"),
        (pem(certificate(time(LAST), time(FIRST))), "its first certificate ends before it begins"),
        (
            pem(certificate(time(FIRST), time(LAST), version=b"", more=b"").replace(b"\x02\x01\x07", b"\x04\x01\x07")),
            "its first certificate is not an X.509 certificate",
        ),
    ],
    ids=[
        "nothing",
        "something else",
        "another label",
        "no end",
        "too long",
        "not base64",
        "empty",
        "two at once",
        "an empty sequence",
        "a number",
        "a byte too many",
        "a byte too few",
        "no times",
        "three times",
        "times the wrong way round",
        "no serial number",
    ],
)
def test_what_is_none_is_told_in_a_sentence(text, said):
    with pytest.raises(Malformed) as caught:
        validity(text)
    assert str(caught.value) == said
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "spelled",
    [
        der(UTC_TIME, b"2611241200Z"),
        der(UTC_TIME, b"261124120000+0100"),
        der(UTC_TIME, b"261324120000Z"),
        der(UTC_TIME, b"26112412000 Z"),
        der(GENERALIZED_TIME, b"20610230120000Z"),
        der(GENERALIZED_TIME, b"00000101120000Z"),
        der(GENERALIZED_TIME, b"261124120000Z"),
        der(GENERALIZED_TIME, b"20611124120000.5Z"),
        der(INTEGER, b"261124120000Z"),
        der(UTC_TIME),
    ],
    ids=["no seconds", "an offset", "a thirteenth month", "a blank", "30 February", "year 0", "two digits", "a fraction", "a number", "empty"],
)
def test_a_time_that_is_none_is_not_guessed(spelled):
    with pytest.raises(Malformed, match=r"^its first certificate names a time that is none$"):
        validity(pem(certificate(time(FIRST), spelled)))


@pytest.mark.parametrize(
    "length",
    [b"\x80", b"\x81\x7f", b"\x82\x00\x80", b"\x84\x00\x00\x01\x00", b"\x82\x01", b"\xff"],
    ids=["without an end", "one byte too many", "a leading zero", "four bytes", "half of it", "reserved"],
)
def test_only_the_shortest_length_is_der(length):
    with pytest.raises(Malformed, match=r"^its first certificate is not DER$"):
        validity(pem(b"\x30" + length))
    with pytest.raises(Malformed, match=r"^its first certificate is cut off$"):
        validity(pem(b"\x30"))


@given(st.binary(max_size=400))
@example(b"\x30\x83\xff\xff\xff")
def test_whatever_stands_between_the_marks_is_a_certificate_or_said_to_be_none(content):
    with pytest.raises(Malformed, match=r"^its first certificate "):
        validity(pem(content))


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_certificate_with_one_wrong_byte_never_raises_anything_else(at, byte):
    changed = GOOD[:at] + bytes((byte,)) + GOOD[at + 1 :]
    try:
        read = validity(pem(changed))
    except Malformed as error:
        said = str(error)
    else:
        said = "its first certificate " if read.not_before <= read.not_after else ""
    assert said.startswith("its first certificate ")


@given(st.binary(max_size=300))
def test_neither_does_any_text(content):
    with pytest.raises(Malformed):
        validity(content)
